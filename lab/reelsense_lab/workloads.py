"""Who does what when: the timeline of actions of each workload in each app design, drawn from a random generator.

A workload says what a person (or an app by itself) does; a design says how the app fetches for it. What varies from
session to session inside one design (prefetch, buffer, rung, chunk, watch times, speeds) is drawn here, so the same
generator state gives the same timeline. `browse.mjs` plays the actions; the pages read the options from their address.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

WWW = "https://www.lab.test"
DESIGNS: tuple[str, ...] = ("aria", "brisk", "cove", "dune", "echo", "fjord", "gale", "haze")
TOKEN_BYTES = {  # of signed addresses
    **{"aria": (0, 80), "brisk": (150, 400), "cove": (0, 20), "dune": (300, 900)},
    **{"echo": (200, 600), "fjord": (600, 1200), "gale": (0, 0), "haze": (50, 250)},
}
MUSIC_TRACKS = {  # which of media.TRACKS
    **{"aria": (2, 3), "brisk": (0, 1), "cove": (2, 3), "dune": (0, 1)},
    **{"echo": (1, 3), "fjord": (0, 2), "gale": (0, 3), "haze": (1, 2)},
}
OPENS_ON_TAP = ("dune", "haze")  # grids of thumbnails
BY_THE_BROWSER = ("aria", "gale")  # downloads that begin with a click
Action = dict[str, Any]
Options = dict[str, Any]
NEVER_SHORTER_S = 0.3  # between two gestures
SHORTEST_WATCH_S = 1.2  # the animation of a swipe takes most of a second


@dataclass(frozen=True, slots=True)
class Visit:
    """One stretch of one workload in one tab."""

    design: str
    workload: str
    rng: random.Random
    start_s: float
    end_s: float
    tab: str
    options: Options

    def act(self, at: float, verb: str, **details: Any) -> Action:
        return {"at": round(at, 2), "tab": self.tab, "do": verb, **details}

    def address(self, **drawn: Any) -> str:
        """The page's address; what the caller set wins over what was drawn."""
        return f"{WWW}/{self.design}/{self.workload}?{urlencode({**drawn, **self.options})}"

    def open(self, at: float | None = None, **drawn: Any) -> Action:
        return self.act(self.start_s if at is None else at, "open", url=self.address(**drawn))

    def option(self, name: str, drawn: float) -> float:
        return float(self.options.get(name, drawn))


@dataclass(frozen=True, slots=True)
class Workload:
    label: str  # "video" or "non-video"
    classes: tuple[str, ...]  # of servers that it talks to, in the order of their bytes; all but www also on the CDN
    script: Callable[[Visit], list[Action]]
    needs_peer: bool = False

    @property
    def session_video(self) -> bool:
        return self.label == "video"


