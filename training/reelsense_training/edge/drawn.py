"""Drawn apps as sequences, numbered behind the public ones and the lab's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reelsense_training.bench.windows import is_active
from reelsense_training.data.dataset import VARIANTS
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.parts import CACHE_FORMAT, Progress, drawn_part
from reelsense_training.data.series import DRAWN
from reelsense_training.edge.sequences import Sequences, extract, sequences_from_rows

FIRST = 10_000_000  # of their flows and groups
FIRST_CONDITION = 20_000


def drawn_sequences(extractor: Extractor, cache: Path, progress: Progress = lambda _: None) -> Sequences:
    """Trained on and never judged by: ``recorded``, so that they weigh as a source, and in no unit of a bench."""
    part = drawn_part(cache, progress)
    path = cache / f"drawn-bins-{CACHE_FORMAT}-{extractor.digest[:12]}-{part.digest[:12]}.npz"
    if not path.is_file():
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **extract(extractor, part.packets, VARIANTS[0].phase_us))
        temporary.replace(path)
    with np.load(path) as stored:
        found = dict(stored)
    flow, features = found["flow"], len(extractor.schema.names)
    active = found["active"] | (part.up_heavy[flow] & is_active(found["packets"], found["bytes_up"]))
    names = sorted(set(part.condition))
    condition = np.array([FIRST_CONDITION + names.index(name) for name in part.condition], np.int16)
    return sequences_from_rows(
        found["rows"][:, :features], found["rows"][:, features:], flow + FIRST, found["second"], part.video[flow],
        active, DRAWN, part.group[flow] + FIRST, condition=condition[flow],
    )  # fmt: skip
