"""The honest figure: each source held out with everything chosen on the others, and the controls beside it.

What is held out together is a *unit*: a public source, or all sessions of some app designs of the lab. For a held-out
source h, every candidate is judged on the remaining units, each predicted by a model that saw neither it nor h; subset,
calibration and band come from those predictions alone. Then one model, trained on all units but h, meets h for the
first time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Corpus, Dataset, concatenate
from reelsense_training.data.series import LAB, SOURCES
from reelsense_training.fit import candidates as cand
from reelsense_training.fit.calibrate import THRESHOLD, Platt, choose_uncertain, fit_platt
from reelsense_training.fit.candidates import Candidate
from reelsense_training.fit.metrics import Rates, headline, rates
from reelsense_training.fit.splits import Budget, cell_weights, draw_windows, source_folds
from reelsense_training.model.linear import Linear

WORKERS = 2
CLEARLY_BETTER = 0.01  # twice the spread of a score over seeds
ALL_SOURCES = frozenset(range(len(SOURCES)))
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """How logits become labels."""

    platt: Platt
    threshold: float
    uncertain: tuple[float, float]


@dataclass(frozen=True)
class Predictions:
    """Logits of some recorded windows, each by a model that did not see them."""

    windows: Dataset
    logit: F64

    def take(self, index: NDArray) -> Predictions:
        return Predictions(self.windows.take(index), self.logit[index])


def join(parts: list[Predictions]) -> Predictions:
    return Predictions(concatenate([p.windows for p in parts]), np.concatenate([p.logit for p in parts]))


def decide(predictions: Predictions) -> Decision:
    """Calibration, threshold and band from predictions of active windows, sources and classes weighing alike.
    """
    active = predictions.take(predictions.windows.active)
    video, weight = active.windows.video, cell_weights(active.windows, 0.0)
    platt = fit_platt(active.logit, video, weight)
    probability = platt.apply(active.logit)
    return Decision(platt, THRESHOLD, choose_uncertain(probability, video, weight, THRESHOLD))


def source_rates(predictions: Predictions, decision: Decision, mask: NDArray[np.bool_]) -> list[Rates]:
    """Rates of each source over the windows under ``mask``, in the order of SOURCES."""
    said = decision.platt.apply(predictions.logit) >= decision.threshold
    chosen = [mask & (predictions.windows.source == s) for s in range(len(SOURCES))]
    return [rates(predictions.windows.video[m], said[m]) for m in chosen]


def lab_rates(predictions: Predictions, decision: Decision) -> Rates:
    """Rates over the lab's active windows."""
    mask = predictions.windows.active & (predictions.windows.source == LAB)
    said = decision.platt.apply(predictions.logit[mask]) >= decision.threshold
    return rates(predictions.windows.video[mask], said)


def choice_score(predictions: Predictions, decision: Decision) -> float:
    """What a choice goes by: ``partial_headline``, and the lab's balanced accuracy as one more of its terms."""
    public = partial_headline(source_rates(predictions, decision, predictions.windows.active))
    lab = lab_rates(predictions, decision)
    return public if not lab.windows else (3 * public + lab.balanced_accuracy) / 4


def partial_headline(found: list[Rates]) -> float:
    """``headline`` over the sources that are there: absent ones have no windows."""
    pair = [r for r in (found[2].recall, found[3].specificity) if not np.isnan(r)]
    terms = [r.balanced_accuracy for r in found[:2] if r.windows] + ([float(np.mean(pair))] if pair else [])
    return float(np.mean(terms))


