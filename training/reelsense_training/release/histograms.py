"""Reference histograms: what each feature and the score looked like in training, for drift monitoring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Dataset

BINS = 10
SCORE_EDGES = tuple(round(0.1 * i, 1) for i in range(1, 10))


def _shares(values: NDArray, edges: NDArray) -> list[float]:
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return [round(float(share), 5) for share in counts / counts.sum()]


def _number(value: float) -> float:
    return float(f"{value:.5g}")


def feature_histogram(values: NDArray[np.float32]) -> dict[str, object]:
    """Deciles as edges, equal ones once; ``share[i]`` of the values lies in (edges[i - 1], edges[i]]."""
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    edges = np.unique([_number(q) for q in quantiles])
    return {"edges": [float(e) for e in edges], "share": _shares(values, edges)}


def reference_histograms(
    windows: Dataset, rows: NDArray[np.float32], names: tuple[str, ...], probability: NDArray
) -> dict[str, object]:
    """Over recorded active windows, every source as it comes. ``probability`` is out of fold."""
    return {
        "windows": "recorded active windows of all sources; a share belongs to (edges[i-1], edges[i]]",
        "count": len(windows),
        "features": {name: feature_histogram(rows[:, i]) for i, name in enumerate(names)},
        "probability": {"edges": list(SCORE_EDGES), "share": _shares(probability, np.array(SCORE_EDGES))},
    }
