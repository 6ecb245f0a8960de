"""Controls that ask what else a model could have learned: labels without meaning, the collector, the clock.
"""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np

from reelsense_training.data.dataset import Corpus
from reelsense_training.data.series import SOURCES
from reelsense_training.fit import candidates as cand
from reelsense_training.fit.calibrate import Platt
from reelsense_training.fit.candidates import Candidate
from reelsense_training.fit.evaluate import (
    ALL_SOURCES,
    Bench,
    Decision,
    decide,
    partial_headline,
    source_rates,
)
from reelsense_training.fit.splits import Budget, draw_windows, shuffle_flow_labels, source_folds

AGE_FEATURES = ("flow_age_log2", "first_full_s")
BOTH_CLASSES = ("requet", "ucdavis")


def shuffled_labels(corpus: Corpus, candidate: Candidate, budget: Budget, seed: int) -> dict[str, float]:
    """Balanced accuracy by source when whole flows exchanged labels: 0.5 unless labels leak through the
    split.

    Only sources with both classes can take part. Groups are held out as in ``out_of_group``; the judge holds
    the shuffled labels too.
    """
    wanted = [s for s in ALL_SOURCES if SOURCES[s].name in BOTH_CLASSES]
    windows = corpus.windows.take(np.isin(corpus.windows.source, wanted))
    shuffled = replace(corpus, windows=replace(windows, video=shuffle_flow_labels(windows, seed)))
    predictions = Bench(shuffled, budget, seed).out_of_group(candidate)
    found = source_rates(predictions, Decision(Platt(1.0, 0.0), 0.5, (0.5, 0.5)), predictions.windows.active)
    return {SOURCES[s].name: found[s].balanced_accuracy for s in wanted}


def out_of_source_headline(bench: Bench, candidate: Candidate) -> float:
    """Headline with each source held out, threshold chosen on the same predictions: for comparisons only."""
    predictions = bench.out_of_source(candidate)
    return partial_headline(source_rates(predictions, decide(predictions), predictions.windows.active))


def age_ablation(bench: Bench, candidate: Candidate) -> dict[str, float]:
    """The headline with all features, without the flow's age, and with the age alone."""
    without = tuple(name for name in candidate.features if name not in AGE_FEATURES)
    return {
        "with_age": out_of_source_headline(bench, candidate),
        "without_age": out_of_source_headline(bench, replace(candidate, name="no-age", features=without)),
        "age_alone": out_of_source_headline(
            bench, replace(candidate, name="age-alone", features=("flow_age_log2",))
        ),
    }


def collector_leak(
    corpus: Corpus, features: dict[str, tuple[str, ...]], budget: Budget, seed: int
) -> dict[str, float]:
    """How well each feature set tells which source a *video* window is from (chance: 1 / 3), groups held out.
    """
    wanted = [s for s in ALL_SOURCES if SOURCES[s].name != "dpi_tests"]
    windows = corpus.windows
    windows = windows.take(
        windows.recorded & windows.active & windows.video & np.isin(windows.source, wanted)
    )
    windows = windows.take(draw_windows(windows, budget, seed))
    fold = source_folds(windows, 2, seed)
    result = {}
    for name, names in features.items():
        rows = cand.columns(windows, corpus.schema, names)
        weight = 1.0 / np.bincount(windows.source)[windows.source]
        settings = {
            "objective": "multiclass", "num_class": len(wanted), "num_leaves": 15, "verbosity": -1,
            "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1,
        }  # fmt: skip
        train = fold == 0
        data = lgb.Dataset(rows[train], windows.source[train], weight=weight[train] * len(weight))
        said = np.argmax(lgb.train(settings, data, num_boost_round=20).predict(rows[~train]), axis=1)
        truth = windows.source[~train]
        result[name] = float(np.mean([np.mean(said[truth == s] == s) for s in wanted]))
    return result
