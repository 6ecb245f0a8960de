"""What the choice chooses from: kinds of model and feature subsets, each argued without looking at scores."""

from __future__ import annotations

from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Dataset
from reelsense_training.data.extractor import FeatureSchema
from reelsense_training.fit.estimators import TreeParams, fit_linear, fit_trees
from reelsense_training.fit.splits import cell_weights
from reelsense_training.model.linear import Linear

LIGHT_WEIGHT = 0.1

# The definitions that carried across collectors in earlier measurements: ratios, chunks, bursts, the last 20
# s.
SHAPE = (
    "down_up_bytes_ratio_20s_log2", "down_up_packets_ratio_log2", "down_size_std_rel",
    "chunks_log2", "chunk_size_log2", "chunk_interval_s", "chunk_interval_spread", "chunk_duty",
    "bursts_log2", "burst_size_log2", "burst_interval_s",
    "down_peak_ratio_20s", "down_period_s", "flow_age_log2",
)  # fmt: skip
# Of the robust ones, those that lean on a collector's packet sizes.
SIZES = ("down_size_mean_rel", "down_size_std_rel", "down_full_share", "down_small_share")


@dataclass(frozen=True)
class Candidate:
    name: str
    kind: str  # "trees" or "linear"
    features: tuple[str, ...]
    trees: TreeParams = field(default_factory=TreeParams)
    strength: float = 1e-3


def subsets(schema: FeatureSchema) -> dict[str, tuple[str, ...]]:
    robust = tuple(name for name, is_robust in zip(schema.names, schema.robust, strict=True) if is_robust)
    return {
        "all": schema.names,
        "robust": robust,
        "robust-sizeless": tuple(name for name in robust if name not in SIZES),
        "shape": SHAPE,
    }


def tree_candidates(schema: FeatureSchema) -> tuple[Candidate, ...]:
    return tuple(Candidate(f"trees/{name}", "trees", names) for name, names in subsets(schema).items())


def linear_candidates(schema: FeatureSchema) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(f"linear/{name}/{strength:g}", "linear", names, strength=strength)
        for name, names in subsets(schema).items()
        for strength in (1e-2, 1e-4)
    )


def columns(windows: Dataset, schema: FeatureSchema, names: tuple[str, ...]) -> NDArray[np.float32]:
    return np.ascontiguousarray(windows.rows[:, schema.indices(names)])


def fit(candidate: Candidate, windows: Dataset, schema: FeatureSchema, seed: int) -> lgb.Booster | Linear:
    """The uncalibrated model of the training windows."""
    rows = columns(windows, schema, candidate.features)
    weight = cell_weights(windows, LIGHT_WEIGHT)
    if candidate.kind == "linear":
        return fit_linear(rows, windows.video, weight, candidate.strength)
    return fit_trees(rows, windows.video, weight, candidate.features, candidate.trees, seed)


def logits(model: lgb.Booster | Linear, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Raw logits [W] of float32 rows [W, F]."""
    if isinstance(model, lgb.Booster):
        return np.asarray(model.predict(rows, raw_score=True), np.float64)
    return model.logits(rows)
