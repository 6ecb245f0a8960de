"""Features of the reference, from examples worked out by hand."""

from __future__ import annotations

import unittest
from fractions import Fraction

from reelsense_reference.features import (
    NAMES,
    Ewma,
    FlowFeatures,
    Interval,
    Window,
    find_period,
    log2,
    q11,
    std,
)

MS = 1_000_000


def vector(features: FlowFeatures, window: Window) -> dict[str, float]:
    return dict(zip(NAMES, features.close(window), strict=True))


class Arithmetic(unittest.TestCase):
    def test_log2_powers_are_exact(self) -> None:
        self.assertEqual([log2(1), log2(2), log2(1024), log2(Fraction(1, 8))], [0.0, 1.0, 10.0, -3.0])
        self.assertEqual(log2(3), 1.584962500721156)

    def test_q11_keeps_eleven_bits(self) -> None:
        self.assertEqual(
            [q11(x) for x in (0, 2047, 2048, 2049, 4095, 4097)], [0, 2047, 2048, 2048, 4094, 4096]
        )

    def test_std_of_equal_values_is_zero(self) -> None:
        self.assertEqual(std([333_333] * 3), 0.0)
        self.assertEqual(std([2, 4, 4, 4, 5, 5, 7, 9]), 2.0)

    def test_ewma_starts_at_the_first_value(self) -> None:
        ewma = Ewma()
        for x in (8.0, 4.0, 7.0):
            ewma.add(x)
        self.assertEqual(ewma.value, 7.0)  # 8, 8 - 1 = 7, 7

    def test_spread_of_intervals(self) -> None:
        interval = Interval()
        interval.add(4.0)
        self.assertEqual(interval.spread(), 0.0)
        interval.add(8.0)  # d = 4: v = 1, e = 5
        self.assertEqual(interval.spread(), 0.2)
        interval.add(5.0)  # d = 0: v = 0.75, e = 5
        self.assertEqual(interval.spread(), 0.15)

    def test_period_is_the_smallest_lag_of_the_highest_score(self) -> None:
        self.assertEqual(find_period([9, 0, 0] * 4), (3.0, 1.0))
        self.assertEqual(find_period([9, 0, 0, 0, 0]), (0.0, 0.0))  # too short
        self.assertEqual(find_period([5] * 20), (0.0, 0.0))  # all equal
        # 6 seconds: lag 2 only; x = 1 0 0 1 0 0 gives the pairs 10 01 00 10, one of four alike.
        self.assertEqual(find_period([9, 0, 0, 9, 0, 0]), (2.0, 0.25))


class Structure(unittest.TestCase):
    def test_ack_size_follows_the_small_packets(self) -> None:
        features, window = FlowFeatures(0), Window(0)
        expected = ((120, 1600), (60, 1280), (61, 1128), (52, 980), (1500, 1340), (40, 990), (62, 991))
        for size, ack_size in expected:  # 1/16 bytes: 960 < 1600 takes half of the way down, and so on
            features.add_up(window, 0, size)
            self.assertEqual(features.ack_size, ack_size, size)
        for _ in range(20):
            features.add_up(window, 0, 20)
        self.assertEqual(features.ack_size, 640)

    def test_large_up_needs_a_packet_before_and_half_more_than_an_ack(self) -> None:
        features, window = FlowFeatures(0), Window(0)
        features.add_up(window, 0, 40)
        features.add_up(window, 400 * MS, 76)  # 32 * 76 = 2432 = 3 * 640 + 512: not over
        self.assertEqual(window.requests, 0)
        features.ack_size = 640
        features.add_up(window, 500 * MS, 77)
        self.assertEqual(window.requests, 1)
        first, one = FlowFeatures(0), Window(0)
        first.add_up(one, 0, 1500)
        self.assertEqual(one.requests, 0)

    def test_requests_are_300_ms_from_the_last_large_packet(self) -> None:
        features, window = FlowFeatures(0), Window(0)
        features.add_up(window, 0, 40)
        for ms, requests in ((100, 1), (399, 1), (698, 1), (998, 2)):  # every large packet counts anew
            features.add_up(window, ms * MS, 500)
            self.assertEqual(window.requests, requests, ms)

    def test_chunk_closes_at_a_request_with_five_full_packets(self) -> None:
        features, window = FlowFeatures(0), Window(0)
        features.add_up(window, 0, 40)
        for i in range(4):
            features.add_down(window, (100 + i) * MS, 1500)
        features.add_up(window, 300 * MS, 500)
        self.assertEqual(features.chunks.count, 0)
        features.add_down(window, 500 * MS, 1500)
        features.add_up(window, 900 * MS, 500)
        self.assertEqual(features.chunks.count, 1)
        result = vector(features, window)
        self.assertEqual(result["chunk_size_log2"], log2(7501))
        self.assertEqual(result["chunk_duty"], 0.5)  # (500 - 100) / (900 - 100)
        self.assertEqual(result["chunk_interval_s"], 20.0)  # only one chunk
        self.assertEqual(result["open_chunk_log2"], 0.0)
        self.assertEqual(result["requests"], 2.0)
        self.assertEqual(result["request_age_s"], 0.1)
        self.assertEqual(result["first_full_s"], 0.5)

    def test_burst_closes_after_more_than_150_ms(self) -> None:
        features, window = FlowFeatures(0), Window(0)
        for ms in (0, 1, 2, 3, 4, 154):  # 150 ms: the same burst
            features.add_down(window, ms * MS, 1000)
        self.assertEqual(features.bursts.count, 0)
        features.add_down(window, 305 * MS, 1000)
        self.assertEqual(features.bursts.count, 1)
        result = vector(features, window)
        self.assertEqual(result["burst_size_log2"], log2(6001))
        self.assertEqual(result["open_burst_log2"], log2(1001))


