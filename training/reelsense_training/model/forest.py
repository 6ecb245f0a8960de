"""A tree ensemble as flat arrays: LightGBM's trees, calibrated, with float32 thresholds.

Inner nodes and leaves are numbered per tree as LightGBM does: a child >= 0 is an inner node, a child < 0 is
the leaf ``-child - 1``. A row goes left where ``x[feature] <= threshold``.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from lightgbm.basic import _LIB, _safe_call
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


@dataclass(frozen=True)
class Tree:
    """One tree: inner-node arrays ``[I]`` and leaf values ``[I + 1]``; a lone leaf has ``I == 0``."""

    feature: I32
    threshold: F32
    left: I32
    right: I32
    leaf: F64

    @property
    def inner(self) -> int:
        return len(self.feature)


@dataclass(frozen=True)
class Forest:
    """Sum of trees plus ``base``; the sigmoid of that is the probability of video."""

    trees: tuple[Tree, ...]
    base: float
    inputs: int

    @property
    def leaves(self) -> int:
        return sum(len(t.leaf) for t in self.trees)

    @property
    def nodes(self) -> int:
        return sum(t.inner for t in self.trees)

    def logits(self, rows: F32) -> F64:
        """Logit of each row of float32 ``[N, inputs]`` as float64 ``[N]``: the slow, plain reference."""
        out = np.full(len(rows), self.base, np.float64)
        for tree in self.trees:
            out += tree.leaf[leaf_index(tree, rows)]
        return out

    def predict(self, rows: F32) -> F64:
        return 1.0 / (1.0 + np.exp(-self.logits(rows)))


def round_down_float32(values: F64) -> F32:
    """Largest float32 not above each value: for float32 x, ``x <= t`` and ``x <= round_down(t)`` agree."""
    nearest = values.astype(np.float32)
    above = nearest.astype(np.float64) > values
    return np.where(above, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)


def leaf_index(tree: Tree, rows: F32) -> I32:
    """Leaf that each row of ``[N, inputs]`` reaches."""
    if tree.inner == 0:
        return np.zeros(len(rows), np.int32)
    node = np.zeros(len(rows), np.int32)
    index = np.arange(len(rows))
    while (node >= 0).any():
        inner = np.maximum(node, 0)
        goes_left = rows[index, tree.feature[inner]] <= tree.threshold[inner]
        step = np.where(goes_left, tree.left[inner], tree.right[inner])
        node = np.where(node >= 0, step, node).astype(np.int32)
    return -node - 1


def _parse_tree(structure: dict) -> Tree:
    inner: list[dict] = []
    leaves: dict[int, float] = {}

    def visit(node: dict) -> None:
        if "split_index" not in node:
            leaves[int(node.get("leaf_index", 0))] = float(node["leaf_value"])
            return
        if node["decision_type"] != "<=":
            raise ValueError(f"split of type {node['decision_type']!r}: only numeric features are exported")
        inner.append(node)
        visit(node["left_child"])
        visit(node["right_child"])

    def child(node: dict) -> int:
        return int(node["split_index"]) if "split_index" in node else -int(node["leaf_index"]) - 1

    visit(structure)
    inner.sort(key=lambda node: int(node["split_index"]))
    threshold = np.array([float(node["threshold"]) for node in inner], np.float64)
    return Tree(
        feature=np.array([int(node["split_feature"]) for node in inner], np.int32),
        threshold=round_down_float32(threshold),
        left=np.array([child(node["left_child"]) for node in inner], np.int32),
        right=np.array([child(node["right_child"]) for node in inner], np.int32),
        leaf=np.array([leaves[i] for i in range(len(leaves))], np.float64),
    )


def _copy(booster: lgb.Booster) -> lgb.Booster:
    return lgb.Booster(model_str=booster.model_to_string(num_iteration=-1))


def average(boosters: list[lgb.Booster]) -> lgb.Booster:
    """One booster whose raw score is the mean of theirs: all their trees, leaf values divided by their
    number.
    """
    merged = _copy(boosters[0])
    for other in [_copy(booster) for booster in boosters[1:]]:
        # LightGBM's C API has the merge, its Python package does not wrap it.
        _safe_call(_LIB.LGBM_BoosterMerge(merged._handle, other._handle))
    merged = _copy(merged)
    for index, info in enumerate(merged.dump_model()["tree_info"]):
        for leaf, value in enumerate(_parse_tree(info["tree_structure"]).leaf):
            merged.set_leaf_output(index, leaf, float(value) / len(boosters))
    return _copy(merged)


def fold_calibration(booster: lgb.Booster, slope: float, offset: float) -> lgb.Booster:
    """Booster whose own probability is ``sigmoid(slope * raw + offset)``: the Platt map lives in its leaves.

    The offset goes to the first tree, where LightGBM keeps its own base score.
    """
    if slope <= 0:
        raise ValueError(f"calibration slope {slope} is not positive: the model ranks the classes backwards")
    folded = _copy(booster)
    for index, info in enumerate(booster.dump_model()["tree_info"]):
        leaves = _parse_tree(info["tree_structure"]).leaf
        for leaf, value in enumerate(leaves):
            folded.set_leaf_output(index, leaf, slope * float(value) + (offset if index == 0 else 0.0))
    return _copy(folded)


def from_booster(booster: lgb.Booster) -> Forest:
    dump = booster.dump_model()
    trees = tuple(_parse_tree(info["tree_structure"]) for info in dump["tree_info"])
    return Forest(trees=trees, base=0.0, inputs=int(dump["max_feature_idx"]) + 1)
