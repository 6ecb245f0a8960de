"""The two kinds of model: monotone LightGBM and standardised logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from reelsense_training.model.forest import average
from reelsense_training.model.linear import Linear

# Sign of a feature's effect on the probability of video, where physics gives one. The rest is left free.
MONOTONE = {
    "down_up_bytes_ratio_log2": 1,
    "down_up_packets_ratio_log2": 1,
    "down_up_bytes_ratio_20s_log2": 1,
    "down_up_bytes_ratio_60s_log2": 1,
    "down_full_share": 1,
    "down_small_share": -1,
    "down_size_mean_rel": 1,
    "down_size_std_rel": -1,
    "chunks_log2": 1,
    "chunk_size_log2": 1,
    "bursts_log2": 1,
    "burst_size_log2": 1,
}


MAX_COMMITTEE = 100


@dataclass(frozen=True)
class TreeParams:
    committee: int = 4  # boosters of other seeds, averaged: half the spread over seeds, +0.006 held out
    rounds: int = 25  # of each
    leaves: int = 22
    depth: int = 7
    rate: float = 0.15
    min_leaf: int = 100
    l2: float = 10.0
    monotone: bool = True


def fit_trees(
    rows: NDArray[np.float32], video: NDArray[np.bool_], weight: NDArray[np.float64],
    names: tuple[str, ...], params: TreeParams, seed: int,
) -> lgb.Booster:  # fmt: skip
    """A committee of LightGBM models on float32 [W, F], as one. Same inputs and seed, same trees.

    On one thread, as fits run side by side.
    """
    settings = {
        "objective": "binary", "boost_from_average": True, "verbosity": -1,
        "num_leaves": params.leaves, "max_depth": params.depth, "learning_rate": params.rate,
        "min_data_in_leaf": params.min_leaf, "lambda_l2": params.l2, "max_bin": 127,
        "extra_trees": True, "feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1,
        "deterministic": True, "force_row_wise": True, "num_threads": 1,
    }  # fmt: skip
    if params.monotone:
        settings["monotone_constraints"] = [MONOTONE.get(name, 0) for name in names]
        settings["monotone_constraints_method"] = "intermediate"
    data = lgb.Dataset(rows, video.astype(np.int8), weight=weight, feature_name=list(names))
    return average(
        [
            lgb.train({**settings, "seed": seed * MAX_COMMITTEE + i}, data, num_boost_round=params.rounds)
            for i in range(params.committee)
        ]
    )


def fit_linear(
    rows: NDArray[np.float32], video: NDArray[np.bool_], weight: NDArray[np.float64], strength: float = 0.01
) -> Linear:
    """Logistic regression on weighted-standardised features; ``strength`` is scikit-learn's C per unit
    weight.
    """
    x = rows.astype(np.float64)
    mean = np.average(x, axis=0, weights=weight)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0)
    mean, scale = mean.astype(np.float32), scale.astype(np.float32)
    model = LogisticRegression(C=strength / weight.mean(), solver="newton-cholesky", max_iter=100)
    model.fit((x - mean) * scale, video, sample_weight=weight)
    weights = np.array([float(f"{w:.6g}") for w in model.coef_[0]], np.float32)
    return Linear(mean, scale, weights, float(np.float32(f"{model.intercept_[0]:.6g}")))
