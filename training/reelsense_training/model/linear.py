"""Logistic regression as plain data: standardise, weigh, add; the sigmoid of that is the probability of
video.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """``sigmoid(sum((x - mean) * scale * weights) + bias)``; all arrays float32 ``[inputs]``."""

    mean: F32
    scale: F32
    weights: F32
    bias: float

    @property
    def inputs(self) -> int:
        return len(self.weights)

    def logits(self, rows: F32) -> F64:
        """Logit of each row of float32 ``[N, inputs]`` as float64 ``[N]``."""
        scaled = (rows.astype(np.float64) - self.mean) * self.scale
        return scaled @ self.weights.astype(np.float64) + self.bias

    def predict(self, rows: F32) -> F64:
        return 1.0 / (1.0 + np.exp(-self.logits(rows)))

    def calibrated(self, slope: float, offset: float) -> Linear:
        """The same ranking with probability ``sigmoid(slope * logit + offset)``."""
        if slope <= 0:
            raise ValueError(
                f"calibration slope {slope} is not positive: the model ranks the classes backwards"
            )
        weights = (self.weights.astype(np.float64) * slope).astype(np.float32)
        return Linear(self.mean, self.scale, weights, float(np.float32(self.bias * slope + offset)))
