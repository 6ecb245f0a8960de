"""Splits that never put one capture, session or flow on both sides, and weights that make sources equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Dataset
from reelsense_training.data.series import DRAWN, LAB

# A source × class with fewer recorded active windows than this has no voice of its own in training.
MIN_CELL_WINDOWS = 100


@dataclass(frozen=True)
class Budget:
    """How many windows training reads, drawn by flow so that long flows do not crowd out short ones."""

    active_per_flow: int = 20
    light_per_flow: int = 4
    light_weight: float = 0.1  # weight of all light windows of a cell against its active ones


def group_folds(group: NDArray[np.int32], folds: int, seed: int) -> NDArray[np.int8]:
    """Fold [W] of each window: whole groups are dealt at random, their window counts kept even."""
    names, inverse, counts = np.unique(group, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]
    load = np.zeros(folds, np.int64)
    fold = np.zeros(len(names), np.int8)
    for name in order:
        fold[name] = int(np.argmin(load))
        load[fold[name]] += counts[name]
    return fold[inverse]


def source_folds(dataset: Dataset, folds: int, seed: int) -> NDArray[np.int8]:
    """``group_folds`` within each source, so that every fold holds every source."""
    fold = np.zeros(len(dataset), np.int8)
    for source in np.unique(dataset.source):
        mask = dataset.source == source
        fold[mask] = group_folds(dataset.group[mask], folds, seed)
    return fold


def draw_windows(dataset: Dataset, budget: Budget, seed: int) -> NDArray[np.int64]:
    """Indices of the training windows: at most the budget of each flow and variant, drawn at random."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(dataset))
    key = (dataset.flow.astype(np.int64) * 128 + dataset.variant) * 2 + dataset.active
    order = shuffled[np.argsort(key[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    limit = np.where(dataset.active[order], budget.active_per_flow, budget.light_per_flow)
    return np.sort(order[rank < limit])


def cell_weights(dataset: Dataset, light_weight: float) -> NDArray[np.float64]:
    """Weights [W], mean 1: classes equal, within a class every source equal, light windows at
    ``light_weight``.

    A source's cell too small to speak for a class weighs in proportion to its windows instead. Inside a class of
    the lab or of drawn apps, every workload weighs the same, however many windows it brought.
    """
    weight = np.zeros(len(dataset))
    for video in (False, True):
        cells = []
        for source in np.unique(dataset.source):
            cell = (dataset.source == source) & (dataset.video == video)
            active = cell & dataset.active
            voice = min(1.0, np.count_nonzero(active & dataset.recorded) / MIN_CELL_WINDOWS)
            if np.count_nonzero(active):
                cells.append((cell, active, voice))
        total = sum(voice for _, _, voice in cells)
        for cell, active, voice in cells:
            light = cell & ~active
            weight[active] = voice / total / np.count_nonzero(active)
            if np.count_nonzero(light):
                weight[light] = light_weight * voice / total / np.count_nonzero(light)
    _even_out_workloads(dataset, weight)
    return weight * (len(weight) / weight.sum())


AGE_EDGES = (1.01, 1.6, 2.4, 3.3, 4.4)  # of flow_age_log2: 1, 2, 4.3, 9 and 20 s
AGE_BALANCE = 0.5


def even_out_ages(
    weight: NDArray[np.float64], age_log2: NDArray[np.float32], video: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights [W], mean 1, with the classes half-way to equal at each age of a flow (``flow_age_log2`` [W]).

    Short flows are rarely video, so that age alone tells the class of a training set's first seconds; a model that
    learns this calls every new flow non-video. Half-way, as all the way costs more than it brings
    (training/README.md).
    """
    weight = weight.copy()
    stage = np.digitize(age_log2, AGE_EDGES)
    for k in np.unique(stage):
        sides = [(stage == k) & (video == label) for label in (False, True)]
        held = [float(weight[side].sum()) for side in sides]
        if min(held) <= 0:
            continue
        for side, own in zip(sides, held, strict=True):
            weight[side] *= (sum(held) / 2 / own) ** AGE_BALANCE
    return weight * (len(weight) / weight.sum())


def _even_out_workloads(dataset: Dataset, weight: NDArray[np.float64]) -> None:
    """Moves weight between the workloads of the lab, and of drawn apps, class by class, until each holds the same share
    of it.
    """
    for video in (False, True):
        for source in (LAB, DRAWN):
            cell = (dataset.source == source) & (dataset.video == video)
            if cell.any():
                _even_out(dataset, weight, cell)


def _even_out(dataset: Dataset, weight: NDArray[np.float64], cell: NDArray[np.bool_]) -> None:
    names, workload = np.unique(dataset.condition[cell], return_inverse=True)
    held = np.bincount(workload, weight[cell], len(names))
    voice = np.minimum(1.0, np.bincount(workload, dataset.active[cell], len(names)) / MIN_CELL_WINDOWS)
    wanted = voice / max(voice.sum(), 1e-9) * held.sum()
    weight[cell] *= (wanted / np.maximum(held, 1e-12))[workload]


def shuffle_flow_labels(dataset: Dataset, seed: int) -> NDArray[np.bool_]:
    """Labels [W] of the control: within each source, whole flows exchange their labels.

    A source keeps its classes, a flow keeps one label for all of its windows and variants, but the label says
    nothing about the traffic any more.
    """
    rng = np.random.default_rng(seed)
    video = dataset.video.copy()
    for source in np.unique(dataset.source):
        mask = dataset.source == source
        _, first, inverse = np.unique(dataset.flow[mask], return_index=True, return_inverse=True)
        video[mask] = rng.permutation(dataset.video[mask][first])[inverse]
    return video
