"""From scores to decisions: Platt calibration, the threshold, the uncertain band. Fitted on out-of-fold
logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]

# Calibrated with classes weighing alike, one half is where the expected balanced accuracy peaks. Moving the
# threshold to the best point of the public out-of-source predictions, or to that of the lab's validation cells (0.45 or
# 0.4), cost 0.01-0.03 on sources not seen.
THRESHOLD = 0.5
UNCERTAIN_ACCURACY = 0.95
MAX_UNCERTAIN_SHARE = 0.5
MIN_SLOPE = 0.05  # a calibration never turns a ranking around


def sigmoid(x: F64) -> F64:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -50.0, 50.0)))


@dataclass(frozen=True)
class Platt:
    """``probability = sigmoid(slope * logit + offset)``."""

    slope: float
    offset: float

    def apply(self, logit: F64) -> F64:
        return sigmoid(self.slope * logit + self.offset)


def _loss(theta: F64, logit: F64, target: F64, weight: F64) -> float:
    score = theta[0] * logit + theta[1]
    return float((weight * (np.logaddexp(0.0, score) - target * score)).sum())


def fit_platt(logit: F64, video: Bool, weight: F64, iterations: int = 100) -> Platt:
    """Weighted maximum likelihood with Platt's smoothed targets, by Newton's method with step halving."""
    positive, negative = weight[video].sum(), weight[~video].sum()
    scale = len(weight) / weight.sum()
    target = np.where(video, (positive * scale + 1) / (positive * scale + 2), 1 / (negative * scale + 2))
    theta = np.zeros(2)
    loss = _loss(theta, logit, target, weight)
    for _ in range(iterations):
        p = sigmoid(theta[0] * logit + theta[1])
        error, curve = weight * (p - target), weight * p * (1 - p)
        gradient = np.array([(error * logit).sum(), error.sum()])
        cross = (curve * logit).sum()
        hessian = np.array([[(curve * logit**2).sum(), cross], [cross, curve.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2) * hessian.max(), gradient)
        while (after := _loss(theta - step, logit, target, weight)) > loss and np.abs(step).max() > 1e-9:
            step /= 2
        theta, loss = theta - step, min(loss, after)
        if np.abs(step).max() < 1e-9:
            break
    return Platt(max(float(theta[0]), MIN_SLOPE), float(theta[1]))


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