def clamp(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


def watch_s(rng: random.Random, mood: float) -> float:
    """How long a clip is watched: many leave in the first seconds, some stay to the end and beyond (it loops)."""
    share = rng.random()
    if share < 0.42:
        return max(SHORTEST_WATCH_S, rng.uniform(0.8, 3.0) * mood)
    if share < 0.80:
        return clamp(rng.lognormvariate(1.7, 0.5) * mood, 2.5, 18)
    return rng.uniform(10, 40) * mood


def common(visit: Visit) -> Options:
    """What every page gets: a session mark against caches, the length of signed addresses, the CDN switch."""
    return {"s": f"{visit.rng.randrange(16**6):06x}", "token": visit.rng.randint(*TOKEN_BYTES[visit.design])}


def clip_options(visit: Visit) -> Options:
    rng = visit.rng
    drawn: Options = {
        "order": ",".join(map(str, rng.sample(range(64), 40))),
        "rung": rng.choice((360, 540, 540, 540, 720)),
    }
    match visit.design:
        case "aria":
            drawn |= {"prefetch": rng.choice((1, 2, 2, 3)), "range_kb": rng.choice((0, 0, 512, 1024, 1024, 2048))}
        case "brisk":
            drawn |= {"prefetch": rng.choice((2, 3, 3, 4)), "first": rng.choice((1, 1, 2)), "ahead": rng.randint(4, 10)}
        case "cove":
            drawn |= {"prefetch": rng.choice((0, 0, 1)), "ahead": rng.randint(6, 16)}
        case "dune":
            chunk = rng.choice((256, 512, 512, 1024))
            drawn |= {"prefetch": rng.choice((4, 5, 5)), "chunk_kb": chunk, "ahead": rng.randint(6, 20)}
        case "echo":
            drawn |= {"prefetch": rng.choice((2, 3, 3)), "chunk_kb": rng.choice((200, 300, 500, 800, 1000))}
        case "fjord":
            drawn |= {
                "prefetch": rng.choice((1, 1, 2)),
                "first": rng.choice((1, 2, 2, 3)),
                "ahead": rng.randint(10, 30),
            }
        case "gale":
            drawn |= {"prefetch": rng.choice((2, 4, 6)), "chunk_kb": 1_000_000, "rung": rng.choice((270, 270, 360))}
        case "haze":
            chunk = rng.choice((64, 64, 128, 256))
            drawn |= {
                "prefetch": rng.choice((2, 3, 5)),
                "chunk_kb": chunk,
                "first": rng.randint(1, 3),
                "ahead": rng.randint(5, 14),
            }
    return drawn


def gestures(visit: Visit, first_s: float, pause: Callable[[], float]) -> list[float]:
    """Times of gestures from `first_s` after the start until shortly before the end, `pause()` apart."""
    times, at = [], visit.start_s + first_s
    while (at := at + max(NEVER_SHORTER_S, pause())) < visit.end_s - 0.5:
        times.append(at)
    return times


def reels(visit: Visit) -> list[Action]:
    mood = visit.option("mood", visit.rng.uniform(0.6, 1.5))
    opened = visit.open(**common(visit), **clip_options(visit))
    return [opened, *(visit.act(at, "swipe") for at in gestures(visit, 1.0, lambda: watch_s(visit.rng, mood)))]


def stories(visit: Visit) -> list[Action]:
    """They go on by themselves after 5–12 s; now and then someone taps to the next."""
    rng = visit.rng
    stay = ",".join(str(round(rng.uniform(5, 12), 1)) for _ in range(24))
    opened = visit.open(**common(visit), **clip_options(visit), stay=stay)
    return [opened, *(visit.act(at, "swipe") for at in gestures(visit, 2.0, lambda: rng.expovariate(1 / 18)))]


def longform(visit: Visit) -> list[Action]:
    rng = visit.rng
    rung = rng.choice((360, 480, 480, 720))
    actions = [visit.open(**common(visit), film=rng.randrange(16), rung=rung, ahead=rng.randint(10, 40))]
    at = visit.start_s
    while (at := at + clamp(rng.expovariate(1 / 45), 8, 120)) < visit.end_s - 3:
        if rng.random() < 0.7:
            actions.append(visit.act(at, "tell", name="seek", **{"with": [round(rng.uniform(0, 0.85), 3)]}))
        else:
            actions.append(visit.act(at, "tell", name="pause"))
            at = min(at + rng.uniform(2, 10), visit.end_s - 1)
            actions.append(visit.act(at, "tell", name="resume"))
    return actions


def live(visit: Visit) -> list[Action]:
    rng = visit.rng
    opened = visit.open(**common(visit), track=rng.choice((0, 1)))
    hearts = gestures(visit, 4.0, lambda: rng.expovariate(1 / 12))
    return [opened, *(visit.act(at, "tell", name="react") for at in hearts)]


def feed(visit: Visit) -> list[Action]:
    """Scrolls of a post or so with log-normal pauses, now and then a long flick; in a grid, taps on thumbnails."""
    rng = visit.rng
    speed = visit.option("speed", rng.uniform(0.6, 1.6))
    sizes = {"margin": rng.randint(100, 1200), "bearer": rng.randint(80, 1200)}
    actions, seen, covered = [visit.open(**common(visit), **sizes, start=rng.randrange(64))], 0, False
    for at in gestures(visit, 1.0, lambda: clamp(rng.lognormvariate(0.5, 0.7) / speed, 0.4, 9)):
        if covered:
            actions.append(visit.act(at, "tell", name="untap"))
            covered = False
        elif visit.design in OPENS_ON_TAP and rng.random() < 0.5:
            actions.append(visit.act(at, "tell", name="tap", **{"with": [seen + rng.randrange(12)]}))
            covered = True
        else:
            pixels = rng.randint(1500, 2800) if rng.random() < 0.2 else rng.randint(350, 800)
            seen += pixels // 60
            actions.append(visit.act(at, "scroll", pixels=pixels))
    return actions


def carousel(visit: Visit) -> list[Action]:
    """Large photos, one each swipe: the look of reels on the wire, without video. A pass in a hurry, then a stay."""
    rng = visit.rng
    mood = visit.option("mood", rng.uniform(0.5, 1.3))
    opened = visit.open(**common(visit), start=rng.randrange(64))
    return [
        opened,
        *(visit.act(at, "tell", name="next") for at in gestures(visit, 1.2, lambda: min(12, watch_s(rng, mood)))),
    ]


def photostories(visit: Visit) -> list[Action]:
    rng = visit.rng
    stay = ",".join(str(round(rng.uniform(3, 7), 1)) for _ in range(24))
    opened = visit.open(**common(visit), start=rng.randrange(64), stay=stay, bearer=rng.randint(80, 1200))
    return [
        opened,
        *(visit.act(at, "tell", name="next") for at in gestures(visit, 2.0, lambda: rng.expovariate(1 / 9))),
    ]


def browse(visit: Visit) -> list[Action]:
    """Opens an article, reads it with a few scrolls, goes on to the next."""
    rng = visit.rng
    actions, at, shared = [], visit.start_s, common(visit)
    while at < visit.end_s - 1:
        actions.append(visit.open(at, **shared, number=rng.randrange(500), photos=rng.randint(0, 8)))
        leave = at + clamp(rng.lognormvariate(1.7, 0.7), 2.0, 30)
        while (at := at + clamp(rng.lognormvariate(0.4, 0.6), 0.6, 6)) < min(leave, visit.end_s):
            actions.append(visit.act(at, "scroll", pixels=rng.randint(200, 900)))
    return actions


def chat(visit: Visit) -> list[Action]:
    rng = visit.rng
    actions = [visit.open(**common(visit))]
    for at in gestures(visit, 1.5, lambda: clamp(rng.lognormvariate(1.2, 0.8), 0.8, 20)):
        replies = []
        for _ in range(rng.choice((0, 1, 1, 2))):
            kind = rng.choices(("text", "photo", "voice"), (0.7, 0.22, 0.08))[0]
            reply: dict[str, Any] = {"after": round(rng.uniform(0.8, 6), 2), "type": kind}
            if kind == "text":
                reply["text"] = "y" * rng.randint(4, 300)
            else:
                reply |= {"number": rng.randrange(500), "size": rng.choice(("thumb", "feed", "feed", "full"))}
            replies.append(reply)
        actions.append(visit.act(at, "tell", name="say", **{"with": ["x" * rng.randint(2, 200), replies]}))
    return actions


def download(visit: Visit) -> list[Action]:
    """One large file; on brisk and sometimes on dune and haze at the server's pace, as a video would come."""
    rng = visit.rng
    kbit = rng.choice((1500, 2500, 4000, 6000, 9000, 16000))
    drawn = {"mb": rng.choice((5, 10, 20, 40, 40)), "burst": rng.choice((0, 500_000, 2_000_000))}
    if visit.design == "brisk" or (visit.design in ("dune", "haze") and rng.random() < 0.4):
        drawn["kbit"] = kbit
    if visit.design == "cove":
        drawn |= {"part_kb": rng.choice((1024, 2048, 4096)), "gap_ms": rng.choice((0, 0, 300, 1000, 2500))}
    actions, at = [], visit.start_s
    while at < visit.end_s - 1:
        actions.append(visit.open(at, **common(visit), **drawn))
        if visit.design in BY_THE_BROWSER:
            actions.append(visit.act(at + 0.8, "download"))
        at += rng.uniform(20, 50)
    return actions


def appdownload(visit: Visit) -> list[Action]:
    rng = visit.rng
    actions, at = [], visit.start_s
    while at < visit.end_s - 1:
        gap = rng.choice((0, 0, 100, 500))
        actions.append(visit.open(at, **common(visit), mb=rng.choice((10, 20, 40, 40)), gap_ms=gap))
        at += rng.uniform(20, 50)
    return actions


def upload(visit: Visit) -> list[Action]:
    """Photos of 0.3–2.5 MB, then perhaps a video of up to 12 MB in parts."""
    rng = visit.rng
    actions = [visit.open(**common(visit))]
    for number, at in enumerate(gestures(visit, 1.0, lambda: clamp(rng.lognormvariate(1.5, 0.6), 1, 15))):
        kind = f"clip{number}" if rng.random() < 0.2 else "photo"
        size = rng.randint(300_000, 2_500_000) if kind == "photo" else rng.randint(3_000_000, 12_000_000)
        actions.append(visit.act(at, "tell", name="upload", **{"with": [kind, size]}))
    return actions


def audio(visit: Visit) -> list[Action]:
    rng = visit.rng
    actions, at = [], visit.start_s
    while at < visit.end_s - 1:  # someone skips to the next song
        actions.append(
            visit.open(
                at, **common(visit), track=rng.choice(MUSIC_TRACKS[visit.design]), ahead=rng.choice((10, 20, 40, 90))
            )
        )
        at += clamp(rng.expovariate(1 / 60), 8, 200)
    return actions


def call(visit: Visit) -> list[Action]:
    rng = visit.rng
    opened = visit.open(
        **common(visit),
        width=rng.choice((320, 320, 480)),
        fps=rng.choice((10, 15)),
        kbit=rng.choice((250, 500, 900, 1500)),
    )
    ring = visit.start_s + 1.5
    return [opened, visit.act(ring, "call", url=str(opened["url"]), video=visit.workload == "videocall")]


def speedtest(visit: Visit) -> list[Action]:
    rng = visit.rng
    actions, at = [], visit.start_s
    while at < visit.end_s - 2:
        down, up = rng.randint(5, 12), rng.randint(4, 10)
        actions.append(visit.open(at, **common(visit), down_s=down, up_s=up))
        at += down + up + rng.uniform(3, 12)
    return actions


def sync(visit: Visit) -> list[Action]:
    return [visit.open(**common(visit), every_s=visit.rng.choice((1, 2, 5, 10, 20)))]


def idle(visit: Visit) -> list[Action]:
    return [visit.open(**common(visit))]


WORKLOADS: dict[str, Workload] = {
    "reels": Workload("video", ("video", "www"), reels),
    "stories": Workload("video", ("video", "www"), stories),
    "longform": Workload("video", ("video", "www"), longform),
    "live": Workload("video", ("live", "www"), live),
    "feed": Workload("non-video", ("image", "www"), feed),
    "carousel": Workload("non-video", ("image", "www"), carousel),
    "photostories": Workload("non-video", ("image", "www"), photostories),
    "browse": Workload("non-video", ("www", "image"), browse),
    "chat": Workload("non-video", ("chat", "www"), chat),
    "download": Workload("non-video", ("files", "www"), download),
    "appdownload": Workload("non-video", ("files", "www"), appdownload),
    "upload": Workload("non-video", ("upload", "www"), upload),
    "audio": Workload("non-video", ("audio", "www"), audio),
    "voicecall": Workload("non-video", ("call", "www"), call, needs_peer=True),
    "videocall": Workload("non-video", ("call", "www"), call, needs_peer=True),
    "speedtest": Workload("non-video", ("speed", "www"), speedtest),
    "sync": Workload("non-video", ("sync", "www"), sync),
    "idle": Workload("non-video", ("www",), idle),
}


def actions(
    design: str,
    workload: str,
    rng: random.Random,
    start_s: float,
    end_s: float,
    *,
    cdn: bool = False,
    options: Options | None = None,
) -> list[Action]:
    """The timeline of one workload from `start_s` to `end_s`, sorted by time: the same for the same `rng` state.

    `options` are set on the pages' addresses and win over what is drawn; `tab` among them names the browser tab.
    """
    if design not in DESIGNS:
        raise ValueError(f"no app design '{design}': expected one of {', '.join(DESIGNS)}")
    if workload not in WORKLOADS:
        raise ValueError(f"no workload '{workload}': expected one of {', '.join(WORKLOADS)}")
    given = dict(options or {})
    tab = str(given.pop("tab", "main"))
    if cdn:
        given["cdn"] = 1
    visit = Visit(design, workload, rng, start_s, end_s, tab, given)
    drawn = WORKLOADS[workload].script(visit)
    return sorted(drawn, key=lambda action: float(action["at"]))
