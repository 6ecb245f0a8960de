"""Packet series of drawn apps, with truth: the same seed gives the same packets."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.series import PacketSeries
from reelsense_training.drawn.apps import APPS
from reelsense_training.drawn.link import Connection, draw_path, log_uniform

# How often each app is drawn: most often those that look alike.
SHARES = {
    "reels": 26, "stories": 8, "longform": 10, "live": 8, "feed": 11, "carousel": 9, "photostories": 4, "browse": 5,
    "chat": 1, "download": 9, "upload": 2, "speedtest": 1, "audio": 4, "voicecall": 1, "videocall": 2, "sync": 1,
}  # fmt: skip
SECONDS = (10.0, 150.0)
MOST_PACKETS = 60_000
WORKERS = 2
NAMES = tuple(APPS)
_Flow = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True)
class Drawn:
    """``app`` [N] is an index in NAMES."""

    packets: PacketSeries
    video: NDArray[np.bool_]
    app: NDArray[np.int16]


def flow(seed: int, number: int, name: str) -> _Flow:
    """Packets of one drawn flow: times in µs since its first, IP bytes, direction."""
    rng = np.random.default_rng([seed, number, NAMES.index(name)])
    seconds = log_uniform(rng, *SECONDS)
    path = draw_path(rng, seconds)
    net = Connection(path, rng, seconds)
    app, _ = APPS[name]
    _handshake(net)
    net.run(app(net))
    time, size, up = net.packets()
    return time[:MOST_PACKETS] - time[0], size[:MOST_PACKETS], up[:MOST_PACKETS]


def _handshake(net: Connection) -> None:
    path, rng = net.path, net.rng
    if path.quic:
        for after in (0.0, 0.0005)[: int(rng.integers(1, 3))]:
            net.packet(1250 + int(rng.integers(0, 40)), True, after)
    else:
        net.packet(path.ack + 8, True)
        net.packet(path.ack + 8, False, path.rtt_s)
        net.packet(path.ack, True, path.rtt_s + 1e-4)
        net.packet(path.ack + int(rng.choice([220, 517, 600, 1400])), True, path.rtt_s + 3e-4)
    answers = path.rtt_s * (1 if path.quic else 2) + rng.uniform(0.001, 0.02)
    for number in range(int(rng.integers(2, 5))):
        net.packet(path.full if number else int(rng.integers(300, 1400)), False, answers + number * 2e-4)
    net.packet(path.ack + int(rng.integers(40, 120)), True, answers + 0.002)
    net.now = answers + 0.003


def _names(count: int) -> list[str]:
    """Apps by their shares, dealt evenly."""
    total = sum(SHARES.values())
    owed = {name: 0.0 for name in SHARES}
    dealt = []
    for _ in range(count):
        for name, share in SHARES.items():
            owed[name] += share / total
        name = max(owed, key=lambda each: owed[each])
        owed[name] -= 1
        dealt.append(name)
    return dealt


def _many(job: tuple[int, int, list[str]]) -> list[_Flow]:
    seed, first, names = job
    return [flow(seed, first + i, name) for i, name in enumerate(names)]


def draw(count: int, seed: int) -> Drawn:
    """``count`` flows."""
    names, jobs = _names(count), []
    for first in range(0, count, 50):
        jobs.append((seed, first, names[first : first + 50]))
    with ProcessPoolExecutor(WORKERS) as pool:
        flows = [found for part in pool.map(_many, jobs) for found in part]
    off = np.concatenate([[0], np.cumsum([len(t) for t, _, _ in flows])]).astype(np.int64)
    time, size, up = (np.concatenate([f[i] for f in flows]) for i in range(3))
    packets = PacketSeries(off, time.astype(np.uint32), size.astype(np.uint16), up.astype(np.bool_))
    app = np.array([NAMES.index(name) for name in names], np.int16)
    return Drawn(packets, np.array([APPS[name][1] for name in names]), app)
