"""Apps with habits drawn at random: what they ask for and when. Each is a generator over a ``Connection``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from reelsense_training.drawn.link import App, Connection, Transfer, log_uniform

LADDER_KBIT = (250, 450, 850, 1400, 2200, 3400, 5500)
POLL_S = 0.1
Rng = np.random.Generator
T = TypeVar("T")


def pick(rng: Rng, *values: T) -> T:
    return values[int(rng.integers(len(values)))]


def whole(rng: Rng, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def chance(rng: Rng, p: float) -> bool:
    return bool(rng.random() < p)


# ---- video


@dataclass
class Habits:
    """How a player fetches."""

    mode: str  # whole, ranges, growing, head, segments, pairs
    piece: float  # bytes of a range, or seconds of a segment
    ahead_s: float
    first: int  # pieces of a prefetched clip
    prefetch: int
    eager: bool
    share: float  # of the estimate that a rung may take
    cap_kbit: float
    parallel: int = 1
    pace: float = math.inf  # the server's, in times of the bitrate
    sound: float = 96e3 / 8  # bytes a second, where it is apart


def draw_habits(rng: Rng) -> Habits:
    mode = str(pick(rng, "whole", "ranges", "ranges", "growing", "head", "segments", "segments", "pairs"))
    piece = float(pick(rng, 1, 2, 2, 4, 5, 6, 10)) if mode in ("segments", "pairs") else log_uniform(rng, 64e3, 2e6)
    paced = rng.uniform(1.1, 4.0) if chance(rng, 0.12) else math.inf
    return Habits(
        mode, piece, log_uniform(rng, 4, 40), whole(rng, 1, 3), whole(rng, 0, 5), chance(rng, 0.4),
        rng.uniform(0.5, 0.9), float(pick(rng, *LADDER_KBIT[1:])), whole(rng, 1, 2) if chance(rng, 0.2) else 1, paced,
        rng.uniform(32e3, 192e3) / 8,
    )  # fmt: skip


@dataclass
class Clip:
    """A clip while it is loaded and played."""

    seconds: float
    swing: float  # of segment sizes
    kbit: float = 0.0
    loaded: float = 0.0  # bytes
    total: float = 0.0
    shown: bool = False
    paused: bool = False
    closed: bool = False
    position: float = 0.0
    seen: float = 0.0
    pieces: int = 0
    running: list[Transfer] = field(default_factory=list)

    @property
    def loaded_s(self) -> float:
        return self.seconds * self.loaded / self.total if self.total else 0.0

    def ready(self, habits: Habits) -> bool:
        """Whether the next clip may begin to load."""
        if self.loaded >= self.total > 0:
            return True
        return self.loaded_s - self.position >= habits.ahead_s if self.shown else self.pieces >= habits.first

    def play(self, now: float) -> None:
        if self.shown and not self.paused:
            self.position = min(self.position + now - self.seen, self.loaded_s)
        self.seen = now


def rung(rng: Rng, habits: Habits, kbit: float) -> float:
    """The highest bitrate that the estimate and the cap allow, as this clip happens to need it."""
    usable = [r for r in LADDER_KBIT if r <= habits.cap_kbit and (not kbit or r <= habits.share * kbit)]
    return (usable[-1] if usable else LADDER_KBIT[0]) * float(rng.lognormal(0, 0.25))


def load(net: Connection, clip: Clip, habits: Habits) -> App:
    """Fetches a clip piece by piece: the first ones ahead of its turn, then as far as the buffer wants."""
    rng = net.rng
    clip.kbit = rung(rng, habits, net.kbit)
    clip.total = clip.seconds * clip.kbit * 125
    size = habits.piece
    while clip.loaded < clip.total and not clip.closed:
        clip.play(net.now)
        if clip.ready(habits) and habits.mode != "whole":
            yield POLL_S
            continue
        left = clip.total - clip.loaded
        wanted = left
        if habits.mode in ("segments", "pairs"):
            if clip.seconds > 90:  # a film changes its rung on the way
                fresh = rung(rng, habits, net.kbit)
                clip.loaded, clip.total = clip.loaded * fresh / clip.kbit, clip.total * fresh / clip.kbit
                clip.kbit, left = fresh, clip.total - clip.loaded
            wanted = min(left, habits.piece * clip.kbit * 125 * float(rng.lognormal(0, clip.swing)))
        elif habits.mode in ("ranges", "growing") or (habits.mode == "head" and not clip.pieces):
            wanted = min(left, size)
            size = min(size * 2, 2e6) if habits.mode == "growing" else size
        pace = habits.pace * clip.kbit * 125
        if habits.mode == "pairs":
            sound = min(wanted / 2, habits.sound * habits.piece)
            clip.running = [net.get(sound), net.get(wanted - sound, pace)]
        elif habits.parallel > 1 and habits.mode == "ranges" and left > 2 * wanted:
            clip.running = [net.get(wanted, pace) for _ in range(habits.parallel)]
            wanted *= habits.parallel
        else:
            clip.running = [net.get(wanted, pace, burst=wanted / 4)]
        yield clip.running
        clip.loaded += wanted
        clip.pieces += 1


def close(net: Connection, clip: Clip) -> None:
    clip.closed = True
    for transfer in clip.running:
        net.abort(transfer)


def watch_s(rng: Rng, mood: float) -> float:
    """Retention: many leave at once, some stay to the end and beyond."""
    share = rng.random()
    if share < 0.4:
        return max(0.8, rng.uniform(0.8, 3.5) * mood)
    if share < 0.8:
        return float(np.clip(rng.lognormal(1.8, 0.6) * mood, 2, 25))
    return rng.uniform(10, 45) * mood


class Shelf:
    """The clips of a feed: the one in front, and those that load ahead of it, nearest first."""

    def __init__(self, net: Connection) -> None:
        self.net, self.habits = net, draw_habits(net.rng)
        self.swing = net.rng.uniform(0.1, 0.5)
        self.clips: list[Clip] = []
        self.loading: set[int] = set()
        self.front = 0

    def clip(self, number: int) -> Clip:
        while len(self.clips) <= number:
            self.clips.append(Clip(float(np.clip(self.net.rng.lognormal(2.8, 0.6), 5, 75)), self.swing))
        return self.clips[number]

    def begin(self, number: int) -> Clip:
        clip = self.clip(number)
        if number not in self.loading:
            self.loading.add(number)
            self.net.spawn(load(self.net, clip, self.habits))
        return clip

    def ahead(self) -> App:
        """The next clip begins when the one before it is ready, or all at once."""
        while True:
            for number in range(self.front, self.front + self.habits.prefetch + 1):
                if not self.begin(number).ready(self.habits) and not self.habits.eager:
                    break
            yield 0.25


def _clips(net: Connection, stay: Callable[[], float]) -> App:
    rng, shelf = net.rng, Shelf(net)
    api = log_uniform(rng, 500, 40e3) if chance(rng, 0.5) else 0.0
    net.spawn(shelf.ahead())
    while True:
        now = shelf.clip(shelf.front)
        now.shown, now.seen = True, net.now
        shelf.begin(shelf.front)
        if api and shelf.front % 4 == 0:
            net.get(api * float(rng.lognormal(0, 0.5)))
        yield stay()
        close(net, now)
        shelf.front += 1


def reels(net: Connection) -> App:
    mood = net.rng.uniform(0.5, 1.6)
    return _clips(net, lambda: watch_s(net.rng, mood))


def stories(net: Connection) -> App:
    return _clips(net, lambda: net.rng.uniform(4, 14))


def longform(net: Connection) -> App:
    rng = net.rng
    habits = draw_habits(rng)
    if habits.mode in ("whole", "head"):
        habits.mode, habits.piece = "ranges", log_uniform(rng, 3e5, 4e6)
    habits.ahead_s = log_uniform(rng, 8, 60)
    film = Clip(rng.uniform(120, 1200), rng.uniform(0.15, 0.5))
    film.shown = True
    net.spawn(load(net, film, habits))
    while True:
        yield float(np.clip(rng.exponential(60), 8, 200))
        if chance(rng, 0.5):  # a seek
            close(net, film)
            film = Clip(film.seconds, film.swing)
            film.shown, film.seen = True, net.now
            net.spawn(load(net, film, habits))
        else:
            film.play(net.now)
            film.paused = True  # the buffer fills
            yield rng.uniform(2, 12)
            film.paused, film.seen = False, net.now


def live(net: Connection) -> App:
    rng = net.rng
    kbit, segment = log_uniform(rng, 400, 6000), float(pick(rng, 1, 2, 2, 4, 6))
    style = pick(rng, "endless", "chunked", "whole", "pairs")
    if style == "endless":
        part = float(pick(rng, 0.033, 0.2, 0.5, 1.0))
        stream = net.get(1e9, pace=kbit * 125, burst=kbit * 125 * rng.uniform(0, 4))
        while not stream.done:
            stream.pace = kbit * 125 * float(rng.lognormal(0, 0.2))
            yield max(part, 0.3)
        return
    start = net.get(kbit * 125 * segment * rng.uniform(1, 3))
    yield [start]
    while True:
        begun = net.now
        size = kbit * 125 * segment * float(rng.lognormal(0, 0.2))
        if style == "pairs":
            yield [net.get(size, pace=size / segment if chance(rng, 0.5) else math.inf), net.get(96e3 / 8 * segment)]
        else:
            yield [net.get(size, pace=size / segment * 1.05 if style == "chunked" else math.inf)]
        if chance(rng, 0.3) and style == "whole":
            net.get(log_uniform(rng, 300, 3000))  # the playlist
        yield max(segment - (net.now - begun), 0.02)
        if net.kbit and kbit > 0.8 * net.kbit and kbit > 250:
            kbit *= 0.7


# ---- photos


def _photo(rng: Rng, median: float) -> float:
    return float(np.clip(median * rng.lognormal(0, 0.55), 3e3, 6e6))


def _parallel(net: Connection, sizes: list[float], at_once: int) -> App:
    for start in range(0, len(sizes), at_once):
        yield [net.get(size) for size in sizes[start : start + at_once]]


def feed(net: Connection) -> App:
    """Posts as one scrolls: one by one, in batches, small first or twice."""
    rng = net.rng
    median, batch, at_once = log_uniform(rng, 25e3, 1.2e6), whole(rng, 1, 12), whole(rng, 1, 8)
    thumbs, api = chance(rng, 0.35), log_uniform(rng, 1e3, 60e3)
    speed, credit = rng.uniform(0.5, 1.8), float(whole(rng, 1, 12))
    while True:
        if credit >= 1:
            count = batch if batch > 1 else min(int(credit), 3)
            credit -= count
            if chance(rng, 0.6):
                net.get(api * float(rng.lognormal(0, 0.5)))
            if thumbs:
                yield from _parallel(net, [_photo(rng, 15e3) for _ in range(count)], 6)
            sizes = [_photo(rng, median) for _ in range(count)]
            if chance(rng, 0.5):
                yield from _parallel(net, sizes, at_once)
            else:
                net.spawn(_parallel(net, sizes, at_once))
        yield float(np.clip(rng.lognormal(0.5, 0.8) / speed, 0.3, 12))
        credit += rng.exponential(1.5)


def carousel(net: Connection) -> App:
    rng = net.rng
    median, ahead, mood = log_uniform(rng, 60e3, 2e6), whole(rng, 0, 6), rng.uniform(0.4, 1.4)
    loaded = current = 0
    while True:
        wanted = current + 1 + ahead
        for _ in range(wanted - loaded):
            net.get(_photo(rng, median))
        loaded = max(loaded, wanted)
        yield min(14.0, watch_s(rng, mood))
        current += 1


def photostories(net: Connection) -> App:
    rng = net.rng
    median, ahead, every = log_uniform(rng, 60e3, 1.5e6), whole(rng, 0, 4), whole(rng, 3, 12)
    for _ in range(ahead):
        net.get(_photo(rng, median))
    number = 0
    while True:
        net.get(_photo(rng, median))
        if number % every == 0:
            net.get(log_uniform(rng, 500, 20e3))
        number += 1
        yield rng.uniform(1.5, 8)


def browse(net: Connection) -> App:
    rng = net.rng
    while True:
        yield [net.get(log_uniform(rng, 5e3, 150e3))]
        scripts = [log_uniform(rng, 1e3, 400e3) for _ in range(whole(rng, 0, 20))]
        photos = [_photo(rng, log_uniform(rng, 8e3, 300e3)) for _ in range(whole(rng, 0, 20))]
        yield from _parallel(net, scripts + photos, whole(rng, 4, 30))
        leave = net.now + float(np.clip(rng.lognormal(1.8, 0.8), 2, 40))
        while net.now < leave:
            yield float(np.clip(rng.lognormal(0.6, 0.7), 0.5, 8))
            if chance(rng, 0.4):
                net.get(_photo(rng, log_uniform(rng, 5e3, 200e3)))


def chat(net: Connection) -> App:
    rng = net.rng
    while True:
        yield float(np.clip(rng.lognormal(1.2, 0.9), 0.5, 25))
        kind = rng.random()
        net.get(log_uniform(rng, 40, 800), header=whole(rng, 60, 900))
        if kind > 0.75:
            yield [net.get(_photo(rng, log_uniform(rng, 15e3, 500e3)))]
        elif kind > 0.65:
            yield [net.put(log_uniform(rng, 20e3, 800e3))]


# ---- files


@dataclass
class Ranges:
    """A file by ranges: what is left of it, and how many workers are still at it."""

    left: float
    part: float
    pace: float
    gap_s: float
    workers: int

    def work(self, net: Connection) -> App:
        while self.left > 0:
            piece = min(self.part, self.left)
            self.left -= piece
            yield [net.get(piece, self.pace)]
            if self.gap_s:
                yield self.gap_s
        self.workers -= 1


def download(net: Connection) -> App:
    """One request, or ranges, a few at a time; sometimes at the server's pace."""
    rng = net.rng
    paced = log_uniform(rng, 1e6, 2e7) / 8 if chance(rng, 0.2) else math.inf
    while True:
        size = log_uniform(rng, 2e6, 5e8)
        if chance(rng, 0.45):
            yield [net.get(size, paced, burst=pick(rng, 0.0, 5e5, 2e6))]
        else:
            at_once = whole(rng, 1, 6) if chance(rng, 0.6) else 1
            gap_s = rng.uniform(0.1, 2.0) if chance(rng, 0.15) else 0.0
            file = Ranges(size, log_uniform(rng, 256e3, 16e6), paced, gap_s, at_once)
            for _ in range(at_once):
                net.spawn(file.work(net))
            while file.workers:
                yield 0.2
        yield rng.uniform(1, 15)


