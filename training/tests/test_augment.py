"""Augmentation changes the link, never the content: bytes conserved, order kept, same seed same series."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_series

from reelsense_training.data.augment import (
    LOSS,
    RATE_MBIT,
    coarse_clock,
    lose,
    merge_offload,
    other_collector,
    thin_acks,
    token_bucket,
)
from reelsense_training.data.series import PacketSeries


def flow_of(series: PacketSeries) -> np.ndarray:
    return np.repeat(np.arange(series.flows), series.lengths())


def down_bytes(series: PacketSeries) -> np.ndarray:
    return np.bincount(flow_of(series), weights=series.size * ~series.up, minlength=series.flows)


def single(times_us: list[int], sizes: list[int], ups: list[bool]) -> PacketSeries:
    off = np.array([0, len(times_us)])
    return PacketSeries(off, np.array(times_us, np.uint32), np.array(sizes, np.uint16), np.array(ups))


def test_token_bucket_keeps_packets_bytes_and_order() -> None:
    series = make_series(50, seed=1)
    slow = token_bucket(series, np.random.default_rng(2))
    assert np.array_equal(slow.size, series.size) and np.array_equal(slow.up, series.up)
    steps = np.diff(slow.t_us.astype(np.int64))
    assert (steps[np.diff(flow_of(slow)) == 0] >= 0).all()
    assert (slow.t_us[slow.off[:-1]] == 0).all()


def test_token_bucket_never_exceeds_the_fastest_rate() -> None:
    slow = token_bucket(make_series(50, seed=3), np.random.default_rng(4))
    for i in range(slow.flows):
        flow = slice(slow.off[i], slow.off[i + 1])
        down = ~slow.up[flow]
        times, sizes = slow.t_us[flow][down].astype(float), slow.size[flow][down]
        if len(times) > 1:
            shortest = sizes[1:].sum() * 8 / RATE_MBIT[1]  # µs at 10 Mbit/s
            assert times[-1] - times[0] >= shortest - len(times)


def test_token_bucket_delays_later_packets_rather_than_losing_them() -> None:
    burst = single([0] * 2000 + [10], [1500] * 2000 + [60], [False] * 2000 + [True])
    slow = token_bucket(burst, np.random.default_rng(5))
    rate_of_ten = 2000 * 1500 * 8 / RATE_MBIT[1]
    assert slow.t_us[1999] >= rate_of_ten * 0.99
    assert slow.t_us[2000] >= slow.t_us[1999]  # the up packet waits behind what caused it


def test_thin_acks_keeps_down_bytes_requests_and_the_first_packet() -> None:
    series = make_series(50, seed=6)
    thin = thin_acks(series, np.random.default_rng(7))
    assert np.array_equal(down_bytes(thin), down_bytes(series))
    assert np.count_nonzero(thin.size == 600) == np.count_nonzero(series.size == 600)
    acks, kept = np.count_nonzero(series.size <= 60), np.count_nonzero(thin.size <= 60)
    assert kept < acks / 2 + series.flows
    assert thin.flows == series.flows


@pytest.mark.parametrize("change", [token_bucket, thin_acks])
def test_augmentation_is_seeded(change) -> None:  # noqa: ANN001
    series = make_series(20, seed=8)
    first, again = (change(series, np.random.default_rng(9)) for _ in range(2))
    other = change(series, np.random.default_rng(10))
    assert np.array_equal(first.t_us, again.t_us)
    assert len(other.t_us) != len(first.t_us) or not np.array_equal(other.t_us, first.t_us)


def test_merge_offload_keeps_bytes_and_up_packets_and_makes_super_packets() -> None:
    series = make_series(50, seed=8)
    merged = merge_offload(series, np.random.default_rng(9), np.ones(50, np.bool_))
    assert np.array_equal(down_bytes(merged), down_bytes(series))
    assert np.count_nonzero(merged.up) == np.count_nonzero(series.up)
    assert merged.size.max() > 1500 and len(merged.size) < len(series.size)


def test_merge_offload_respects_its_limit_and_the_gap() -> None:
    close = single([0, 100, 200, 10_000], [1400] * 4, [False] * 4)
    merged = merge_offload(close, np.random.default_rng(1), np.array([True]))
    assert merged.t_us.tolist() == [0, 10_000] and merged.size.tolist() == [4200, 1400]
    long = single([0] * 200, [1400] * 200, [False] * 200)
    sizes = merge_offload(long, np.random.default_rng(1), np.array([True])).size
    assert sizes.max() <= 65_000 + 1400 and sizes.sum(dtype=np.int64) == 200 * 1400


def test_lose_drops_within_its_range_and_only_where_asked() -> None:
    series = make_series(40, seed=10, packets=3000)
    where = np.arange(40) < 20
    lost = 1 - lose(series, np.random.default_rng(11), where).lengths() / series.lengths()
    assert (lost[~where] == 0).all()
    assert 0 < lost[where].mean() < LOSS[1]


def test_coarse_clock_rounds_down_and_keeps_order() -> None:
    series = make_series(30, seed=12)
    coarse = coarse_clock(series, np.random.default_rng(13), np.ones(30, np.bool_))
    assert (coarse.t_us % 1000 == 0).all() and (coarse.t_us <= series.t_us).all()


def test_other_collector_same_seed_same_series() -> None:
    series = make_series(30, seed=14)
    one, other = (other_collector(series, np.random.default_rng(15)) for _ in range(2))
    assert np.array_equal(one.t_us, other.t_us) and np.array_equal(one.size, other.size)
    assert one.flows == series.flows
