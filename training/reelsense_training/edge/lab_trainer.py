"""The edge model as ReelBench's trainer: public sources and a fold's training sessions together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.trainers import Scored
from reelsense_training.bench.windows import Lab, Windows
from reelsense_training.data.series import LAB
from reelsense_training.edge.evaluate import EdgeBench
from reelsense_training.edge.lab import lab_sequences
from reelsense_training.edge.model import EdgeModel
from reelsense_training.edge.predict import logits
from reelsense_training.edge.sequences import Sequences, join, sequences_from_rows
from reelsense_training.edge.settings import Settings
from reelsense_training.fit.evaluate import decide


@dataclass(frozen=True)
class EdgeTrainer:
    """Calibrated on one unit of training designs that a first network did not see: two fits a fold, where a release
    does one for every unit.
    """

    base: Sequences  # public sources and drawn apps
    settings: Settings
    name: str = "reelsense-edge"

    def fit(self, train: Lab, seed: int) -> Scored:
        bench = EdgeBench(join([self.base, lab_sequences(train.windows, train.sessions)]), self.settings, seed)
        unseen = max(unit for unit in bench.units if unit >= LAB)
        decision = decide(bench.predict(unseen))
        model = bench.model(frozenset())
        return Scored(self.name, lambda windows: window_logits(model, windows), decision.platt, decision.threshold,
                      decision.uncertain)  # fmt: skip


def window_logits(model: EdgeModel, windows: Windows) -> NDArray[np.float64]:
    """Logits [W] of windows in any order, each flow stepped through from a zero state."""
    order = np.lexsort((windows.second, windows.flow))
    zeros = np.zeros(len(windows), np.int32)
    sequences = sequences_from_rows(
        windows.rows[order], windows.bins[order], windows.flow[order], windows.second[order], windows.video[order],
        windows.active[order], LAB, zeros,
    )  # fmt: skip
    found = np.empty(len(windows))
    found[order] = logits(model, sequences)
    return found
