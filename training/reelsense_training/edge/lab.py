"""The lab's sessions as sequences, numbered behind the public ones."""

from __future__ import annotations

from pathlib import Path

from reelsense_training.data.extractor import Extractor
from reelsense_training.data.lab import LabCorpus, load_lab_corpus
from reelsense_training.data.series import LAB
from reelsense_training.edge.sequences import Progress, Sequences, sequences_from_rows

FIRST = 1_000_000  # of the lab's flows, groups: beyond every public number
FIRST_CONDITION = 10_000


def lab_sequences(lab: LabCorpus) -> Sequences:
    """Every flow of every session, as recorded and through the variants; a flow's label may change by the second."""
    windows = lab.windows
    numbered = lab.dataset(FIRST, FIRST, FIRST_CONDITION)
    return sequences_from_rows(
        windows.rows, windows.bins, numbered.flow, windows.second, windows.video, numbered.active, LAB,
        numbered.group, unit=numbered.unit, condition=numbered.condition, recorded=numbered.recorded,
    )  # fmt: skip


def load_lab_sequences(
    folder: Path, extractor: Extractor, cache: Path, progress: Progress = lambda _: None
) -> tuple[Sequences, str]:
    """Sequences of the sessions under ``folder`` and the digest of what they were made from."""
    lab = load_lab_corpus(folder, extractor, cache, progress)
    return lab_sequences(lab), lab.lab.digest
