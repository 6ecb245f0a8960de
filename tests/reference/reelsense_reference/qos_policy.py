"""The QoS policy a second time, in plain Python, written from docs/explanation/qos-policy.md and not from the C++.

Settings come from docs/reference/qos-policy.schema.json, so that their defaults stand in one place. Slow and simple on
purpose: whole lists instead of running sums, strings instead of enumerations.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "reference" / "qos-policy.schema.json"
BINS = 20
AF31, LOWER_EFFORT, DEFAULT = 26, 1, 0
NO_CAP = 1e9
HOLD_RULE_SECONDS = 20
HOLD_RULE_ACTIVE = 20_000


def default_settings() -> dict[str, float]:
    properties = json.loads(SCHEMA.read_text())["properties"]
    return {name: float(each["default"]) for name, each in properties.items() if "default" in each}


@dataclass
class Window:
    """One flow's second."""

    second: int
    client: str
    flow: object
    probability: float
    is_video: bool
    uncertain: bool
    up: int
    down: int
    down_bins: list[int]
    request_age: float = 0.0  # seconds since the last request
    open_chunk: float = 0.0  # log2(1 + bytes) down since the last closed chunk
    chunk: float = 0.0  # mean size of a closed one, as log2(1 + bytes)


def log_odds(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log2(p / (1 - p))


def is_active(window: Window, settings: dict[str, float]) -> bool:
    return window.up + window.down >= settings["active_bytes"]


def stands_out(window: Window, before: list[Window], settings: dict[str, float]) -> float:
    """Bits for being above what the flows of the second before were on average, itself included."""
    peers = [w for w in before if is_active(w, settings)]
    own = log_odds(window.probability)
    if window.request_age > settings["transfer_seconds"]:
        return 0.0
    narrow = 8 * sum(w.down for w in before) < 1000 * settings["ample_kbps"]
    if not narrow or not any(w.flow != window.flow for w in peers) or own < -settings["flow_peer_bits"]:
        return 0.0
    mean = sum(log_odds(w.probability) for w in peers) / len(peers)
    return max(0.0, min(own - mean, -mean, settings["flow_peer_bits"]))


def is_transfer(window: Window, settings: dict[str, float]) -> bool:
    silent = window.request_age > settings["transfer_seconds"]
    if silent and window.open_chunk > math.log2(1 + settings["transfer_bytes"]):
        return True
    return max(window.open_chunk, window.chunk) > math.log2(1 + settings["transfer_chunk_bytes"])


@dataclass
class Mark:
    dscp: int
    reason: str


@dataclass
class FlowPolicy:
    settings: dict[str, float]
    state: str = "new"  # new, unsure, video, non-video, bulk
    evidence: float = 0.0  # bits for video
    weak: int = 0
    last_active: int = 0
    run: list[int] = field(default_factory=list)  # kilobytes of each window that may become bulk

    def mark(self, reason: str) -> Mark:
        if self.state == "video":
            return Mark(AF31, reason)
        if self.state == "bulk" and self.settings["bulk_lower_effort"]:
            return Mark(LOWER_EFFORT, reason)
        return Mark(DEFAULT, reason)

    def step(self, window: Window, before: list[Window]) -> Mark:
        s = self.settings
        if not is_active(window, s):
            if self.state in ("new", "unsure"):
                return self.mark("default" if self.state == "new" else "uncertain")
            if self.state == "bulk" and window.second - self.last_active > s["bulk_leave_seconds"]:
                self.state, self.run = "non-video", []
            return self.mark("idle")
        pause, self.last_active = window.second - self.last_active, window.second
        bits = self.weigh(window, stands_out(window, before, s))
        if self.state == "video":
            self.run = []
            return self.mark("video" if bits > 0 else "hold")
        if self.state == "unsure":
            self.run = []
            return self.mark("uncertain")
        if self.weak > s["flow_hold_seconds"]:
            return self.mark("uncertain")
        self.count_bulk(window, pause)
        if bits >= 0:
            return self.mark("hold")
        return self.mark(self.state)

    def weigh(self, window: Window, more: float) -> float:
        s = self.settings
        bits = min(max(log_odds(window.probability) + more, -s["flow_window_bits"]), s["flow_window_bits"])
        if is_transfer(window, s):
            bits = min(bits, 0.0)
        if self.state == "new":
            bits = max(bits, 0.0)
        self.evidence = single(min(max(self.evidence + bits, -s["flow_evidence_low"]), s["flow_evidence_high"]))
        other = self.state in ("non-video", "bulk")
        if self.evidence >= s["flow_enter_bits"]:
            self.state = "video"
        elif self.evidence <= -s["flow_enter_bits"]:
            self.state = "bulk" if self.state == "bulk" else "non-video"
        elif (
            self.state == "new"
            or (self.state == "video" and self.evidence <= -s["flow_leave_bits"])
            or (other and self.evidence >= s["flow_leave_bits"])
        ):
            self.state = "unsure"
        for_state = {"video": bits, "unsure": 0.0}.get(self.state, -bits)
        if for_state >= 0.5 or self.state == "unsure":
            self.weak = 0
        else:
            self.weak += 1
            if self.weak > s["flow_hold_seconds"]:
                if self.state == "video":
                    self.state, self.evidence, self.weak = "unsure", 0.0, 0
                elif self.state == "bulk":
                    self.state, self.run = "non-video", []
        return bits

    def count_bulk(self, window: Window, pause: int) -> None:
        s = self.settings
        one_way = max(window.up, window.down) >= s["bulk_direction_ratio"] * min(window.up, window.down)
        if not one_way or pause > s["bulk_leave_seconds" if self.state == "bulk" else "bulk_gap_seconds"]:
            self.state, self.run = "non-video", []
        if one_way and not window.uncertain:
            self.run.append((window.up + window.down) // 1000)
            if len(self.run) >= s["bulk_seconds"] and 8 * sum(self.run) >= s["bulk_kbps"] * len(self.run):
                self.state = "bulk"


class SessionScore:
    """The hold rule of core/include/reelsense/policy/session.h."""

    def __init__(self) -> None:
        self.score, self.idle, self.since_active, self.holds = 0.5, 0, 0, False

    def step(self, windows: list[Window]) -> float:
        self.idle = 0 if windows else self.idle + 1
        self.since_active += 1
        if self.since_active > HOLD_RULE_SECONDS:
            self.holds = False
        if sum(w.down for w in windows) >= HOLD_RULE_ACTIVE:
            p = mean_probability(windows)
            self.score = p if not self.holds or p >= self.score else p + (self.score - p) * 0.8705505632961241
            self.holds, self.since_active = True, 0
        elif not self.holds and windows:
            self.score = mean_probability(windows)
        else:
            self.score = 0.5 + (self.score - 0.5) * 0.9330329915368074
        return self.score

    def over(self) -> bool:
        return self.idle >= HOLD_RULE_SECONDS


def mean_probability(windows: list[Window]) -> float:
    return sum((w.down + 1) * w.probability for w in windows) / sum(w.down + 1 for w in windows)


def single(value: float) -> float:
    """Rounded to float32, as samples are kept."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


@dataclass
class Run:
    bins: int = 0
    kbps: float = 0.0
    peak: float = 0.0


def busy_run(wanted: list[int], other: list[int]) -> Run:
    """The first of the longest runs: bins of `wanted` with bytes, one after another, small gaps allowed."""
    runs: list[list[int]] = []
    for i in range(BINS):
        if not wanted[i]:
            continue
        if runs:
            between = range(runs[-1][-1] + 1, i)
            if len(between) <= 1 or (len(between) <= 4 and all(other[b] for b in between)):
                runs[-1].append(i)
                continue
        runs.append([i])
    if not runs:
        return Run()
    first, last = max(((r[0], r[-1]) for r in runs), key=lambda ends: ends[1] - ends[0])
    bins = last - first + 1
    length = float(bins)
    if bins > 1:
        length -= 0.5 * (first != 0) + 0.5 * (last != BINS - 1)
    total = [wanted[i] + other[i] for i in range(first, last + 1)]
    return Run(bins, min(1e8, sum(wanted[first : last + 1]) * 8 / (length * 50)), max(total) * bins / sum(total))


class Throughput:
    def __init__(self, settings: dict[str, float]) -> None:
        self.settings = settings
        self.samples: list[tuple[float, float]] = []  # kbit/s, how much too high the mean before was
        self.mean = self.kbps = 0.0

    def add(self, run: Run) -> float:
        if run.bins < 3 or run.kbps <= 0:
            return 1.0
        filled_path = run.bins >= self.settings["busy_bins"] and run.peak <= self.settings["flat_ratio"]
        if not filled_path and not (self.mean > 0 and run.kbps > self.mean):
            return 1.0
        ratio = run.kbps / self.kbps if self.kbps else 1.0
        self.samples.append((single(run.kbps), single(max(0.0, (self.mean - run.kbps) / run.kbps))))
        last = self.samples[-min(8, int(self.settings["throughput_samples"])) :]
        self.mean = len(last) / sum(1 / kbps for kbps, _ in last)
        self.kbps = self.mean / (1 + min(max(error for _, error in last), self.settings["robust_limit"]))
        return ratio


@dataclass
class Qos:
    depth: int
    buffer_ms: int
    bitrate: int
    throughput: int
    reason: str
    changed: bool = False


class SessionPolicy:
    def __init__(self, settings: dict[str, float]) -> None:
        self.settings = settings
        self.score = SessionScore()
        self.throughput = Throughput(settings)
        self.state = "unknown"
        self.last_sure = self.last_video = self.unsure = 0
        self.congested, self.pressure, self.relief, self.left = False, 0.0, 0.0, 0
        self.cap = NO_CAP
        self.cap_changed = self.depth_changed = 0
        self.depth = settings["default_prefetch_depth"]
        self.shown = self.defaults()

    def defaults(self) -> tuple[int, int, int]:
        names = ("default_prefetch_depth", "default_buffer_target_ms", "default_max_bitrate_kbps")
        return tuple(int(self.settings[name]) for name in names)  # type: ignore[return-value]

    def end_second(self, now: int, marked: list[tuple[Window, Mark]]) -> tuple[float, bool, Qos]:
        score = self.score.step([window for window, _ in marked])
        reason = self.move_on(now, self.judge(now, score, marked))
        self.follow_path(now, marked)
        if self.score.over():
            self.state, reason = "unknown", "default"
        before = self.shown
        if self.state != "video":
            self.depth, self.cap = self.settings["default_prefetch_depth"], NO_CAP
            self.depth_changed = self.cap_changed = now
            self.shown = self.defaults()
        elif reason == "video":
            reason = "congested" if self.congested else "video"
            self.shown = self.video(now)
        qos = Qos(*self.shown, int(self.throughput.kbps), reason, self.shown != before)
        return score, self.score.over(), qos

    def judge(self, now: int, score: float, marked: list[tuple[Window, Mark]]) -> str:
        s = self.settings
        if sum(window.down for window, mark in marked if mark.dscp == AF31) >= s["active_bytes"]:
            return "video"
        if sum(window.up + window.down for window, _ in marked) < s["active_bytes"]:
            return "quiet"
        if mean_probability([window for window, _ in marked]) >= s["video_probability"]:
            return "video"
        recent = self.state == "video" and now - self.last_video < s["leave_seconds"]
        return "non-video" if score <= s["non_video_score"] and not recent else "unsure"

    def move_on(self, now: int, verdict: str) -> str:
        if verdict in ("video", "non-video"):
            if verdict == "video":
                self.last_video = now
                if self.state != "video":
                    self.depth_changed = now
            self.state, self.unsure, self.last_sure = verdict, 0, now
            return verdict
        quiet = verdict == "quiet"
        self.unsure += not quiet
        if self.state != "unknown":
            if quiet and now - self.last_sure <= self.settings["idle_seconds"]:
                return "idle"
            if not quiet and self.unsure <= self.settings["hold_seconds"]:
                return "hold"
            self.state = "unknown"
        return "default" if quiet else "uncertain"

    def follow_path(self, now: int, marked: list[tuple[Window, Mark]]) -> None:
        s = self.settings
        video, other = [0] * BINS, [0] * BINS
        for window, mark in marked:
            into = video if mark.dscp == AF31 else other
            for i, count in enumerate(window.down_bins):
                into[i] += count
        run = busy_run(video, other)
        ratio = self.throughput.add(run)
        if self.state != "video":
            self.congested, self.pressure = False, 0.0
            return
        rivals = sum(
            window.down
            for window, mark in marked
            if mark.dscp != AF31 and (mark.reason == "bulk" or mark.dscp == LOWER_EFFORT or not window.is_video)
        )
        competing = rivals > 0 and rivals >= s["competing_share"] * sum(window.down for window, _ in marked)
        full = run.bins >= s["full_bins"] and run.peak <= s["flat_ratio"] and self.throughput.kbps < s["ample_kbps"]
        if full:
            self.pressure += 2 if competing or ratio < s["falling_ratio"] else 1
        elif not competing:
            self.pressure -= 1
        highest = self.relief if self.congested else s["congested_enter_seconds"]
        self.pressure = max(0.0, min(self.pressure, highest))
        if not self.congested and self.pressure >= s["congested_enter_seconds"]:
            once = s["congested_leave_seconds"]
            again = self.relief > 0 and now - self.left < 60
            self.relief = min(2 * self.relief, 4 * once) if again else once
            self.congested, self.pressure = True, self.relief
        elif self.congested and self.pressure <= 0:
            self.congested, self.left = False, now

    def video(self, now: int) -> tuple[int, int, int]:
        s = self.settings
        depth = s["congested_prefetch_depth"] if self.congested else s["video_prefetch_depth"]
        if depth < self.depth or (self.congested and depth != self.depth):
            self.depth, self.depth_changed = depth, now
        elif depth > self.depth and now - self.depth_changed >= s["raise_seconds"]:
            self.depth, self.depth_changed = self.depth + 1, now

        kbps, target = self.throughput.kbps, NO_CAP
        if (self.congested or len(self.throughput.samples) >= 3) and 0 < kbps < s["ample_kbps"]:
            share = s["congested_share"] if self.congested else s["video_share"]
            target = max(50.0 * int(share * kbps / 50), s["min_bitrate_kbps"])
        if target < self.cap * 0.9:
            self.cap, self.cap_changed = target, now
        elif target > self.cap * 1.1 and now - self.cap_changed >= s["raise_seconds"]:
            highest = self.cap * s["raise_factor"]
            beyond = highest >= s["video_share"] * s["ample_kbps"]
            self.cap, self.cap_changed = (target if beyond else min(target, highest)), now
        buffer = s["congested_buffer_target_ms"] if self.congested else s["video_buffer_target_ms"]
        return int(self.depth), int(buffer), int(self.cap) if self.cap < NO_CAP else 0


def decide(windows: list[Window], settings: dict[str, float]) -> tuple[list[tuple[Window, Mark]], list[tuple]]:
    """Marks of all windows, in their order, and (second, client, score, qos) for each session and second.

    Windows come in the order of their seconds. A session is over after 20 s without a packet.
    """
    flows: dict[object, FlowPolicy] = {}
    marks: list[tuple[Window, Mark]] = []
    decisions: list[tuple] = []
    sessions: dict[str, SessionPolicy] = {}
    by_second: dict[int, dict[str, list[tuple[Window, Mark]]]] = {}
    seen: dict[int, list[Window]] = {}
    for window in windows:
        seen.setdefault(window.second, []).append(window)
    for window in windows:
        mark = flows.setdefault(window.flow, FlowPolicy(settings)).step(window, seen.get(window.second - 1, []))
        marks.append((window, mark))
        by_second.setdefault(window.second, {}).setdefault(window.client, []).append((window, mark))
    if not by_second:
        return marks, decisions
    for second in range(min(by_second), max(by_second) + 1):
        present = by_second.get(second, {})
        for client in present:
            sessions.setdefault(client, SessionPolicy(settings))
        for client, policy in list(sessions.items()):
            score, over, qos = policy.end_second(second, present.get(client, []))
            decisions.append((second, client, score, qos))
            if over:
                del sessions[client]
    return marks, decisions
