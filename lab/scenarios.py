"""The scenarios of the lab: who does what when. Everything random is drawn here, from the scenario's seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import media

WWW = "https://www.lab.test"
SETTLE_S = 1.0  # from opening the browser to the first action

Protocol = Literal["h1", "h2", "h3"]
Actions = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    about: str
    seed: int
    protocol: Protocol
    seconds: int
    rate_mbit: float  # towards the client
    script: Callable[[random.Random], Actions] = field(repr=False)
    congestion: str = "bbr"
    ipv6: bool = False
    suffix: str = ".pcap"
    nanoseconds: bool = False

    def actions(self) -> Actions:
        """What the browser does, sorted by time: the same for the same seed."""
        actions = self.script(random.Random(self.seed))
        return sorted(actions, key=lambda action: float(str(action["at"])))


def action(at: float, tab: str, do: str, **details: object) -> dict[str, object]:
    return {"at": round(at, 2), "tab": tab, "do": do, **details}


def clamp(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


def reels(
    rng: random.Random,
    start: float,
    end: float,
    mode: str,
    prefetch: int,
    tab: str = "main",
    watch_s: float = 5,
) -> Actions:
    """Swipes after log-normal watch times: most clips are left early, a few are watched for long."""
    order = list(range(media.CLIPS))
    rng.shuffle(order)
    url = f"{WWW}/reels.html?order={','.join(map(str, order))}&mode={mode}&prefetch={prefetch}"
    actions = [action(start, tab, "open", url=url)]
    at = start + 1
    while (at := at + clamp(rng.lognormvariate(0, 0.6) * watch_s, 1.5, 12)) < end - 1:
        actions.append(action(at, tab, "swipe"))
    return actions


def feed(rng: random.Random, start: float, end: float, tab: str = "main") -> Actions:
    """Scrolls of a post or so with log-normal pauses, now and then a long flick."""
    actions = [action(start, tab, "open", url=f"{WWW}/feed.html?start={rng.randrange(media.PHOTOS)}")]
    at = start + 1
    while (at := at + clamp(rng.lognormvariate(0.4, 0.6), 0.6, 6)) < end - 0.5:
        pixels = rng.randint(1500, 2600) if rng.random() < 0.2 else rng.randint(350, 800)
        actions.append(action(at, tab, "scroll", pixels=pixels))
    return actions


def articles(rng: random.Random, start: float, end: float, tab: str = "main") -> Actions:
    """Opens an article, reads it with a few scrolls, goes on to the next."""
    actions, at = [], start
    while at < end - 2:
        url = f"{WWW}/article.html?number={rng.randrange(media.TEXTS)}&photos={rng.randint(1, 6)}"
        actions.append(action(at, tab, "open", url=url))
        leave = at + clamp(rng.lognormvariate(1.4, 0.5), 2.5, 9)
        while (at := at + clamp(rng.lognormvariate(0.2, 0.5), 0.7, 4)) < min(leave, end):
            actions.append(action(at, tab, "scroll", pixels=rng.randint(200, 700)))
    return actions


def download(start: float, tab: str) -> Actions:
    return [action(start, tab, "open", url=f"{WWW}/download.html"), action(start + 0.8, tab, "download")]


def music(start: float, end: float, tab: str = "music") -> Actions:
    return [action(start, tab, "open", url=f"{WWW}/music.html"), action(end, tab, "close")]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "reels-h2",
            "reels, whole MP4 clips, the next two prefetched",
            seed=51,
            protocol="h2",
            seconds=40,
            rate_mbit=20,
            suffix=".pcap.zst",
            script=lambda rng: reels(rng, SETTLE_S, 40, mode="progressive", prefetch=2),
        ),
        Scenario(
            "reels-h3",
            "reels in 2 s segments, the start of the next one prefetched",
            seed=62,
            protocol="h3",
            seconds=32,
            rate_mbit=20,
            script=lambda rng: reels(rng, SETTLE_S, 32, mode="segments", prefetch=1),
        ),
        Scenario(
            "feed-h2",
            "a photo feed is scrolled, then articles are read",
            seed=13,
            protocol="h2",
            seconds=50,
            rate_mbit=20,
            script=lambda rng: feed(rng, SETTLE_S, 28) + articles(rng, 28, 49),
        ),
        Scenario(
            "mixed-h3",
            "reels, then a photo feed, then a file download",
            seed=14,
            protocol="h3",
            seconds=50,
            rate_mbit=12,
            suffix=".pcap.zst",
            script=lambda rng: (
                reels(rng, SETTLE_S, 22, mode="segments", prefetch=1)
                + feed(rng, 22, 36)
                + download(37, "main")
            ),
        ),
        Scenario(
            "slow-h2",
            "reels on a slow path: seldom idle, some stalls",
            seed=35,
            protocol="h2",
            seconds=45,
            rate_mbit=3,
            congestion="reno",
            suffix=".pcap.gz",
            script=lambda rng: reels(rng, SETTLE_S, 45, mode="segments", prefetch=1, watch_s=8),
        ),
        Scenario(
            "overlap-h2-ipv6",
            "music all the time, a feed, then reels while a file downloads",
            seed=26,
            protocol="h2",
            seconds=45,
            rate_mbit=8,
            congestion="reno",
            ipv6=True,
            suffix=".pcap.zst",
            nanoseconds=True,
            script=lambda rng: (
                music(SETTLE_S, 44)
                + feed(rng, SETTLE_S + 1, 14)
                + reels(rng, 14, 44, mode="segments", prefetch=1)
                + download(22, "file")
            ),
        ),
    )
}