def upload(net: Connection) -> App:
    rng = net.rng
    part = log_uniform(rng, 128e3, 8e6)
    while True:
        yield float(np.clip(rng.lognormal(1.3, 0.7), 0.3, 15))
        left = log_uniform(rng, 2e5, 3e6) if chance(rng, 0.7) else log_uniform(rng, 3e6, 4e7)
        while left > 0:
            yield [net.put(min(part, left))]
            left -= part
            net.get(log_uniform(rng, 150, 900))


def speedtest(net: Connection) -> App:
    rng = net.rng
    while True:
        streams, size = whole(rng, 1, 12), log_uniform(rng, 5e6, 1e8)
        end = net.now + rng.uniform(4, 15)
        running = [net.get(size) for _ in range(streams)]
        while net.now < end:
            running = [net.get(size) if t.done else t for t in running]
            yield 0.2
        for transfer in running:
            net.abort(transfer)
        sent = [net.put(1e6) for _ in range(streams)]
        end = net.now + rng.uniform(4, 12)
        while net.now < end:
            sent = [net.put(1e6) if t.done else t for t in sent]
            yield 0.2
        yield rng.uniform(2, 12)


def audio(net: Connection) -> App:
    """Segments with a bounded buffer, or a song in large ranges; now and then the next song."""
    rng = net.rng
    kbit = float(pick(rng, 64, 96, 128, 160, 256, 320))
    piece, ahead = (rng.uniform(3, 12), log_uniform(rng, 8, 240)) if chance(rng, 0.65) else (60.0, 400.0)
    while True:
        song, at, began = rng.uniform(120, 300), 0.0, net.now
        leave = net.now + (song if chance(rng, 0.6) else rng.uniform(4, 60))
        if chance(rng, 0.4):
            net.get(_photo(rng, 60e3))  # the cover
        while net.now < leave:
            if at < song and at < net.now - began + ahead:
                yield [net.get(kbit * 125 * min(piece, song - at) * float(rng.lognormal(0, 0.03)))]
                at += piece
            else:
                yield 0.2


