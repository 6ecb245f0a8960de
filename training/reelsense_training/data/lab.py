"""The traffic lab as one more source: its sessions' windows as recorded, and through the same variants as public
series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reelsense_training.bench.emulate import emulate
from reelsense_training.bench.lab_data import load_lab
from reelsense_training.bench.packets import Packets
from reelsense_training.bench.windows import Lab, Session, Windows
from reelsense_training.bench.windows import concatenate as join_windows
from reelsense_training.data.dataset import VARIANTS, Corpus, Dataset, Variant, concatenate
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.parts import lab_condition, lab_units
from reelsense_training.data.series import LAB

Progress = Callable[[str], None]


@dataclass(frozen=True)
class SeenThrough:
    """A training variant as the emulator of sessions wants it: another link or collector for every flow."""

    variant: Variant

    def apply(self, packets: Packets, session: Session, rng: np.random.Generator) -> Packets:
        del rng  # a variant has a seed of its own, so that it is the same for every source
        return packets.through(self.variant.apply(packets.series(), session.name))


@dataclass(frozen=True)
class LabCorpus:
    """The lab's windows [W] for training, as recorded first; ``session`` [W] is an index in ``lab.sessions``."""

    lab: Lab
    windows: Windows  # recorded, then every other variant; ``variant`` is an index in VARIANTS
    conditions: tuple[str, ...]  # of `lab_conditions`

    def dataset(self, first_group: int, first_flow: int, first_condition: int) -> Dataset:
        """As windows of source LAB, numbered after the windows of other sources."""
        return as_dataset(self.windows, self.lab.sessions, first_group, first_flow, first_condition)

    def augmented(self) -> Windows:
        """The windows that were not recorded."""
        return self.windows.take(self.windows.variant > 0)


def lab_conditions(workloads: tuple[str, ...]) -> tuple[str, ...]:
    """In the order that ``as_dataset`` numbers them."""
    return tuple(lab_condition(name, crowded) for name in workloads for crowded in (False, True))


def as_dataset(
    windows: Windows, sessions: tuple[Session, ...], first_group: int, first_flow: int, first_condition: int
) -> Dataset:
    """Windows of lab sessions for training: designs make units, a session is a group, a workload with or without
    others' downloads beside it a condition.
    """
    beside = np.array([session.downloads > 0 for session in sessions])[windows.session]
    return Dataset(
        rows=windows.rows, video=windows.video, source=np.full(len(windows), LAB, np.int8),
        unit=lab_units(sessions)[windows.session],
        group=(windows.session + first_group).astype(np.int32), flow=(windows.flow + first_flow).astype(np.int32),
        second=windows.second, active=windows.counted, variant=windows.variant,
        condition=(2 * windows.workload + beside + first_condition).astype(np.int16),
    )  # fmt: skip


def behind(public: Dataset, windows: Windows, sessions: tuple[Session, ...], conditions: int) -> Dataset:
    """Public windows and, numbered after them, those of lab sessions."""
    added = as_dataset(windows, sessions, int(public.group.max()) + 1, int(public.flow.max()) + 1, conditions)
    return concatenate([public, added])


def load_lab_corpus(folder: Path, extractor: Extractor, cache: Path, progress: Progress) -> LabCorpus:
    """Every usable session under ``folder``; what ``cache`` holds is read, not computed."""
    lab = load_lab(folder, extractor, cache, progress)
    other = [v for v in range(len(VARIANTS)) if not VARIANTS[v].recorded]
    again = emulate(lab, extractor, cache, tuple(SeenThrough(VARIANTS[v]) for v in other))
    number = np.array([0, *other], np.int8)
    again = again.numbered_after(int(lab.windows.flow.max()) + 1, number[again.variant])
    joined = join_windows([lab.windows, again])
    return LabCorpus(lab, joined, lab_conditions(lab.workloads))


def with_lab(public: Corpus, lab: LabCorpus) -> Corpus:
    """The corpus and the lab's windows behind it."""
    windows = behind(public.windows, lab.windows, lab.lab.sessions, len(public.conditions))
    return replace(public, windows=windows, conditions=(*public.conditions, *lab.conditions), lab_sha256=lab.lab.digest)