class Windows(unittest.TestCase):
    def test_volume_sizes_and_gaps(self) -> None:
        features = FlowFeatures(1000 * MS)
        window = Window(1)
        for ms, size in ((1000, 1400), (1010, 1400), (1060, 200)):
            features.add_down(window, ms * MS, size)
        features.add_up(window, 1999 * MS, 60)
        result = vector(features, window)
        self.assertEqual(result["down_bytes_log2"], log2(3001))
        self.assertEqual(result["down_packets_log2"], 2.0)
        self.assertEqual(result["up_packets_log2"], 1.0)
        self.assertEqual(result["down_up_bytes_ratio_log2"], log2(Fraction(3001, 61)))
        self.assertEqual(result["down_size_mean"], 1000.0)
        self.assertAlmostEqual(result["down_size_std"], 800 / 2**0.5, places=9)
        self.assertEqual(result["down_full_share"], 2 / 3)
        self.assertEqual(result["down_small_share"], 1 / 3)
        self.assertEqual(result["down_gap_mean_ms"], 30.0)
        self.assertAlmostEqual(result["down_gap_cv"], 20 / 30, places=12)
        self.assertEqual(result["down_silence_max_ms"], 940.0)
        self.assertEqual(result["down_bursts_10ms"], 2.0)  # 10 ms is not over 10 ms
        self.assertEqual(result["down_bursts_50ms"], 1.0)
        self.assertEqual(result["down_bins_active_share"], 0.1)
        self.assertEqual(result["down_bin_peak_share"], 2800 / 3000)
        self.assertEqual(result["flow_age_log2"], 1.0)
        self.assertEqual(window.bins()[:3], [2800, 200, 0])
        self.assertEqual(window.bins()[39], 60)

    def test_only_up_packets_give_the_missing_values(self) -> None:
        features, window = FlowFeatures(0), Window(0)
        features.add_up(window, 0, 100)
        result = vector(features, window)
        for name in ("down_gap_mean_ms", "down_silence_max_ms"):
            self.assertEqual(result[name], 1000.0)
        for name in ("request_age_s", "chunk_interval_s", "burst_interval_s", "first_full_s"):
            self.assertEqual(result[name], 20.0)
        for name in ("down_size_mean", "down_size_max", "down_bins_cv", "down_growth_log2", "down_cv_20s"):
            self.assertEqual(result[name], 0.0)
        self.assertEqual(result["down_idle_share_20s"], 1.0)

    def test_history_counts_idle_seconds(self) -> None:
        features = FlowFeatures(0)
        for second, size in ((0, 1023), (3, 511)):
            window = Window(second)
            features.add_down(window, second * 1000 * MS, size)
            result = vector(features, window)
        self.assertEqual(result["down_idle_share_20s"], 0.5)
        self.assertEqual(result["down_growth_log2"], 9.0)
        self.assertEqual(result["down_peak_ratio_20s"], 511 / 1023)
        # 10, then two idle seconds: 7.5, 5.625, then (9 - 5.625) / 4 more
        self.assertEqual(result["down_ewma_log2"], 6.46875)

    def test_ewma_is_zero_after_more_than_64_idle_seconds(self) -> None:
        for idle, expected in ((64, 9 / 4 + 10 * 0.75**65), (65, 9 / 4)):
            features = FlowFeatures(0)
            for second, size in ((0, 1023), (idle + 1, 511)):
                window = Window(second)
                features.add_down(window, second * 1000 * MS, size)
                result = vector(features, window)
            self.assertAlmostEqual(result["down_ewma_log2"], expected, places=13)


if __name__ == "__main__":
    unittest.main()
