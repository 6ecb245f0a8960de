"""The feature vector of a window (view "packet", version 1).

From the terms and the table in core/features/schema.cc. A FlowFeatures is told every packet of its flow in
order, and every window's end. Times are effective times in ns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
HISTORY_SECONDS = 20
BINS = 20
BIN_NS = NS_PER_S // BINS

SCHEMA_VERSION = 1
NAMES = [
    "down_bytes_log2",
    "up_bytes_log2",
    "down_packets_log2",
    "up_packets_log2",
    "down_up_bytes_ratio_log2",
    "down_up_packets_ratio_log2",
    "down_up_bytes_ratio_20s_log2",
    "down_size_mean",
    "down_size_std",
    "down_size_max",
    "down_size_mean_rel",
    "down_size_std_rel",
    "down_full_share",
    "down_small_share",
    "up_size_mean",
    "up_size_ack_ratio_log2",
    "down_gap_mean_ms",
    "down_gap_cv",
    "down_silence_max_ms",
    "down_bursts_10ms",
    "down_bursts_50ms",
    "down_bins_active_share",
    "down_bin_peak_share",
    "down_bins_cv",
    "requests",
    "request_age_s",
    "request_size_ratio_log2",
    "open_chunk_log2",
    "chunks_log2",
    "chunk_size_log2",
    "chunk_interval_s",
    "chunk_interval_spread",
    "chunk_duty",
    "bursts_log2",
    "burst_size_log2",
    "burst_interval_s",
    "burst_interval_spread",
    "open_burst_log2",
    "down_ewma_log2",
    "down_active_share_20s",
    "down_peak_ratio_20s",
    "down_cv_20s",
    "down_growth_log2",
    "down_period_s",
    "down_period_score",
    "flow_age_log2",
    "first_full_s",
    "down_idle_share_20s",
]

# libm's log2 differs in the last bit between machines; decimal's logarithm does not, so the golden files are
# the same bytes everywhere.
_DECIMAL = Context(prec=40)
_LN_2 = _DECIMAL.ln(Decimal(2))


@cache
def log2(x: Fraction | int) -> float:
    numerator, denominator = Decimal(x.numerator), Decimal(x.denominator)
    return float(_DECIMAL.divide(_DECIMAL.ln(_DECIMAL.divide(numerator, denominator)), _LN_2))


def mean(values: list[int]) -> float:
    return sum(values) / len(values)


def std(values: list[int]) -> float:
    """Population standard deviation; the difference that cancels is taken in exact integers."""
    n = len(values)
    return math.sqrt(n * sum(v * v for v in values) - sum(values) ** 2) / n


def std_over_mean(values: list[int]) -> float:
    """Precondition: the sum is not 0."""
    return std(values) / mean(values)


def q11(x: int) -> int:
    r = max(0, x.bit_length() - 11)
    return x >> r << r


@dataclass
class Ewma:
    """The first value sets e = x, later ones e += (x - e) / 4."""

    value: float | None = None

    def add(self, x: float) -> None:
        self.value = x if self.value is None else self.value + (x - self.value) / 4

    def get(self, missing: float) -> float:
        return missing if self.value is None else self.value


@dataclass
class Interval:
    """Ewma of an interval and of its deviations."""

    ewma: Ewma = field(default_factory=Ewma)
    deviation: float = 0.0

    def add(self, x: float) -> None:
        if self.ewma.value is not None:
            self.deviation += (abs(x - self.ewma.value) - self.deviation) / 4
        self.ewma.add(x)

    def spread(self) -> float:
        e = self.ewma.get(0.0)
        return self.deviation / e if e != 0 else 0.0


@dataclass
class Accumulation:
    """An open chunk or burst: the down packets since the last one closed."""

    size_bytes: int = 0
    full_packets: int = 0
    first_ms: int | None = None
    last_ms: int = 0

    def add(self, size: int, full: bool, now_ms: int) -> None:
        self.size_bytes += size
        self.full_packets += full
        if self.first_ms is None:
            self.first_ms = now_ms
        self.last_ms = now_ms


class ClosedSeries:
    """What is kept of the closed chunks, or of the closed bursts."""

    def __init__(self) -> None:
        self.open = Accumulation()
        self.count = 0
        self.size = Ewma()
        self.interval = Interval()
        self.previous_first_ms: int | None = None

    def try_close(self) -> Accumulation | None:
        """Closes the open one if it holds at least 5 full packets."""
        closed = self.open
        if closed.full_packets < 5:
            return None
        assert closed.first_ms is not None
        self.size.add(log2(1 + closed.size_bytes))
        if self.previous_first_ms is not None:
            self.interval.add(min(20.0, (closed.first_ms - self.previous_first_ms) / 1000))
        self.previous_first_ms = closed.first_ms
        self.count += 1
        self.open = Accumulation()
        return closed


@dataclass
class Window:
    """What one second of a flow holds."""

    second: int
    down: list[tuple[int, int]] = field(default_factory=list)  # (time_ns, size)
    up: list[tuple[int, int]] = field(default_factory=list)
    full_packets: int = 0
    small_packets: int = 0
    requests: int = 0

    def bytes_down(self) -> int:
        return sum(size for _, size in self.down)

    def bytes_up(self) -> int:
        return sum(size for _, size in self.up)

    def bins(self) -> list[int]:
        """50 ms byte bins: 20 down, then 20 up."""
        values = [0] * (2 * BINS)
        for base, packets in ((0, self.down), (BINS, self.up)):
            for time_ns, size in packets:
                values[base + (time_ns - self.second * NS_PER_S) // BIN_NS] += size
        return values


class FlowFeatures:
    def __init__(self, first_ns: int) -> None:
        self.first_ns = first_ns
        self.first_second = first_ns // NS_PER_S
        self.largest_down = 0  # M
        self.ack_size: int | None = None  # A, 1/16 bytes
        self.last_large_up_ms: int | None = None
        self.last_request_ms: int | None = None
        self.request_ratio = Ewma()
        self.last_down_ms: int | None = None
        self.full_packets = 0
        self.fifth_full_ms: int | None = None
        self.chunks = ClosedSeries()
        self.chunk_duty = Ewma()
        self.bursts = ClosedSeries()
        self.down_ewma = Ewma()
        self.seconds: dict[int, tuple[int, int]] = {}  # closed window's second -> q11 of (down, up) bytes

    def ms(self, time_ns: int) -> int:
        return time_ns // NS_PER_MS - self.first_ns // NS_PER_MS

    def add_down(self, window: Window, time_ns: int, size: int) -> None:
        window.down.append((time_ns, size))
        now = self.ms(time_ns)
        self.largest_down = max(self.largest_down, size)
        full = 10 * size >= 9 * self.largest_down and size >= 500
        window.full_packets += full
        window.small_packets += 4 * size <= self.largest_down
        self.full_packets += full
        if full and self.full_packets == 5:
            self.fifth_full_ms = now
        if self.last_down_ms is not None and now - self.last_down_ms > 150:
            self.bursts.try_close()
        self.last_down_ms = now
        self.bursts.open.add(size, full, now)
        self.chunks.open.add(size, full, now)

    def add_up(self, window: Window, time_ns: int, size: int) -> None:
        window.up.append((time_ns, size))
        if self.ack_size is not None and 32 * size > 3 * self.ack_size + 512:
            self._add_large_up(window, self.ms(time_ns), size, self.ack_size)
        q = 16 * min(size, 4095)
        if self.ack_size is None:
            self.ack_size = min(q, 1600)
        elif q < self.ack_size:
            self.ack_size -= (self.ack_size - q + 1) // 2
        else:
            self.ack_size += min(q - self.ack_size, (q - self.ack_size + 63) // 64)
        self.ack_size = max(self.ack_size, 640)

    def _add_large_up(self, window: Window, now: int, size: int, ack_size: int) -> None:
        is_request = self.last_large_up_ms is None or now - self.last_large_up_ms >= 300
        self.last_large_up_ms = now
        if not is_request:
            return
        window.requests += 1
        self.last_request_ms = now
        self.request_ratio.add(log2(Fraction(16 * size, ack_size)))
        chunk = self.chunks.try_close()
        if chunk is not None and chunk.first_ms is not None:
            total = now - chunk.first_ms
            self.chunk_duty.add((chunk.last_ms - chunk.first_ms) / total if total else 1.0)

    def close(self, window: Window) -> list[float]:
        """The feature vector of a window that ends; windows must be closed in order."""
        self._add_second_to_ewma(window)
        self.seconds[window.second] = (q11(window.bytes_down()), q11(window.bytes_up()))
        values = {
            **self._volume(window),
            **self._sizes(window),
            **self._gaps(window),
            **self._bins(window),
            **self._structure(window),
            **self._history(window),
        }
        return [float(values[name]) for name in NAMES]

    def _add_second_to_ewma(self, window: Window) -> None:
        if self.seconds:
            idle = window.second - max(self.seconds) - 1
            if idle > 64:
                self.down_ewma.value = 0.0
            else:
                for _ in range(idle):
                    self.down_ewma.add(0.0)
        self.down_ewma.add(log2(1 + window.bytes_down()))

    def _volume(self, w: Window) -> dict[str, float]:
        n_down, n_up, b_down, b_up = len(w.down), len(w.up), w.bytes_down(), w.bytes_up()
        return {
            "down_bytes_log2": log2(1 + b_down),
            "up_bytes_log2": log2(1 + b_up),
            "down_packets_log2": log2(1 + n_down),
            "up_packets_log2": log2(1 + n_up),
            "down_up_bytes_ratio_log2": log2(Fraction(1 + b_down, 1 + b_up)),
            "down_up_packets_ratio_log2": log2(Fraction(1 + n_down, 1 + n_up)),
        }

    def _sizes(self, w: Window) -> dict[str, float]:
        sizes = [size for _, size in w.down]
        n = len(sizes)
        result = {
            "down_size_mean": mean(sizes) if n else 0.0,
            "down_size_std": std(sizes) if n else 0.0,
            "down_size_max": self.largest_down,
            "down_size_mean_rel": mean(sizes) / self.largest_down if n else 0.0,
            "down_size_std_rel": std(sizes) / self.largest_down if n else 0.0,
            "down_full_share": w.full_packets / n if n else 0.0,
            "down_small_share": w.small_packets / n if n else 0.0,
            "up_size_mean": 0.0,
            "up_size_ack_ratio_log2": 0.0,
        }
        if w.up:
            assert self.ack_size is not None
            result["up_size_mean"] = w.bytes_up() / len(w.up)
            result["up_size_ack_ratio_log2"] = log2(Fraction(16 * w.bytes_up(), len(w.up) * self.ack_size))
        return result

    def _gaps(self, w: Window) -> dict[str, float]:
        us = [(time_ns - w.second * NS_PER_S) // 1000 for time_ns, _ in w.down]
        gaps = [later - earlier for earlier, later in pairwise(us)]
        result: dict[str, float] = {
            "down_gap_mean_ms": mean(gaps) / 1000 if gaps else 1000.0,
            "down_gap_cv": std_over_mean(gaps) if len(gaps) >= 2 and any(gaps) else 0.0,
            "down_silence_max_ms": 1000.0,
            "down_bursts_10ms": 0.0,
            "down_bursts_50ms": 0.0,
        }
        if us:
            result["down_silence_max_ms"] = max([us[0], *gaps, 1_000_000 - us[-1]]) / 1000
            result["down_bursts_10ms"] = 1 + len([gap for gap in gaps if gap > 10_000])
            result["down_bursts_50ms"] = 1 + len([gap for gap in gaps if gap > 50_000])
        return result

    def _bins(self, w: Window) -> dict[str, float]:
        bins = w.bins()[:BINS]
        total = sum(bins)
        return {
            "down_bins_active_share": sum(1 for b in bins if b > 0) / BINS,
            "down_bin_peak_share": max(bins) / total if total else 0.0,
            "down_bins_cv": std_over_mean(bins) if total else 0.0,
        }

    def _structure(self, w: Window) -> dict[str, float]:
        end_ms = self.ms((w.second + 1) * NS_PER_S)
        age = 20.0 if self.last_request_ms is None else min(20.0, (end_ms - self.last_request_ms) / 1000)
        first_full = 20.0 if self.fifth_full_ms is None else min(20.0, self.fifth_full_ms / 1000)
        chunks, bursts = self.chunks, self.bursts
        return {
            "requests": w.requests,
            "request_age_s": age,
            "request_size_ratio_log2": self.request_ratio.get(0.0),
            "open_chunk_log2": log2(1 + chunks.open.size_bytes),
            "chunks_log2": log2(1 + min(chunks.count, 65535)),
            "chunk_size_log2": chunks.size.get(0.0),
            "chunk_interval_s": chunks.interval.ewma.get(20.0),
            "chunk_interval_spread": chunks.interval.spread(),
            "chunk_duty": self.chunk_duty.get(0.0),
            "bursts_log2": log2(1 + min(bursts.count, 65535)),
            "burst_size_log2": bursts.size.get(0.0),
            "burst_interval_s": bursts.interval.ewma.get(20.0),
            "burst_interval_spread": bursts.interval.spread(),
            "open_burst_log2": log2(1 + bursts.open.size_bytes),
            "flow_age_log2": log2(1 + Fraction(end_ms, 1000)),
            "first_full_s": first_full,
        }

    def _history(self, w: Window) -> dict[str, float]:
        age_second = w.second - self.first_second
        n_hist = min(HISTORY_SECONDS, age_second + 1)
        h = [self.seconds.get(w.second - j, (0, 0))[0] for j in range(n_hist)]
        u = [self.seconds.get(w.second - j, (0, 0))[1] for j in range(n_hist)]
        period, score = find_period(h)
        return {
            "down_up_bytes_ratio_20s_log2": log2(Fraction(1 + sum(h), 1 + sum(u))),
            "down_ewma_log2": self.down_ewma.get(0.0),
            "down_active_share_20s": sum(1 for x in h if x >= 20_000) / n_hist,
            "down_peak_ratio_20s": h[0] / max(h) if max(h) else 0.0,
            "down_cv_20s": std_over_mean(h) if sum(h) else 0.0,
            "down_growth_log2": log2(Fraction(1 + h[0], 1 + h[1])) if age_second else 0.0,
            "down_period_s": period,
            "down_period_score": score,
            "down_idle_share_20s": h.count(0) / n_hist,
        }


def find_period(h: list[int]) -> tuple[float, float]:
    """Lag and score of the period, 0 and 0 where it is missing."""
    n = len(h)
    x = [n * value > sum(h) for value in h]
    if n < 6 or all(x) or not any(x):
        return 0.0, 0.0
    scores = {}
    for lag in range(2, min(10, n - 4) + 1):
        equal = sum(x[j] == x[j + lag] for j in range(n - lag))
        scores[lag] = Fraction(equal, n - lag)
    best = max(scores.values())
    lag = min(lag for lag, score in scores.items() if score == best)
    return float(lag), float(best)
