"""The lab's sessions as sequences, numbered behind the public ones."""

from __future__ import annotations

from pathlib import Path

from reelsense_training.bench.windows import Session, Windows
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.lab import as_dataset, load_lab_corpus
from reelsense_training.data.series import LAB
from reelsense_training.edge.sequences import Progress, Sequences, sequences_from_rows

FIRST = 1_000_000  # of the lab's flows, groups: beyond every public number
FIRST_CONDITION = 10_000


def lab_sequences(windows: Windows, sessions: tuple[Session, ...]) -> Sequences:
    """Every flow of every session, as recorded and through the variants; a flow's label may change by the second."""
    numbered = as_dataset(windows, sessions, FIRST, FIRST, FIRST_CONDITION)
    return sequences_from_rows(
        windows.rows, windows.bins, numbered.flow, windows.second, windows.video, numbered.active, LAB,
        numbered.group, unit=numbered.unit, condition=numbered.condition, recorded=numbered.recorded,
    )  # fmt: skip


def load_lab_sequences(
    folder: Path, extractor: Extractor, cache: Path, progress: Progress = lambda _: None
) -> tuple[Sequences, str]:
    """Sequences of the sessions under ``folder`` and the digest of what they were made from."""
    lab = load_lab_corpus(folder, extractor, cache, progress)
    return lab_sequences(lab.windows, lab.lab.sessions), lab.lab.digest
