"""A connection over a drawn link: requests and answers in, packets as its client sees them out.

Windows of a sender go out in rounds of one round trip, as fast as the narrowest link lets them; a round brings as much
as the congestion window, which doubles until it fills the path and its queue, and is cut where a packet is lost. What a
capture cannot tell from this (exact loss recovery, handshake bytes) is left out on purpose.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_S = 0.01
App = Generator[object, None, None]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


@dataclass(frozen=True)
class Path:
    """What lies between client and server."""

    down: NDArray[np.float64]  # bytes a step
    up: NDArray[np.float64]
    rtt_s: float
    queue_s: float
    loss: float
    full: int  # IP bytes of a full packet
    ack: int  # of an acknowledgement
    ack_every: int
    quic: bool
    model_based: bool  # congestion control that does not back off at every loss
    restarts: bool  # the window starts anew after a pause
    think_s: float  # the server's, median
    header: int  # bytes of a request, median


def _rates(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """Bytes a step: constant, or a random walk with outages now and then, 0.25 to 80 Mbit/s."""
    mean = log_uniform(rng, 0.25, 80)
    seconds = steps // 100 + 2
    kind = rng.random()
    if kind < 0.45:
        mbit = np.full(seconds, mean)
    else:
        walk = np.zeros(seconds)
        keep, spread = rng.uniform(0.5, 0.95), rng.uniform(0.15, 0.8)
        for i in range(1, seconds):
            walk[i] = keep * walk[i - 1] + spread * math.sqrt(1 - keep**2) * rng.normal()
        mbit = mean * np.exp(walk)
        if kind > 0.85:
            start = rng.integers(2, max(seconds - 2, 3))
            mbit[start : start + int(rng.integers(1, 9))] = 1e-3
    return np.repeat(np.clip(mbit, 1e-3, 100), 100)[:steps] * 1e6 / 8 * STEP_S


def draw_path(rng: np.random.Generator, seconds: float) -> Path:
    steps = int(seconds / STEP_S) + 1
    down = _rates(rng, steps)
    quic = bool(rng.random() < 0.5)
    if quic:
        full, ack = int(rng.choice([1228, 1260, 1278, 1280, 1350, 1378, 1398])), int(rng.integers(56, 80))
    else:
        full = int(rng.choice([1500, 1500, 1492, 1480, 1452, 1440, 1400, 1300]))
        ack = int(rng.choice([40, 52, 52, 72, 60]))
    return Path(
        down, np.maximum(down * rng.uniform(0.15, 0.8), 50.0), log_uniform(rng, 0.01, 0.5), log_uniform(rng, 0.05, 1.5),
        0.0 if rng.random() < 0.6 else log_uniform(rng, 1e-3, 0.1), full, ack,
        int(rng.choice([1, 2, 2, 2, 2, 4, 10] if not quic else [2, 2, 4, 10, 10])), quic,
        bool(rng.random() < 0.5), bool(rng.random() < 0.6), log_uniform(rng, 0.002, 0.15),
        int(log_uniform(rng, 40, 900)),
    )  # fmt: skip


@dataclass(eq=False)
class Transfer:
    """An answer on its way down, or a body on its way up; ``pace`` is the most bytes a second that its source gives."""

    left: float
    begins: float
    up: bool = False
    pace: float = math.inf
    done: bool = False
    asked: float = 0.0
    total: float = 0.0
    due: float = 0.0  # bytes that the pace has allowed so far


@dataclass
class Side:
    """One direction's window."""

    window: float
    left: float = 0.0
    round_ends: float = -1.0
    moved: float = 0.0  # in this round
    last: float = 0.0


