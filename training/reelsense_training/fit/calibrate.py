"""From scores to decisions: Platt calibration, the threshold, the uncertain band. Fitted on out-of-fold
logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

UNCERTAIN_ACCURACY = 0.95
MAX_UNCERTAIN_SHARE = 0.5


def sigmoid(x: F64) -> F64:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0)))


@dataclass(frozen=True)
class Platt:
    """``probability = sigmoid(slope * logit + offset)``."""

    slope: float
    offset: float

    def apply(self, logit: F64) -> F64:
        return sigmoid(self.slope * logit + self.offset)


def fit_platt(logit: F64, video: Bool, weight: F64, iterations: int = 50) -> Platt:
    """Weighted maximum likelihood by Newton's method, with Platt's smoothed targets."""
    positive, negative = weight[video].sum(), weight[~video].sum()
    scale = len(weight) / weight.sum()
    high = (positive * scale + 1) / (positive * scale + 2)
    low = 1 / (negative * scale + 2)
    target = np.where(video, high, low)
    slope, offset = 1.0, 0.0
    for _ in range(iterations):
        p = sigmoid(slope * logit + offset)
        error, curve = weight * (p - target), weight * np.maximum(p * (1 - p), 1e-9)
        gradient = np.array([(error * logit).sum(), error.sum()])
        cross = (curve * logit).sum()
        hessian = np.array([[(curve * logit**2).sum(), cross], [cross, curve.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2) * hessian.max(), gradient)
        slope, offset = slope - step[0], offset - step[1]
        if np.abs(step).max() < 1e-9:
            break
    return Platt(max(float(slope), 0.05), float(offset))


def choose_threshold(probability: F64, video: Bool, weight: F64) -> float:
    """Threshold with the best weighted balanced accuracy; of equally good ones the middle."""
    grid = np.linspace(0.2, 0.8, 61)
    recall = np.array([weight[video & (probability >= t)].sum() for t in grid]) / weight[video].sum()
    kept = np.array([weight[~video & (probability < t)].sum() for t in grid]) / weight[~video].sum()
    score = (recall + kept) / 2
    good = np.flatnonzero(score >= score.max() - 1e-3)
    return round(float(np.median(grid[good])), 3)


def choose_uncertain(probability: F64, video: Bool, weight: F64, threshold: float) -> tuple[float, float]:
    """Narrowest band around the threshold outside which the weighted accuracy reaches 0.95.

    The band grows in odds, evenly to both sides; it stops at half of the windows if it gets nowhere.
    """
    centre = np.log(threshold / (1 - threshold))
    right = (probability >= threshold) == video
    total = weight.sum()
    band = (threshold, threshold)
    for half in np.arange(0.1, 3.01, 0.1):
        low, high = (float(sigmoid(np.array(centre + side * half))) for side in (-1, 1))
        outside = (probability <= low) | (probability >= high)
        if weight[outside].sum() < (1 - MAX_UNCERTAIN_SHARE) * total:
            break
        band = (round(low, 4), round(high, 4))
        if weight[outside & right].sum() >= UNCERTAIN_ACCURACY * weight[outside].sum():
            break
    return band
