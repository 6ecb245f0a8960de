"""A tree ensemble inside the network, as tensor operations that every engine has: the device's trees, frozen.

A node asks whether its feature is at most its threshold and answers +1 or -1. A leaf is reached where every node on its
path answered as the path wants, that is where the product of answers and path signs sums to the path's length.
"""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import torch
from torch import Tensor, nn

from reelsense_training.edge.sequences import Sequences
from reelsense_training.fit.candidates import AGE
from reelsense_training.fit.estimators import TreeParams, fit_trees
from reelsense_training.fit.splits import cell_weights, even_out_ages
from reelsense_training.model.forest import Tree, from_booster

ACTIVE_PER_SEQUENCE, LIGHT_PER_SEQUENCE, LIGHT_WEIGHT = 4, 1, 0.1


def _paths(tree: Tree, nodes: int, leaves: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs [nodes, leaves] of each leaf's path and its length [leaves]; a leaf that is not there has length -1."""
    signs, length = np.zeros((nodes, leaves), np.float32), np.full(leaves, -1.0, np.float32)

    def walk(child: int, path: list[tuple[int, float]]) -> None:
        if child < 0:
            for node, sign in path:
                signs[node, -child - 1] = sign
            length[-child - 1] = len(path)
            return
        walk(int(tree.left[child]), [*path, (child, 1.0)])
        walk(int(tree.right[child]), [*path, (child, -1.0)])

    walk(0 if tree.inner else -1, [])
    return signs, length


class Trees(nn.Module):
    """Frozen trees over some columns of the window: [N, W] → logit [N, 1]."""

    def __init__(self, trees: int, nodes: int, leaves: int) -> None:
        super().__init__()
        self.trees, self.nodes = trees, nodes
        self.register_buffer("feature", torch.zeros(trees * nodes, dtype=torch.long))
        self.register_buffer("threshold", torch.zeros(trees * nodes))
        self.register_buffer("paths", torch.zeros(trees, nodes, leaves))
        self.register_buffer("length", torch.zeros(trees, 1, leaves))
        self.register_buffer("leaf", torch.zeros(trees, leaves, 1))

    def set(self, booster: lgb.Booster, columns: np.ndarray) -> None:
        """Takes over a booster whose feature i is the window's column ``columns[i]``."""
        leaves = self.leaf.shape[1]
        for t, tree in enumerate(from_booster(booster).trees):
            signs, length = _paths(tree, self.nodes, leaves)
            at = slice(t * self.nodes, t * self.nodes + tree.inner)
            self.feature[at] = torch.from_numpy(columns[tree.feature])
            self.threshold[at] = torch.from_numpy(tree.threshold)
            self.paths[t], self.length[t, 0] = torch.from_numpy(signs), torch.from_numpy(length)
            self.leaf[t, : len(tree.leaf), 0] = torch.from_numpy(tree.leaf.astype(np.float32))

    def forward(self, window: Tensor) -> Tensor:
        picked = torch.index_select(window, 1, self.feature)
        answer = 2.0 * (picked <= self.threshold).to(window.dtype) - 1.0
        by_tree = answer.reshape(-1, self.trees, self.nodes).transpose(0, 1)
        reached = (torch.matmul(by_tree, self.paths) == self.length).to(window.dtype)
        return torch.matmul(reached, self.leaf).sum(0)


class _Drawn:
    """Windows of sequences under an index, as the weights want them."""

    def __init__(self, sequences: Sequences, index: np.ndarray) -> None:
        for name in ("video", "active", "recorded", "source", "condition"):
            setattr(self, name, getattr(sequences, name)[index])

    def __len__(self) -> int:
        return len(self.video)


def _draw(sequences: Sequences, seed: int) -> np.ndarray:
    """At most four active windows of each sequence and one light one, so that long flows do not crowd out others."""
    shuffled = np.random.default_rng(seed).permutation(len(sequences))
    key = np.repeat(np.arange(sequences.count), sequences.lengths()) * 2 + sequences.active
    order = shuffled[np.argsort(key[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    limit = np.where(sequences.active[order], ACTIVE_PER_SEQUENCE, LIGHT_PER_SEQUENCE)
    return np.sort(order[rank < limit])


def fit_forest(
    sequences: Sequences, features: tuple[int, ...], names: tuple[str, ...], params: TreeParams, seed: int
) -> lgb.Booster:
    """The device's procedure (``fit/estimators.py``) on these windows; ``names`` of ``features`` set constraints."""
    index = _draw(sequences, seed)
    rows, video = sequences.rows[index][:, list(features)], sequences.video[index]
    weight = cell_weights(_Drawn(sequences, index), LIGHT_WEIGHT)
    if AGE in names:
        weight = even_out_ages(weight, rows[:, names.index(AGE)], video)
    return fit_trees(rows, video, weight, names, params, seed)