class Connection:
    """Runs apps over one connection. An app is a generator: it yields seconds to sleep, or transfers to await."""

    def __init__(self, path: Path, rng: np.random.Generator, seconds: float) -> None:
        self.path, self.rng, self.seconds = path, rng, seconds
        self.now = 0.0
        self.transfers: list[Transfer] = []
        self._tasks: list[tuple[float, int, App]] = []
        self._waiting: list[tuple[list[Transfer], App]] = []
        self._number = 0
        self._bursts: list[tuple[float, float, float, bool]] = []  # start, span, bytes, flush
        self._marks: list[tuple[float, int, bool]] = []  # single packets: time, size, up
        first = 10.0 * path.full
        self._down, self._up = Side(first), Side(first)
        self.kbit = 0.0  # the client's own estimate

    # what apps call
    def spawn(self, app: App, after: float = 0.0) -> None:
        self._number += 1
        heapq.heappush(self._tasks, (self.now + after, self._number, app))

    def get(self, size: float, pace: float = math.inf, burst: float = 0.0, header: int | None = None) -> Transfer:
        """Asks for ``size`` bytes."""
        path, rng = self.path, self.rng
        left = header if header is not None else max(20, int(path.header * rng.lognormal(0, 0.25)))
        while left > 0:
            body = min(left, path.full - path.ack)
            self._marks.append((self.now, body + path.ack, True))
            left -= body
        waits = path.rtt_s + self._queueing() + path.think_s * float(rng.lognormal(0, 0.6))
        made = Transfer(max(size, 1.0), self.now + waits, False, pace, asked=self.now, total=size, due=burst)
        self.transfers.append(made)
        return made

    def put(self, size: float) -> Transfer:
        """Sends ``size`` bytes up."""
        made = Transfer(max(size, 1.0), self.now, True, asked=self.now, total=size)
        self.transfers.append(made)
        return made

    def packet(self, size: int, up: bool, after: float = 0.0) -> None:
        self._marks.append((self.now + after, min(size, self.path.full), up))

    def abort(self, transfer: Transfer) -> None:
        """What was on the way still comes."""
        kept = min(transfer.left, self._down.window * 0.5)
        transfer.total -= transfer.left - kept
        transfer.left = kept

    # the clock
    def run(self, *apps: App) -> None:
        for app in apps:
            self.spawn(app)
        while self.now < self.seconds:
            self._wake()
            active = [t for t in self.transfers if not t.done]
            begun = [t for t in active if t.begins <= self.now]
            if begun:
                self._move([t for t in begun if not t.up], self._down, self.path.down, False)
                self._move([t for t in begun if t.up], self._up, self.path.up, True)
                self.now += STEP_S
                continue
            coming = [t.begins for t in active] + ([self._tasks[0][0]] if self._tasks else [])
            if not coming:
                return
            self.now = max(min(coming), self.now + 1e-6)

    def _wake(self) -> None:
        self.transfers = [t for t in self.transfers if not t.done]
        ready = [app for waited, app in self._waiting if all(t.done for t in waited)]
        self._waiting = [(w, a) for w, a in self._waiting if not all(t.done for t in w)]
        while self._tasks and self._tasks[0][0] <= self.now:
            ready.append(heapq.heappop(self._tasks)[2])
        for app in ready:
            self._advance(app)

    def _advance(self, app: App) -> None:
        try:
            wanted = next(app)
        except StopIteration:
            return
        if isinstance(wanted, list):
            self._waiting.append((wanted, app))
        else:
            self.spawn(app, max(float(wanted), 1e-3))  # type: ignore[arg-type]

    def _queueing(self) -> float:
        """Seconds that a packet waits behind what is under way."""
        if not any(t.begins <= self.now and not t.done and not t.up for t in self.transfers):
            return 0.0
        rate = self.path.down[min(int(self.now / STEP_S), len(self.path.down) - 1)] / STEP_S
        return min(self.path.queue_s, max(0.0, self._down.window / rate - self.path.rtt_s))

    def _move(self, begun: list[Transfer], side: Side, capacity: NDArray[np.float64], up: bool) -> None:
        """One step of a direction: its transfers share what the link and the window let through."""
        if not begun:
            return
        most = float(capacity[min(int(self.now / STEP_S), len(capacity) - 1)])
        self._turn(side, most / STEP_S)
        left, moved = min(most, side.left), 0.0
        for number, transfer in enumerate(begun):
            sent = self._send(transfer, left / (len(begun) - number))
            left -= sent
            moved += sent
        if moved <= 0:
            return
        side.left -= moved
        side.moved += moved
        side.last = self.now
        flush = all(t.done for t in begun)
        self._bursts.append((self.now, min(1.0, moved / most) * STEP_S, -moved if up else moved, flush))

    def _turn(self, side: Side, rate: float) -> None:
        """Begins a round where the last one is over; the window grows or is cut by how that went."""
        path, now = self.path, self.now
        if path.restarts and now - side.last > max(1.0, 2 * path.rtt_s):
            side.window, side.moved = 10.0 * path.full, 0.0
        if now < side.round_ends:
            return
        room = rate * (path.rtt_s + (path.rtt_s if path.model_based else path.queue_s))
        if side.moved >= 0.8 * side.window:
            side.window = min(2.0 * side.window, max(room, 4.0 * path.full))
        if path.loss and self.rng.random() < 1 - (1 - path.loss) ** (side.moved / path.full):
            side.window = max(4.0 * path.full, side.window * (0.95 if path.model_based else 0.6))
        side.left, side.moved, side.round_ends = side.window, 0.0, now + path.rtt_s

    def _send(self, transfer: Transfer, share: float) -> float:
        """Bytes of a transfer in this step, at most ``share``; its end feeds the client's estimate."""
        if transfer.pace < math.inf:
            transfer.due += transfer.pace * STEP_S
            share = min(share, max(0.0, transfer.due - (transfer.total - transfer.left)))
        share = min(share, transfer.left)
        transfer.left -= share
        if transfer.left < 1.0:
            transfer.done = True
            took = self.now - transfer.asked
            if not transfer.up and transfer.total > 20_000 and took > 1e-3:
                measured = transfer.total * 8e-3 / took
                self.kbit = 0.6 * self.kbit + 0.4 * measured if self.kbit else measured
        return share

    # the packets
    def packets(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Time in µs, IP bytes and direction of each packet, in order."""
        parts = [self._data(False), self._data(True)]
        marks = np.array(self._marks, np.float64).reshape(-1, 3)
        parts.append((marks[:, 0], marks[:, 1].astype(np.int64), marks[:, 2] > 0))
        time, size, up = (np.concatenate([p[i] for p in parts]) for i in range(3))
        order = np.argsort(time, kind="stable")
        keep = order[time[order] < self.seconds]
        return (time[keep] * 1e6).astype(np.int64), size[keep], up[keep]

    def _data(self, up: bool) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """Full packets, a shorter one where nothing follows, and the other side's acknowledgements."""
        path, rng = self.path, self.rng
        rows = np.array([b for b in self._bursts if (b[2] < 0) == up], np.float64).reshape(-1, 4)
        if not len(rows):
            empty = np.zeros(0)
            return empty, empty.astype(np.int64), empty.astype(np.bool_)
        body = path.full - path.ack
        end = np.cumsum(np.abs(rows[:, 2]))
        base = np.maximum.accumulate(np.where(rows[:, 3] > 0, end, 0.0))
        since = end - np.concatenate([[0.0], base[:-1]])  # bytes since the last flush, this step included
        total = np.floor(since / body).astype(np.int64)
        before = np.concatenate([[0], np.where(rows[:-1, 3] > 0, 0, total[:-1])])
        count = np.maximum(total - before, 0)
        tail = np.where(rows[:, 3] > 0, since - total * body, 0.0)
        index = np.repeat(np.arange(len(rows)), count)
        place = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        time = rows[index, 0] + rows[index, 1] * (place + rng.random(len(index)) * 0.8) / np.maximum(count[index], 1)
        short = np.flatnonzero(tail > 1)
        time = np.concatenate([time, rows[short, 0] + rows[short, 1]])
        size = np.concatenate([np.full(len(index), path.full), (tail[short] + path.ack).astype(np.int64)])
        order = np.argsort(time, kind="stable")
        time, size = time[order], size[order]
        acked = time[path.ack_every - 1 :: path.ack_every] + rng.uniform(2e-5, 4e-4) + (path.rtt_s if up else 0.0)
        times = np.concatenate([time, acked])
        jitter = rng.integers(0, 6, len(acked)) if path.quic else 0
        sizes = np.concatenate([size, np.full(len(acked), path.ack) + jitter])
        ups = np.concatenate([np.full(len(time), up), np.full(len(acked), not up)])
        return times, sizes, ups
