"""A recorded session as it would have looked on a worse path: the emulated cells of the grid.

Each function says what it models and what it does not. None is a network: senders react only where it is said, so
figures on emulated cells stand apart from those on recorded ones. All are seeded, keep the order of packets in a
flow and carry each packet's truth along.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.packets import Packets

REQUEST_FOLLOWS_US = 100_000  # a request this soon after the last answer waits for that answer
MIN_RTT_MS = 10.0
MAX_RETRIES = 6


class Gate(Protocol):
    """One bottleneck for all flows of a session. Times and sizes in µs and bytes."""

    def hold(self, t: float, size: int) -> float:
        """How much later the sender has to come back with this packet; 0 lets it pass."""

    def send(self, t: float, size: int) -> float:
        """When the packet, let in at ``t``, arrives."""


class Shaper:
    """A link of ``mbit`` with a queue of ``queue_ms``."""

    def __init__(self, mbit: float, queue_ms: float) -> None:
        self.us_per_byte, self.limit, self.free = 8.0 / mbit, queue_ms * 1e3, 0.0

    def hold(self, t: float, size: int) -> float:
        del size
        return max(self.free - t - self.limit, 0.0)

    def send(self, t: float, size: int) -> float:
        self.free = max(t, self.free) + size * self.us_per_byte
        return self.free


class Policer:
    """A token bucket of ``mbit`` and ``burst`` bytes without a queue: what exceeds it is sent again an RTT later."""

    def __init__(self, mbit: float, burst: int, rtt_ms: float) -> None:
        self.us_per_byte, self.burst, self.rtt = 8.0 / mbit, burst, rtt_ms * 1e3
        self.tokens, self.last = float(burst), 0.0

    def _fill(self, t: float) -> None:
        self.tokens = min(self.burst, self.tokens + max(t - self.last, 0.0) / self.us_per_byte)
        self.last = max(t, self.last)

    def hold(self, t: float, size: int) -> float:
        self._fill(t)
        # A packet larger than the whole bucket (an offload's) must pass a full one.
        return self.rtt if self.tokens < min(size, self.burst) else 0.0

    def send(self, t: float, size: int) -> float:
        self.tokens -= size
        return t


class Outage:
    """Nothing passes for ``length_s`` every ``every_s``; the sender comes back up to half as long after its end."""

    def __init__(self, length_s: float, every_s: float, rng: np.random.Generator) -> None:
        self.length, self.every, self.rng = length_s * 1e6, every_s * 1e6, rng
        self.phase = float(rng.uniform(0, self.every))

    def hold(self, t: float, size: int) -> float:
        del size
        inside = (t + self.phase) % self.every
        return self.length - inside + float(self.rng.uniform(0, self.length / 2)) if inside < self.length else 0.0

    def send(self, t: float, size: int) -> float:
        del size
        return t


def bottleneck(packets: Packets, gate: Gate) -> Packets:
    """All down packets of the session through one gate, in the order of their time.

    Models a shared bottleneck and senders that wait instead of losing bytes: when a packet is held, the rest of its
    flow comes as much later. Up packets wait as long as the down packet before them did. Does not model how
    congestion control shares the link between flows, nor a player that would choose a lower bitrate or stop.
    """
    shift = np.zeros(packets.flows)
    delay = np.zeros(packets.flows)
    out = packets.t_us.astype(np.float64)
    ends, t_us = packets.off[1:].tolist(), packets.t_us.tolist()
    size, up = packets.size.tolist(), packets.up.tolist()
    queue = [(t_us[i], f, i) for f, i in enumerate(packets.off[:-1].tolist()) if i < ends[f]]
    heapq.heapify(queue)
    while queue:
        t, flow, i = heapq.heappop(queue)
        if up[i]:
            out[i] = t + delay[flow]
        else:
            later = gate.hold(t, size[i])
            if later > 0:
                shift[flow] += later
                heapq.heappush(queue, (t + later, flow, i))
                continue
            out[i] = gate.send(t, size[i])
            delay[flow] = out[i] - t
        if i + 1 < ends[flow]:
            heapq.heappush(queue, (t_us[i + 1] + shift[flow], flow, i + 1))
    return packets.at(_in_order(out, packets.off))


def _in_order(out: NDArray[np.float64], off: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times made non-decreasing within each flow."""
    for start, end in itertools.pairwise(off):
        out[start:end] = np.maximum.accumulate(out[start:end])
    return np.round(out).astype(np.int64)


def path_loss(packets: Packets, share: float, rtt_ms: float, rng: np.random.Generator) -> Packets:
    """Loses packets before the capture point: a lost down packet arrives an RTT or more later, out of order.

    Requests that are lost behind the capture point are seen twice. Does not model duplicate ACKs, nor that
    congestion control slows down (combine it with ``bottleneck`` for that).
    """
    rtt = max(rtt_ms, MIN_RTT_MS) * 1e3
    count = len(packets.t_us)
    tries = np.minimum(rng.geometric(1.0 - share, count) - 1, MAX_RETRIES)  # times each packet is lost in a row
    late = np.where(packets.up, 0.0, tries * rtt)
    again = np.flatnonzero(packets.up & (packets.size > 200) & (tries > 0))
    index = np.concatenate([np.arange(count), again])
    times = np.concatenate([packets.t_us + late, packets.t_us[again] + rtt])
    return packets.take(index, np.round(times).astype(np.int64))


def stretch_rtt(packets: Packets, extra_ms: float) -> Packets:
    """Answers come ``extra_ms`` later; a request that followed an answer within 100 ms waits for that answer.

    Models dependent round trips (handshakes, chained requests); a request on the player's own clock stays where it
    was. Does not model slow start over a longer path: an answer's packets keep their spacing.
    """
    extra = extra_ms * 1e3
    out = packets.t_us.astype(np.float64)
    for start, end in zip(packets.off[:-1], packets.off[1:], strict=True):
        if start < end:
            out[start:end] += _lags(packets.t_us[start:end], packets.size[start:end], packets.up[start:end], extra)
    return packets.at(_in_order(out, packets.off))


def _lags(t_us: NDArray, size: NDArray, up: NDArray, extra: float) -> list[float]:
    ack = max(40, int(size[up].min())) if up.any() else 40
    request = up & (size * 2 > 3 * ack + 32)
    lag, last_down, turn, lags = 0.0, -np.inf, True, []
    for t, is_up, is_request in zip(t_us.tolist(), up.tolist(), request.tolist(), strict=True):
        if is_request:
            if t - last_down > REQUEST_FOLLOWS_US:
                lag = 0.0
            turn = True
        elif not is_up:
            if turn:
                lag, turn = lag + extra, False
            last_down = t
        lags.append(lag)
    return lags
