"""The edge model's honest figures: each source held out with calibration and band chosen on the others.

The procedure is that of ``fit/evaluate.py``, with one candidate: for a held-out source h, every other unit is predicted
by a network that saw neither it nor h, and calibration and band come from those predictions; then one network trained
on all units but h meets h.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Dataset
from reelsense_training.data.series import DRAWN, SOURCES
from reelsense_training.edge.layout import BIN_VALUES
from reelsense_training.edge.model import EdgeModel
from reelsense_training.edge.predict import logits
from reelsense_training.edge.sequences import Sequences
from reelsense_training.edge.settings import Settings
from reelsense_training.edge.train import fit
from reelsense_training.fit.evaluate import Decision, HeldOut, Predictions, decide, join
from reelsense_training.fit.splits import source_folds

F64 = NDArray[np.float64]


def as_windows(sequences: Sequences) -> Dataset:
    """The windows as the figures of ``release/report.py`` want them; rows without bins, all recorded."""
    return Dataset(
        rows=sequences.rows[:, :-BIN_VALUES], video=sequences.video, source=sequences.source.astype(np.int8),
        unit=sequences.unit.astype(np.int8), group=sequences.group, flow=sequences.flow, second=sequences.second,
        active=sequences.active, variant=np.zeros(len(sequences), np.int8), condition=sequences.condition,
    )  # fmt: skip


class EdgeBench:
    """Fits networks with units left out, each fit once. Not thread-safe."""

    def __init__(
        self, sequences: Sequences, settings: Settings, seed: int, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self.sequences, self.settings, self.seed, self.progress = sequences, settings, seed, progress
        self.recorded = sequences.select(sequences.first("recorded"))
        # Calibration reads active windows only: flows without any need no prediction for it.
        active = np.add.reduceat(self.recorded.active.astype(np.int64), self.recorded.off[:-1]) > 0
        self.judging = self.recorded.select(active)
        self.units = tuple(int(unit) for unit in np.unique(sequences.unit) if unit != DRAWN)
        self._fitted: dict[frozenset[int], EdgeModel] = {}
        self._predicted: dict[tuple[int, frozenset[int]], Predictions] = {}

    def model(self, without: frozenset[int]) -> EdgeModel:
        """Trained on every unit but ``without``; not calibrated."""
        if without not in self._fitted:
            self.progress(f"seed {self.seed}: fit without {sorted(without)} of {len(self.units)} units")
            self._fitted[without] = fit(self.sequences.without(without), self.settings, self.seed)
        return self._fitted[without]

    def predict(self, unit: int, without: frozenset[int] = frozenset()) -> Predictions:
        """Logits of a unit's recorded windows by a model that saw neither it nor ``without``."""
        key = (unit, without | {unit})
        if key not in self._predicted:
            part = (self.judging if without else self.recorded).of(unit)
            self._predicted[key] = Predictions(as_windows(part), logits(self.model(key[1]), part))
        return self._predicted[key]

    def out_of_source(self, without: frozenset[int] = frozenset()) -> Predictions:
        """Every unit but ``without``, each predicted by a model that saw neither it nor ``without``."""
        return join([self.predict(unit, without) for unit in self.units if unit not in without])

    def out_of_group(self, folds: int = 5) -> Predictions:
        """Public flows with active windows, as recorded, each by a network that saw its source and not its group."""
        fold = source_folds(as_windows(self.sequences), folds, self.seed)[self.sequences.off[:-1]]
        of_group = dict(zip(self.sequences.first("group").tolist(), fold.tolist(), strict=True))
        public = self.judging.select(self.judging.first("source") < len(SOURCES))
        judged = np.array([of_group[group] for group in public.first("group").tolist()])
        parts = []
        for k in range(folds):
            self.progress(f"seed {self.seed}: fold {k + 1} of {folds}, other groups")
            model, part = fit(self.sequences.select(fold != k), self.settings, self.seed), public.select(judged == k)
            parts.append(Predictions(as_windows(part), logits(model, part)))
        return join(parts)


def nested_held_out(bench: EdgeBench) -> HeldOut:
    """Every public source by a procedure that never saw it."""
    decisions: list[Decision] = []
    predictions: list[Predictions] = []
    for source in range(len(SOURCES)):
        decisions.append(decide(bench.out_of_source(frozenset({source}))))
        predictions.append(bench.predict(source))
    return HeldOut(("edge",) * len(SOURCES), tuple(decisions), tuple(predictions))
