"""Figures of merit. Inputs are parallel arrays over windows; a figure without its windows is NaN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
F64 = NDArray[np.float64]


def _share(mask: Bool, of: Bool) -> float:
    total = np.count_nonzero(of)
    return float(np.count_nonzero(mask & of) / total) if total else float("nan")


MIN_CLASS = 50


@dataclass(frozen=True)
class Rates:
    """Recall of video, specificity (recall of non-video), balanced accuracy and F1 of video."""

    videos: int  # windows of each class
    others: int
    recall: float
    specificity: float
    f1: float

    @property
    def windows(self) -> int:
        return self.videos + self.others

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the two recalls; a class of under MIN_CLASS windows beside a larger one has no say."""
        enough = min(MIN_CLASS, max(self.videos, self.others, 1))
        found = [(self.videos, self.recall), (self.others, self.specificity)]
        known = [rate for count, rate in found if count >= enough]
        return float(np.mean(known)) if known else float("nan")


def rates(video: Bool, said: Bool) -> Rates:
    true_positive = np.count_nonzero(video & said)
    wrong = np.count_nonzero(video != said)
    f1 = 2 * true_positive / (2 * true_positive + wrong) if true_positive + wrong else float("nan")
    videos = np.count_nonzero(video)
    return Rates(videos, len(video) - videos, _share(said, video), _share(~said, ~video), float(f1))


def headline(requet: Rates, ucdavis: Rates, uu: Rates, dpi_tests: Rates) -> float:
    """Mean of Requet and UC Davis balanced accuracy and half of (UU recall + DPI-test specificity)."""
    pair = (uu.recall + dpi_tests.specificity) / 2
    return float(np.mean([requet.balanced_accuracy, ucdavis.balanced_accuracy, pair]))


def expected_calibration_error(video: Bool, probability: F64, weight: F64, bins: int = 10) -> float:
    """Weighted mean gap between stated and observed share of video over equal-width probability bins."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    total = weight.sum()
    gap = 0.0
    for b in range(bins):
        mask = index == b
        if w := weight[mask].sum():
            stated = np.average(probability[mask], weights=weight[mask])
            gap += w / total * abs(stated - np.average(video[mask], weights=weight[mask]))
    return float(gap)


def auc(video: Bool, score: F64) -> float:
    """Probability that a video window scores above a non-video one, ties half."""
    positives, negatives = np.count_nonzero(video), np.count_nonzero(~video)
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[video].sum() - positives * (positives + 1) / 2) / (positives * negatives))
