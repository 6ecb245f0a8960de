"""The feature vector of a flow record (view "record", version 1), from the terms and the table in
core/features/record_schema.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .features import log2, q11, std_over_mean

SCHEMA_VERSION = 1
HISTORY_SECONDS = 60
MOST_BYTES = 2**40
NAMES = [
    "down_rate_log2",
    "up_rate_log2",
    "down_size_mean",
    "down_up_bytes_ratio_log2",
    "down_up_packets_ratio_log2",
    "down_up_bytes_ratio_60s_log2",
    "down_size_mean_rel",
    "up_size_mean_rel_log2",
    "duration_s",
    "gap_s",
    "down_active_share_60s",
    "down_idle_share_60s",
    "down_high_share_60s",
    "down_onsets_60s",
    "down_peak_ratio_60s",
    "down_cv_60s",
    "down_growth_log2",
    "down_bytes_60s_log2",
    "flow_age_log2",
]


@dataclass(frozen=True)
class Record:
    start_ns: int
    end_ns: int
    bytes_up: int
    bytes_down: int
    packets_up: int
    packets_down: int


class RecordFeatures:
    def __init__(self) -> None:
        self.first_ms: int | None = None
        self.latest_ms: int | None = None
        self.largest_down = Fraction(0)
        self.smallest_up: Fraction | None = None
        self.previous_rate: Fraction | None = None
        self.seconds: dict[str, dict[int, int]] = {"down": {}, "up": {}}
        self.ways: set[str] = set()

    def add(self, record: Record) -> tuple[int, list[float]]:
        """The record's second and features."""
        start, end = record.start_ns // 10**6, record.end_ns // 10**6
        counts = {"down": record.packets_down, "up": record.packets_up}
        size = {"down": min(record.bytes_down, MOST_BYTES), "up": min(record.bytes_up, MOST_BYTES)}
        gap = 60.0 if self.latest_ms is None else min(60.0, max(0, start - self.latest_ms) / 1000)
        self.first_ms = start if self.first_ms is None else self.first_ms
        self.latest_ms = end if self.latest_ms is None else max(self.latest_ms, end)
        newest = self.latest_ms // 1000
        self.ways |= {way for way, packets in counts.items() if packets}
        for way, total in size.items():
            self._spread(self.seconds[way], start, end, total, newest)
        values = {"gap_s": gap, "duration_s": min(60.0, (end - start + 1) / 1000)}
        values |= self._record(counts, size, max(end - start + 1, 1000))
        values |= self._history(newest, Fraction(1000 * size["down"], max(end - start + 1, 1000)))
        return newest, [float(values[name]) for name in NAMES]

    @staticmethod
    def _spread(seconds: dict[int, int], start: int, end: int, total: int, newest: int) -> None:
        length = end - start + 1
        for second in range(max(start // 1000, newest - HISTORY_SECONDS + 1), end // 1000 + 1):
            overlap = min(end, second * 1000 + 999) - max(start, second * 1000) + 1
            seconds[second] = q11(seconds.get(second, 0) + total * overlap // length)

    def _record(self, counts: dict[str, int], size: dict[str, int], length: int) -> dict[str, float]:
        rate = {way: Fraction(1000 * total, length) for way, total in size.items()}
        values = {
            "down_rate_log2": log2(1 + rate["down"]),
            "up_rate_log2": log2(1 + rate["up"]),
            "down_size_mean": 0.0,
            "down_size_mean_rel": 0.0,
            "down_growth_log2": 0.0,
            "up_size_mean_rel_log2": 0.0,
            "down_up_bytes_ratio_log2": 5.0,
            "down_up_packets_ratio_log2": 1.0,
        }
        if counts["down"]:
            mean = Fraction(size["down"], counts["down"])
            self.largest_down = max(self.largest_down, mean)
            values["down_size_mean"] = float(mean)
            values["down_size_mean_rel"] = float(mean / self.largest_down) if mean else 0.0
            if self.previous_rate is not None:
                values["down_growth_log2"] = log2((1 + rate["down"]) / (1 + self.previous_rate))
            self.previous_rate = rate["down"]
        if counts["up"]:
            mean = max(Fraction(1), Fraction(size["up"], counts["up"]))
            self.smallest_up = mean if self.smallest_up is None else min(self.smallest_up, mean)
            values["up_size_mean_rel_log2"] = log2(mean / self.smallest_up)
        if counts["down"] and counts["up"]:
            values["down_up_bytes_ratio_log2"] = log2(Fraction(1 + size["down"], 1 + size["up"]))
            values["down_up_packets_ratio_log2"] = log2(Fraction(1 + counts["down"], 1 + counts["up"]))
        return values

    def _history(self, newest: int, rate: Fraction) -> dict[str, float]:
        n = min(HISTORY_SECONDS, newest - self.first_ms // 1000 + 1)
        h = [self.seconds["down"].get(newest - j, 0) for j in range(n)]
        u = [self.seconds["up"].get(newest - j, 0) for j in range(n)]
        both = len(self.ways) == 2
        return {
            "down_up_bytes_ratio_60s_log2": log2(Fraction(1 + sum(h), 1 + sum(u))) if both else 5.0,
            "down_active_share_60s": sum(1 for x in h if x >= 20_000) / n,
            "down_idle_share_60s": h.count(0) / n,
            "down_high_share_60s": sum(1 for x in h if n * x > sum(h)) / n,
            "down_onsets_60s": sum(1 for j in range(n - 1) if h[j] > 0 and h[j + 1] == 0) / n,
            "down_peak_ratio_60s": min(1.0, float(rate / max(h))) if max(h) else 0.0,
            "down_cv_60s": std_over_mean(h) if sum(h) else 0.0,
            "down_bytes_60s_log2": log2(1 + sum(h)),
            "flow_age_log2": log2(1 + Fraction(self.latest_ms - self.first_ms + 1, 1000)),
        }


def rows_of(records: list[tuple[str, Record]]) -> list[tuple[str, int, list[float]]]:
    """(flow, second, features) of every record, by flow, in the order given."""
    rows = []
    for flow in dict.fromkeys(name for name, _ in records):
        state = RecordFeatures()
        rows.extend((flow, *state.add(record)) for name, record in records if name == flow)
    return rows
