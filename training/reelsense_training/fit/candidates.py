"""What the choice chooses from: the features that the schema calls robust, or all; two strengths of penalty for the
linear model. Few on purpose: three sources cannot choose among many (training/README.md). In order of trust: a later
candidate has to be clearly better.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Dataset
from reelsense_training.data.extractor import FeatureSchema
from reelsense_training.fit.estimators import TreeParams, fit_linear, fit_trees
from reelsense_training.fit.splits import cell_weights, even_out_ages
from reelsense_training.model.linear import Linear

LIGHT_WEIGHT = 0.1
AGE = "flow_age_log2"  # in the schema of every view


@dataclass(frozen=True)
class Candidate:
    name: str
    kind: str  # "trees" or "linear"
    features: tuple[str, ...]
    trees: TreeParams = field(default_factory=TreeParams)
    strength: float = 1e-3


def subsets(schema: FeatureSchema) -> dict[str, tuple[str, ...]]:
    robust = tuple(name for name, is_robust in zip(schema.names, schema.robust, strict=True) if is_robust)
    return {"robust": robust, "all": schema.names}


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
    weight = even_out_ages(cell_weights(windows, LIGHT_WEIGHT), windows.rows[:, schema.names.index(AGE)], windows.video)
    if candidate.kind == "linear":
        return fit_linear(rows, windows.video, weight, candidate.strength)
    return fit_trees(rows, windows.video, weight, candidate.features, candidate.trees, seed)


def logits(model: lgb.Booster | Linear, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Raw logits [W] of float32 rows [W, F]."""
    if isinstance(model, lgb.Booster):
        return np.asarray(model.predict(rows, raw_score=True), np.float64)
    return model.logits(rows)
