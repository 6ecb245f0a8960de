"""Figures of merit over parallel arrays of windows; a figure without its windows is NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]
ECE_BINS = 15


def balanced_f1(recall: F64 | float, false_positive_rate: F64 | float) -> F64:
    """F1 of video as if both classes had the same number of windows: ``2 r / (1 + r + f)``.

    So the class ratio that a sample happens to have does not drive the figure.
    """
    return 2.0 * np.asarray(recall) / (1.0 + np.asarray(recall) + np.asarray(false_positive_rate))


def share(mask: Bool) -> float:
    return float(np.mean(mask)) if len(mask) else float("nan")


def f1_of(right: Bool, video: Bool) -> dict[str, float]:
    """Recall, specificity, balanced accuracy and balanced F1 of labels known to be right or wrong."""
    recall, specificity = share(right[video]), share(right[~video])
    return {
        "recall": recall, "specificity": specificity, "balanced_accuracy": (recall + specificity) / 2,
        "f1": float(balanced_f1(recall, 1.0 - specificity)),
    }  # fmt: skip


def class_weights(video: Bool) -> F64:
    """Weights [W], mean 1, under which both classes weigh the same; all alike where there is one class."""
    count = np.bincount(video.astype(int), minlength=2)
    if not count.all():
        return np.ones(len(video))
    return len(video) / (2.0 * count[video.astype(int)])


def reliability(video: Bool, probability: F64, weight: F64, bins: int = ECE_BINS) -> list[dict[str, float]]:
    """Stated and observed share of video in equal-width bins of the probability, with each bin's weight."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    table = []
    for b in range(bins):
        mask = index == b
        total = float(weight[mask].sum())
        if total:
            table.append(
                {
                    "low": b / bins, "high": (b + 1) / bins, "weight": total / float(weight.sum()),
                    "windows": int(mask.sum()),
                    "stated": float(np.average(probability[mask], weights=weight[mask])),
                    "observed": float(np.average(video[mask], weights=weight[mask])),
                }
            )  # fmt: skip
    return table


def expected_calibration_error(table: list[dict[str, float]]) -> float:
    return float(sum(row["weight"] * abs(row["stated"] - row["observed"]) for row in table))


def rounded(value: object, digits: int = 4) -> object:
    """Floats of a JSON value to four decimals, NaN and infinity to null."""
    if isinstance(value, dict):
        return {str(k): rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v, digits) for v in value]
    if isinstance(value, np.ndarray):
        return rounded(value.tolist(), digits)
    if isinstance(value, float | np.floating):
        return round(float(value), digits) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return bool(value) if isinstance(value, np.bool_) else value
