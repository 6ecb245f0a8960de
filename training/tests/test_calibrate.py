"""Platt's map, the threshold, the band, and the figures of merit."""

from __future__ import annotations

import numpy as np
import pytest

from reelsense_training.fit.calibrate import choose_uncertain, fit_platt, sigmoid
from reelsense_training.fit.metrics import auc, expected_calibration_error, rates


def overconfident(count: int = 20_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits three times too large and shifted by 1."""
    rng = np.random.default_rng(seed)
    true_logit = rng.normal(0, 2, count)
    return 3 * true_logit + 1, rng.random(count) < sigmoid(true_logit)


def test_platt_recovers_the_map() -> None:
    logit, video = overconfident()
    platt = fit_platt(logit, video, np.ones(len(logit)))
    assert platt.slope == pytest.approx(1 / 3, rel=0.05)
    assert platt.offset == pytest.approx(-1 / 3, abs=0.05)


def test_platt_lowers_the_calibration_error() -> None:
    logit, video = overconfident()
    weight = np.ones(len(logit))
    calibrated = fit_platt(logit, video, weight).apply(logit)
    assert expected_calibration_error(video, calibrated, weight) < 0.02
    assert expected_calibration_error(video, sigmoid(logit), weight) > 0.05


def test_platt_counts_weights_like_repeated_windows() -> None:
    logit, video = overconfident()
    weight = np.where(np.arange(20_000) % 2 == 0, 2.0, 1.0)
    repeated = np.repeat(np.arange(20_000), weight.astype(int))
    by_weight = fit_platt(logit, video, weight)
    by_count = fit_platt(logit[repeated], video[repeated], np.ones(len(repeated)))
    assert by_weight.slope == pytest.approx(by_count.slope, rel=1e-3)


def test_uncertain_band_holds_the_threshold_and_lifts_accuracy() -> None:
    logit, video = overconfident()
    probability = fit_platt(logit, video, np.ones(len(logit))).apply(logit)
    low, high = choose_uncertain(probability, video, np.ones(len(logit)), 0.5)
    outside = (probability <= low) | (probability >= high)
    assert low < 0.5 < high and outside.mean() >= 0.5
    right = (probability >= 0.5) == video
    assert right[outside].mean() > right.mean()


def test_rates_of_a_source_with_one_class_are_that_classs_recall() -> None:
    found = rates(np.ones(4, bool), np.array([True, True, True, False]))
    assert found.recall == found.balanced_accuracy == 0.75
    assert np.isnan(found.specificity)


def test_class_of_a_few_windows_has_no_say_in_balanced_accuracy() -> None:
    video = np.arange(500) < 20
    assert rates(video, np.zeros(500, bool)).balanced_accuracy == 1.0
    assert rates(np.arange(500) < 200, np.zeros(500, bool)).balanced_accuracy == 0.5


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([True, False]), np.array([1.0, 1.0])) == 0.5
    assert auc(np.array([True, True, False]), np.array([3.0, 2.0, 1.0])) == 1.0