# ---- calls and the rest


def _call(net: Connection, video_kbit: float) -> App:
    """Packets at their own clock both ways: sound every 20–60 ms, pictures in frames."""
    rng = net.rng
    tick, sound = float(pick(rng, 0.02, 0.02, 0.04, 0.06)), whole(rng, 90, 220)
    frame_s = 1 / float(pick(rng, 10, 15, 24, 30))
    limit = min(video_kbit, 0.7 * float(np.median(net.path.down)) / 0.01 * 8e-3)
    share = {True: rng.uniform(0.4, 1.0), False: rng.uniform(0.4, 1.0)}

    def pictures() -> App:
        while True:
            for up in (True, False):
                key = 4 if chance(rng, 0.01) else 1  # a key frame
                size = limit * 125 * frame_s * share[up] * float(rng.lognormal(0, 0.35)) * key
                start = rng.uniform(0, 0.01)
                while size > 60:
                    net.packet(int(min(size, 1160)) + 60, up, start)
                    size -= 1160
                    start += 0.0006
            yield frame_s * float(rng.uniform(0.9, 1.1))

    if limit > 30:
        net.spawn(pictures())
    while True:
        for up in (True, False):
            if chance(rng, 0.9):
                net.packet(int(sound * rng.uniform(0.8, 1.2)), up, rng.uniform(0, 0.01))
        yield tick


def voicecall(net: Connection) -> App:
    return _call(net, 0.0)


def videocall(net: Connection) -> App:
    return _call(net, log_uniform(net.rng, 150, 2500))


def sync(net: Connection) -> App:
    rng = net.rng
    every = float(pick(rng, 1, 2, 5, 10, 20))
    while True:
        if chance(rng, 0.5):
            yield [net.put(log_uniform(rng, 100, 20e3))]
        yield [net.get(log_uniform(rng, 100, 60e3))]
        yield every * rng.uniform(0.6, 1.4)


APPS: dict[str, tuple[Callable[[Connection], App], bool]] = {
    "reels": (reels, True), "stories": (stories, True), "longform": (longform, True), "live": (live, True),
    "feed": (feed, False), "carousel": (carousel, False), "photostories": (photostories, False),
    "browse": (browse, False), "chat": (chat, False), "download": (download, False), "upload": (upload, False),
    "speedtest": (speedtest, False), "audio": (audio, False), "voicecall": (voicecall, False),
    "videocall": (videocall, False), "sync": (sync, False),
}  # fmt: skip