class Bench:
    """Fits candidates with sources left out, each fit once. Not thread-safe."""

    def __init__(
        self, corpus: Corpus, budget: Budget, seed: int, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self.schema = corpus.schema
        self.seed = seed
        self.progress = progress
        self.training = corpus.windows.take(draw_windows(corpus.windows, budget, seed))
        self.recorded = corpus.windows.take(corpus.windows.recorded)
        self.units = tuple(int(unit) for unit in np.unique(self.training.unit))
        self._fitted: dict[tuple[Candidate, frozenset[int]], lgb.Booster | Linear] = {}

    def model(self, candidate: Candidate, without: frozenset[int]) -> lgb.Booster | Linear:
        """The candidate trained on every unit but ``without``."""
        key = (candidate, without)
        if key not in self._fitted:
            left = len(self.units) - len(without)
            self.progress(f"seed {self.seed}: fit {candidate.name} on {left} of {len(self.units)} units")
            windows = self.training.take(~np.isin(self.training.unit, list(without)))
            self._fitted[key] = cand.fit(candidate, windows, self.schema, self.seed)
        return self._fitted[key]

    def prefit(self, options: tuple[Candidate, ...], nested: bool = True) -> None:
        """Fits what ``choose`` and, if ``nested``, ``nested_held_out`` will ask for, two at a time (LightGBM frees the
        GIL).
        """
        without = [frozenset[int](), *(frozenset({u}) for u in self.units)]
        if nested:
            without += [frozenset({s, u}) for s in sorted(ALL_SOURCES) for u in self.units if u > s]
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda key: self.model(*key), [(c, w) for c in options for w in without]))

    def predict(self, candidate: Candidate, unit: int, without: frozenset[int]) -> Predictions:
        windows = self.recorded.take(self.recorded.unit == unit)
        rows = cand.columns(windows, self.schema, candidate.features)
        return Predictions(windows, cand.logits(self.model(candidate, without | {unit}), rows))

    def out_of_source(self, candidate: Candidate, without: frozenset[int] = frozenset()) -> Predictions:
        """Every unit but ``without``, each predicted by a model that saw neither it nor ``without``."""
        return join([self.predict(candidate, unit, without) for unit in self.units if unit not in without])

    def choose(
        self, options: tuple[Candidate, ...], without: frozenset[int] = frozenset()
    ) -> tuple[Candidate, Decision, dict[str, float]]:
        """The first candidate, or a later one that is clearly better on out-of-source predictions; and its decision and
        all scores.
        """
        scores, decisions = {}, {}
        for candidate in options:
            predictions = self.out_of_source(candidate, without)
            decisions[candidate.name] = decide(predictions)
            scores[candidate.name] = choice_score(predictions, decisions[candidate.name])
        best = options[0]
        for candidate in options[1:]:
            if scores[candidate.name] > scores[best.name] + CLEARLY_BETTER:
                best = candidate
        return best, decisions[best.name], scores

    def out_of_group(self, candidate: Candidate, folds: int = 5) -> Predictions:
        """Every recorded window, predicted by a model that saw its source but not its group."""
        fold = source_folds(self.training, folds, self.seed)
        group_fold = dict(zip(self.training.group.tolist(), fold.tolist(), strict=True))
        recorded_fold = np.array([group_fold.get(g, 0) for g in self.recorded.group.tolist()])
        parts = []
        for k in range(folds):
            self.progress(f"seed {self.seed}: fold {k + 1} of {folds}, {candidate.name}")
            model = cand.fit(candidate, self.training.take(fold != k), self.schema, self.seed)
            windows = self.recorded.take(recorded_fold == k)
            parts.append(
                Predictions(
                    windows, cand.logits(model, cand.columns(windows, self.schema, candidate.features))
                )
            )
        return join(parts)


@dataclass(frozen=True)
class HeldOut:
    """The nested result: predictions of every source by a procedure that never saw it."""

    chosen: tuple[str, ...]  # candidate of each held-out source
    decisions: tuple[Decision, ...]
    predictions: tuple[Predictions, ...]

    def probability(self, source: int) -> F64:
        return self.decisions[source].platt.apply(self.predictions[source].logit)

    def said(self, source: int) -> NDArray[np.bool_]:
        return self.probability(source) >= self.decisions[source].threshold

    def rates(self, source: int, mask: Callable[[Dataset], NDArray[np.bool_]]) -> Rates:
        windows = self.predictions[source].windows
        chosen = mask(windows)
        return rates(windows.video[chosen], self.said(source)[chosen])

    def headline(self) -> float:
        return headline(*(self.rates(s, lambda w: w.active) for s in range(len(SOURCES))))


def nested_held_out(bench: Bench, options: tuple[Candidate, ...]) -> HeldOut:
    """The headline procedure: choice, calibration and threshold for each source without that source."""
    bench.prefit(options)
    chosen, decisions, predictions = [], [], []
    for h in range(len(SOURCES)):
        best, decision, _ = bench.choose(options, frozenset({h}))
        chosen.append(best.name)
        decisions.append(decision)
        predictions.append(bench.predict(best, h, frozenset()))
    return HeldOut(tuple(chosen), tuple(decisions), tuple(predictions))
