"""Splits by group, weights by source and class, the shuffled control."""

from __future__ import annotations

import numpy as np
import pytest

from reelsense_training.data.dataset import Dataset
from reelsense_training.fit.splits import (
    AGE_EDGES,
    Budget,
    cell_weights,
    draw_windows,
    even_out_ages,
    group_folds,
    shuffle_flow_labels,
    source_folds,
)


def make_windows(count: int = 4000, seed: int = 1) -> Dataset:
    """Four sources; 2 is video only and 3 non-video only; flows of ten windows, groups of two flows."""
    rng = np.random.default_rng(seed)
    flow = np.arange(count, dtype=np.int32) // 10
    source = (flow % 4).astype(np.int8)
    flow_video = rng.random(flow.max() + 1) < 0.5
    video = np.where(source == 2, True, np.where(source == 3, False, flow_video[flow]))
    return Dataset(
        rows=rng.normal(size=(count, 3)).astype(np.float32), video=video, source=source, unit=source,
        group=((flow // 8) * 4 + source).astype(np.int32), flow=flow,
        second=np.tile(np.arange(10, dtype=np.int32), count // 10), active=rng.random(count) < 0.6,
        variant=np.zeros(count, np.int8), condition=source.astype(np.int16),
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_folds_put_no_group_on_both_sides(seed: int) -> None:
    windows = make_windows()
    fold = source_folds(windows, 5, seed)
    for group in np.unique(windows.group):
        assert len(np.unique(fold[windows.group == group])) == 1
    for source in range(4):
        assert set(fold[windows.source == source]) == set(range(5))


def test_folds_put_no_flow_on_both_sides() -> None:
    windows = make_windows()
    fold = source_folds(windows, 5, 1)
    assert all(len(np.unique(fold[windows.flow == flow])) == 1 for flow in np.unique(windows.flow))


def test_folds_are_even_and_seeded() -> None:
    group = np.repeat(np.arange(100, dtype=np.int32), 7)
    fold = group_folds(group, 5, 1)
    assert np.bincount(fold).max() - np.bincount(fold).min() <= 7
    assert np.array_equal(fold, group_folds(group, 5, 1))
    assert not np.array_equal(fold, group_folds(group, 5, 2))


def test_weights_make_classes_and_their_sources_equal() -> None:
    windows = make_windows()
    weight = cell_weights(windows, light_weight=0.1)
    assert weight.mean() == pytest.approx(1.0)
    assert weight[windows.video].sum() == pytest.approx(weight[~windows.video].sum())
    for video, sources in ((True, (0, 1, 2)), (False, (0, 1, 3))):
        cells = [weight[(windows.source == s) & (windows.video == video)].sum() for s in sources]
        assert max(cells) == pytest.approx(min(cells))


def test_weights_keep_light_windows_light() -> None:
    windows = make_windows()
    weight = cell_weights(windows, light_weight=0.1)
    for source in range(4):
        cell = (windows.source == source) & (windows.video == (source == 2))
        light, active = weight[cell & ~windows.active].sum(), weight[cell & windows.active].sum()
        if active:
            assert light == pytest.approx(0.1 * active)


def test_draw_keeps_to_the_budget_of_each_flow() -> None:
    windows = make_windows()
    drawn = windows.take(draw_windows(windows, Budget(active_per_flow=2, light_per_flow=1), seed=1))
    assert np.bincount(drawn.flow[drawn.active]).max() == 2
    assert np.bincount(drawn.flow[~drawn.active]).max() == 1


def test_control_shuffles_labels_between_flows_within_a_source() -> None:
    windows = make_windows()
    shuffled = shuffle_flow_labels(windows, seed=1)
    assert all(len(np.unique(shuffled[windows.flow == f])) == 1 for f in np.unique(windows.flow))
    for source in range(4):
        mask = windows.source == source
        assert shuffled[mask].sum() == windows.video[mask].sum()
    both = windows.source < 2
    assert 0.3 < np.mean(shuffled[both] == windows.video[both]) < 0.7


def test_even_ages_bring_classes_half_way_together_at_each_age() -> None:
    rng = np.random.default_rng(2)
    age = rng.uniform(0, 7, 6000).astype(np.float32)
    video = rng.random(6000) < np.where(age < 2, 0.1, 0.7)  # new flows are rarely video
    weight = even_out_ages(np.ones(6000), age, video)
    assert weight.mean() == pytest.approx(1.0)
    stage = np.digitize(age, AGE_EDGES)
    for k in np.unique(stage):
        sides = [(stage == k) & (video == label) for label in (False, True)]
        before = np.count_nonzero(sides[1]) / np.count_nonzero(sides[0])
        after = weight[sides[1]].sum() / weight[sides[0]].sum()
        assert after == pytest.approx(before**0.5, rel=1e-6)


def test_even_ages_leave_an_age_of_one_class_alone() -> None:
    weight = np.array([1.0, 1.0, 3.0])
    age = np.array([0.5, 0.5, 6.0], np.float32)
    even = even_out_ages(weight, age, np.array([True, False, True]))
    assert even == pytest.approx(weight / weight.mean())
