"""The feature vector of a connection's second (view "socket", version 1), from the terms and the table in
core/features/socket_schema.cc. A SocketFeatures is told every event of its connection in order.
"""

from __future__ import annotations

from fractions import Fraction

from .features import (
    BIN_NS,
    BINS,
    HISTORY_SECONDS,
    NS_PER_MS,
    NS_PER_S,
    ClosedSeries,
    Ewma,
    find_period,
    log2,
    q11,
    std_over_mean,
)

SCHEMA_VERSION = 1
NAMES = [
    "down_bytes_log2",
    "up_bytes_log2",
    "down_up_bytes_ratio_log2",
    "down_up_bytes_ratio_20s_log2",
    "down_bins_active_share",
    "down_bin_peak_share",
    "down_bins_cv",
    "requests",
    "request_age_s",
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
    "down_active_share_20s",
    "down_idle_share_20s",
    "down_peak_ratio_20s",
    "down_cv_20s",
    "down_growth_log2",
    "down_period_s",
    "down_period_score",
    "flow_age_log2",
]
CLOSING_BYTES = 8192
LARGE_WRITE = 40
MOST = 2**32 - 1


class ByteSeries(ClosedSeries):
    """Closed chunks or bursts of a byte stream: they close by their bytes, not by full packets."""

    def try_close_bytes(self):
        if self.open.size_bytes < CLOSING_BYTES:
            return None
        self.open.size_bytes = min(self.open.size_bytes, MOST)
        self.open.full_packets = 5
        return self.try_close()


class SocketFeatures:
    def __init__(self, first_ns: int) -> None:
        self.first_ns = first_ns
        self.last_write_ms: int | None = None
        self.last_request_ms: int | None = None
        self.last_read_ms: int | None = None
        self.chunks = ByteSeries()
        self.bursts = ByteSeries()
        self.duty = Ewma()
        self.seconds: dict[int, tuple[int, int]] = {}
        self.open_window(first_ns // NS_PER_S)

    def open_window(self, second: int) -> None:
        self.second = second
        self.requests = 0
        self.bins = {"down": [0] * BINS, "up": [0] * BINS}

    def ms(self, time_ns: int) -> int:
        return time_ns // NS_PER_MS - self.first_ns // NS_PER_MS

    def add(self, time_ns: int, direction: str, size: int) -> None:
        if size == 0 or (direction == "up" and size < LARGE_WRITE):
            return
        place = (time_ns - self.second * NS_PER_S) // BIN_NS
        self.bins[direction][place] = min(self.bins[direction][place] + size, MOST)
        now = self.ms(time_ns)
        if direction == "up":
            self._write(now)
        else:
            self._read(now, size)

    def _write(self, now: int) -> None:
        is_request = self.last_write_ms is None or now - self.last_write_ms >= 300
        self.last_write_ms = now
        if not is_request:
            return
        self.requests += 1
        self.last_request_ms = now
        chunk = self.chunks.try_close_bytes()
        if chunk is not None:
            total = now - chunk.first_ms
            self.duty.add((chunk.last_ms - chunk.first_ms) / total if total else 1.0)

    def _read(self, now: int, size: int) -> None:
        if self.last_read_ms is not None and now - self.last_read_ms > 150:
            self.bursts.try_close_bytes()
        self.last_read_ms = now
        self.bursts.open.add(size, False, now)
        self.chunks.open.add(size, False, now)

    def close(self) -> list[float]:
        """The feature vector of the window that ends; windows must be closed in order."""
        down, up = sum(self.bins["down"]), sum(self.bins["up"])
        self.seconds[self.second] = (q11(down), q11(up))
        n = min(HISTORY_SECONDS, self.second - self.first_ns // NS_PER_S + 1)
        h = [self.seconds.get(self.second - j, (0, 0))[0] for j in range(n)]
        u = [self.seconds.get(self.second - j, (0, 0))[1] for j in range(n)]
        end_ms = self.ms((self.second + 1) * NS_PER_S)
        age = 20.0 if self.last_request_ms is None else min(20.0, (end_ms - self.last_request_ms) / 1000)
        period, score = find_period(h)
        values = {
            "down_bytes_log2": log2(1 + down),
            "up_bytes_log2": log2(1 + up),
            "down_up_bytes_ratio_log2": log2(Fraction(1 + down, 1 + up)),
            "down_up_bytes_ratio_20s_log2": log2(Fraction(1 + sum(h), 1 + sum(u))),
            "down_bins_active_share": sum(1 for b in self.bins["down"] if b) / BINS,
            "down_bin_peak_share": max(self.bins["down"]) / down if down else 0.0,
            "down_bins_cv": std_over_mean(self.bins["down"]) if down else 0.0,
            "requests": self.requests,
            "request_age_s": age,
            "chunk_duty": self.duty.get(0.0),
            "down_active_share_20s": sum(1 for x in h if x >= 20_000) / n,
            "down_idle_share_20s": h.count(0) / n,
            "down_peak_ratio_20s": h[0] / max(h) if max(h) else 0.0,
            "down_cv_20s": std_over_mean(h) if sum(h) else 0.0,
            "down_growth_log2": log2(Fraction(1 + h[0], 1 + h[1])) if n > 1 else 0.0,
            "down_period_s": period,
            "down_period_score": score,
            "flow_age_log2": log2(1 + Fraction(end_ms, 1000)),
        }
        for word, runs in (("chunk", self.chunks), ("burst", self.bursts)):
            values[f"open_{word}_log2"] = log2(1 + min(runs.open.size_bytes, MOST))
            values[f"{word}s_log2"] = log2(1 + min(runs.count, 65535))
            values[f"{word}_size_log2"] = runs.size.get(0.0)
            values[f"{word}_interval_s"] = runs.interval.ewma.get(20.0)
            values[f"{word}_interval_spread"] = runs.interval.spread()
        return [float(values[name]) for name in NAMES]


def rows_of(events: list[tuple[int, str, str, int]]) -> list[tuple[str, int, list[float]]]:
    """(connection, second, features) of every window, by connection and second; events are (time_ns, connection,
    direction, bytes). A connection begins anew after 120 s without an event.
    """
    rows = []
    for connection in dict.fromkeys(name for _, name, _, _ in events):
        state: SocketFeatures | None = None
        last = -1
        for time_ns, name, direction, size in events:
            if name != connection or size == 0:
                continue
            now = max(time_ns, last)
            second = now // NS_PER_S
            if state is not None and second != state.second:
                rows.append((connection, state.second, state.close()))
                if second * NS_PER_S - last >= 120 * NS_PER_S:
                    state = None
                else:
                    state.open_window(second)
            if state is None:
                state = SocketFeatures(now)
            last = now
            state.add(now, direction, size)
        if state is not None:
            rows.append((connection, state.second, state.close()))
    return rows
