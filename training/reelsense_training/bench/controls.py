"""What would show that the figures are not about video: shuffled labels, sources told apart, features taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.cells import Rules, grid
from reelsense_training.bench.figures import f1_of
from reelsense_training.bench.folds import Fold
from reelsense_training.bench.protocol import run_folds
from reelsense_training.bench.trainers import Trainer
from reelsense_training.bench.windows import Lab, Windows

Progress = Callable[[str], None]
SOURCE_ROUNDS = 60
# Groups of features by the terms of docs/reference/features.md, matched by a part of the name.
GROUPS: dict[str, tuple[str, ...]] = {
    "age": ("flow_age", "first_full"),
    "requests": ("request",),
    "chunks": ("chunk",),
    "bursts": ("burst",),
    "sizes": ("size_mean", "size_std", "size_max", "full_share", "small_share", "ack_ratio"),
    "history": ("_20s", "ewma", "growth", "period"),
    "bins": ("bin_", "bins_"),
}


def columns_of(group: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([i for i, name in enumerate(names) if any(part in name for part in GROUPS[group])], np.int64)


def without(windows: Windows, group: str, names: tuple[str, ...]) -> Windows:
    """The windows with a group's features at 0, in training and test alike, so that nothing can be read from them."""
    rows = windows.rows.copy()
    rows[:, columns_of(group, names)] = 0.0
    bins = np.zeros_like(windows.bins) if group == "bins" else windows.bins
    return windows.with_features(rows, bins)


def ablation(
    lab: Lab, folds: list[Fold], trainer: Trainer, rules: Rules, seed: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """Worst hard cell and mean of the trainer retrained without each group."""
    result = {}
    for group in ("nothing", *GROUPS):
        windows = lab.windows if group == "nothing" else without(lab.windows, group, lab.schema.names)
        progress(f"ablation: without {group}")
        found = run_folds(replace(lab, windows=windows), folds, trainer, seed)
        tested = lab.of_sessions(np.array([i for fold in folds for i in fold.test]))
        made = grid(lab, found.right, rules, only=tested)
        worst = made.worst()
        result[group] = {"worst": worst.f1 if worst else float("nan"), "mean": made.mean}
    return result


def shuffled_sessions(lab: Lab, seed: int) -> NDArray[np.bool_]:
    """Labels [W] of the control: whole sessions exchange theirs, so a label says nothing about the traffic.

    A session's label is that of most of its counted windows; each of its windows gets the one dealt to it.
    """
    windows = lab.windows
    weight = np.where(windows.counted, 1.0, 1e-6)
    count = len(lab.sessions)
    video = np.bincount(windows.session, weight * windows.video, count)
    own = video > 0.5 * np.bincount(windows.session, weight, count)
    return np.random.default_rng(seed).permutation(own)[windows.session]


def shuffled_labels(
    lab: Lab, folds: list[Fold], trainer: Trainer, seed: int, repeats: int, progress: Progress
) -> dict[str, object]:
    """Balanced accuracy, on held-out sessions, of the trainer that learned exchanged labels: 0.5 is chance."""
    found = []
    for repeat in range(repeats):
        progress(f"shuffled labels: {repeat + 1} of {repeats}")
        video = shuffled_sessions(lab, seed + repeat)
        shuffled = replace(lab, windows=replace(lab.windows, video=video))
        # A deal may leave a fold's training sessions one label only: nothing can be learned there.
        both = [f for f in folds if len(np.unique(video[lab.of_sessions(np.array(f.train))])) == 2]
        result = run_folds(shuffled, both, trainer, seed)
        use = lab.windows.counted & ~np.isnan(result.answers.probability)
        found.append(f1_of(result.right[use], video[use])["balanced_accuracy"])
    known = [value for value in found if not np.isnan(value)]
    mean = float(np.mean(known)) if known else float("nan")
    return {"balanced_accuracy": mean, "by_repeat": found, "chance": 0.5}


@dataclass(frozen=True)
class _Identity:
    axis: str
    video: bool


def source_identification(lab: Lab, seed: int, folds: int = 3) -> dict[str, dict[str, float]]:
    """How well design, path and protocol can be told from the windows of one class, on sessions not trained on.

    Balanced accuracy of LightGBM over all features, beside chance. High values are no error (a path shows in its
    rates), but name what a model could lean on instead of the class: why these are held out.
    """
    result = {}
    for identity in [_Identity(a, v) for a in ("design", "path", "protocol") for v in (True, False)]:
        use = np.flatnonzero(lab.windows.counted & (lab.windows.video == identity.video))
        values = lab.attribute(identity.axis)[use].astype(str)
        names, target = np.unique(values, return_inverse=True)
        key = f"{identity.axis}, {'video' if identity.video else 'non-video'}"
        if len(names) < 2:
            continue
        session = lab.windows.session[use]
        fold = np.random.default_rng(seed).permutation(len(lab.sessions))[session] % folds
        said = _identify(lab.windows.rows[use], target, fold, len(names), seed)
        known = said >= 0
        recalls = [np.mean(said[known & (target == c)] == c) for c in np.unique(target[known])]
        if len(recalls) > 1:
            result[key] = {
                "balanced_accuracy": float(np.mean(recalls)), "chance": 1 / len(recalls), "values": len(names)
            }  # fmt: skip
    return result


def _identify(rows: NDArray[np.float32], target: NDArray, fold: NDArray, classes: int, seed: int) -> NDArray[np.int64]:
    said = np.full(len(target), -1, np.int64)
    settings = {
        "objective": "multiclass", "num_class": classes, "verbosity": -1, "num_threads": 1, "seed": seed,
        "deterministic": True, "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20,
    }  # fmt: skip
    for k in np.unique(fold):
        train, test = fold != k, fold == k
        if len(np.unique(target[train])) < 2:
            continue
        count = np.bincount(target[train], minlength=classes)[target[train]]
        data = lgb.Dataset(rows[train], target[train], weight=1.0 / count * len(count) / classes)
        booster = lgb.train(settings, data, num_boost_round=SOURCE_ROUNDS)
        said[test] = np.argmax(booster.predict(rows[test]), axis=1)
    return said
