"""Trainers that ``reelbench run`` retrains in every fold: its own yardsticks, or any ``module:attribute``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.predictors import Predictor
from reelsense_training.bench.windows import Lab, Windows
from reelsense_training.data.extractor import FeatureSchema
from reelsense_training.fit.calibrate import THRESHOLD, Platt, choose_uncertain, fit_platt
from reelsense_training.fit.estimators import TreeParams, fit_linear, fit_trees

F64 = NDArray[np.float64]
LIGHT_WEIGHT = 0.1
INNER_FOLDS = 3


class Trainer(Protocol):
    """Learns from the windows of a fold's training sessions and sees nothing else of the lab.

    ``train`` holds the training sessions, their windows and their attributes; windows of ``variant`` > 0 are
    augmented. Everything that a release would choose (features, calibration, threshold, band) is chosen inside.
    """

    name: str

    def fit(self, train: Lab, seed: int) -> Predictor:
        """The same windows and seed give the same predictor."""


class TrainerError(Exception):
    """There is no trainer of that name, or it cannot learn from what it was given."""


@dataclass(frozen=True)
class Scored:
    """A model's logits with the decision on top: what every fold's predictor is."""

    name: str
    logits: Callable[[Windows], F64]
    platt: Platt
    threshold: float
    uncertain: tuple[float, float]

    def predict(self, windows: Windows) -> F64:
        return self.platt.apply(self.logits(windows))


def window_weights(train: Lab) -> F64:
    """Weights [W], mean 1: classes alike, within a class each design × workload alike, light windows a tenth."""
    windows = train.windows
    design = np.unique(train.attribute("design").astype(str), return_inverse=True)[1]
    cell = (design * 1000 + windows.workload) * 2 + windows.video
    counted = windows.counted | windows.active
    weight = np.zeros(len(windows))
    for video in (False, True):
        own = windows.video == video
        cells = np.unique(cell[own & counted])
        for c in cells:
            heavy, light = own & counted & (cell == c), own & ~counted & (cell == c)
            weight[heavy] = 1.0 / len(cells) / np.count_nonzero(heavy)
            if light.any():
                weight[light] = LIGHT_WEIGHT / len(cells) / np.count_nonzero(light)
    total = weight.sum()
    return weight * (len(weight) / total) if total else np.ones(len(weight))


def _inner_groups(train: Lab) -> NDArray[np.int64]:
    """Fold [W] of the calibration's own split: whole designs, or whole sessions where there is one design."""
    axis = "design" if len({s.design for s in train.sessions}) > 1 else "name"
    values = train.attribute(axis).astype(str)
    names = np.unique(values)
    return np.searchsorted(names, values) % min(INNER_FOLDS, len(names))


@dataclass(frozen=True)
class RowTrainer:
    """LightGBM or logistic regression on the feature rows, calibrated on windows of designs it did not see."""

    kind: str  # "trees" or "linear"
    robust_only: bool = True

    @property
    def name(self) -> str:
        return self.kind

    def _model(
        self, rows: NDArray[np.float32], video: NDArray, weight: F64, names: tuple[str, ...], seed: int
    ) -> Callable[[NDArray], F64]:
        if self.kind == "linear":
            return fit_linear(rows, video, weight).logits
        booster = fit_trees(rows, video, weight, names, TreeParams(min_leaf=50), seed)
        return lambda given: np.asarray(booster.predict(given, raw_score=True), np.float64)

    def fit(self, train: Lab, seed: int) -> Scored:
        if len(np.unique(train.windows.video)) < 2:
            raise TrainerError(f"{self.name}: the training sessions hold one class only")
        columns = _columns(train.schema, self.robust_only)
        names = tuple(train.schema.names[c] for c in columns)
        windows, weight = train.windows, window_weights(train)
        rows = np.ascontiguousarray(windows.rows[:, columns])
        inner, logit = _inner_groups(train), np.zeros(len(windows))
        for k in np.unique(inner):
            rest, own = inner != k, inner == k
            if len(np.unique(windows.video[rest])) == 2:
                logit[own] = self._model(rows[rest], windows.video[rest], weight[rest], names, seed)(rows[own])
        platt, band = _decide(logit, windows, weight)
        model = self._model(rows, windows.video, weight, names, seed)
        return Scored(self.name, lambda w: model(np.ascontiguousarray(w.rows[:, columns])), platt, THRESHOLD, band)


def _columns(schema: FeatureSchema, robust_only: bool) -> list[int]:
    return [i for i, robust in enumerate(schema.robust) if robust or not robust_only]


def _decide(logit: F64, windows: Windows, weight: F64) -> tuple[Platt, tuple[float, float]]:
    use = windows.counted
    if len(np.unique(windows.video[use])) < 2:
        return Platt(1.0, 0.0), (THRESHOLD, THRESHOLD)
    platt = fit_platt(logit[use], windows.video[use], weight[use])
    return platt, choose_uncertain(platt.apply(logit[use]), windows.video[use], weight[use], THRESHOLD)


OWN = {"trees": RowTrainer("trees"), "linear": RowTrainer("linear")}


def resolve(name: str) -> Trainer:
    """``trees``, ``linear``, or ``module:attribute`` of a trainer or of a class of one."""
    if name in OWN:
        return OWN[name]
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise TrainerError(f"no trainer {name!r} ({error}); there are {', '.join(OWN)} and MODULE:NAME") from error
    return found() if isinstance(found, type) else found
