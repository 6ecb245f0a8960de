"""The threshold that the lab's validation cells choose, and what holds it back."""

from __future__ import annotations

import numpy as np
import pytest

from reelsense_training.data.dataset import Dataset
from reelsense_training.data.series import LAB
from reelsense_training.fit.evaluate import choose_threshold, look_alike_f1

COUNT = 400


def windows(source: np.ndarray, video: np.ndarray, condition: np.ndarray) -> Dataset:
    count = len(video)
    number = np.arange(count, dtype=np.int32)
    return Dataset(
        rows=np.zeros((count, 1), np.float32), video=video, source=source.astype(np.int8), unit=source.astype(np.int8),
        group=number, flow=number, second=number, active=np.ones(count, np.bool_), variant=np.zeros(count, np.int8),
        condition=condition.astype(np.int16),
    )  # fmt: skip


def lab_and_public(lab_video: float, public_video: float) -> tuple[Dataset, np.ndarray]:
    """Half lab, half requet; video's probability as given for each, non-video 0.2 everywhere."""
    source = np.repeat([LAB, 0], COUNT)
    video = np.tile(np.repeat([True, False], COUNT // 2), 2)
    probability = np.where(video, np.where(source == LAB, lab_video, public_video), 0.2)
    return windows(source, video, np.where(video, 1, 2) + 10 * source), probability


def test_look_alike_f1_pairs_video_with_each_workload_alike() -> None:
    video = np.repeat([True, False, False], [100, 300, 100])
    condition = np.repeat([1, 2, 3], [100, 300, 100])
    lab = windows(np.full(500, LAB), video, condition)
    said = video.copy()
    said[:50] = False  # half of the video is missed
    said[400:] = True  # all of workload 3 is taken for video
    assert look_alike_f1(lab, said) == pytest.approx((2 * 0.5 / 1.5 + 2 * 0.5 / 2.5) / 2)


def test_threshold_follows_the_lab_where_the_public_sources_do_not_mind() -> None:
    made, probability = lab_and_public(lab_video=0.46, public_video=0.9)
    assert choose_threshold(made, probability) == 0.45


def test_threshold_stays_where_the_public_sources_would_pay() -> None:
    made, probability = lab_and_public(lab_video=0.46, public_video=0.9)
    public_other = (made.source == 0) & ~made.video
    probability[public_other] = 0.47
    assert choose_threshold(made, probability) == 0.5


def test_threshold_is_one_half_without_the_lab() -> None:
    made, probability = lab_and_public(lab_video=0.46, public_video=0.46)
    public = made.source == 0
    assert choose_threshold(made.take(public), probability[public]) == 0.5


def test_threshold_of_equal_choices_is_one_half() -> None:
    made, probability = lab_and_public(lab_video=0.9, public_video=0.9)
    assert choose_threshold(made, probability) == 0.5
