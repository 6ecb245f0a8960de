"""What is compared: the arms of a pair, and pairs drawn from a seed.

All arms of one pair have the same seed, and so the same clips, swipes, app design, protocol, path and downloads. They
differ in who acts (nobody, the app, the network) and on whose word (nobody's, the classifier's, the truth).
"""

from __future__ import annotations

import copy
import random
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reelsense_lab import profiles, workloads
from reelsense_lab.errors import LabError
from reelsense_lab.scenario import Session

Actor = Literal["nobody", "app", "priority", "htb"]
# "marks": the code points of the policy; "labels": the bare label, smoothed, without the policy (lean.py)
Word = Literal["nobody", "marks", "labels", "truth"]
SECONDS = 60
BASE_SEED = 60_000
DOWNLOADS = 2
DOWNLOADS_FROM_S = (2.0, 6.0)  # after the driver's start: they begin while the first clip loads or plays
FIXED = "shared-3"
PATHS = (FIXED, "congested-cell", "lte")
PROTOCOLS = ("h2", "h3")
CONGESTION = ("bbr", "reno")  # of TCP, at both ends
LINK_MBIT, ONE_WAY_MS, QUEUE_BYTES = 3.0, 15.0, 200_000


@dataclass(frozen=True, slots=True)
class Arm:
    name: str
    title: str  # for tables and plots
    actor: Actor
    word: Word
    downloads: bool = True
    baseline: str = "baseline"  # the arm it is compared with
    truth: str | None = None  # the arm that does the same with perfect labels
    gate: bool = False  # the link is HTB in a bridge of the kernel's, not the path emulator


_ARMS = (
    Arm("alone", "no downloads, no Reelsense", "nobody", "nobody", downloads=False),
    Arm("baseline", "no Reelsense", "nobody", "nobody"),
    Arm("app", "the app acts", "app", "marks", truth="app-truth"),
    Arm("app-truth", "the app acts, perfect label", "app", "truth"),
    Arm("priority", "the network acts", "priority", "marks", truth="priority-truth"),
    Arm("priority-lean", "the network acts, labels without the policy", "priority", "labels", truth="priority-truth"),
    Arm("priority-truth", "the network acts, perfect label", "priority", "truth"),
    Arm("htb-baseline", "HTB, no Reelsense", "nobody", "nobody", gate=True),
    Arm("htb", "HTB + nftables marks", "htb", "marks", True, "htb-baseline", "htb-truth", True),
    Arm(
        "htb-lean",
        "HTB + nftables, labels without the policy",
        "htb",
        "labels",
        True,
        "htb-baseline",
        "htb-truth",
        True,
    ),
    Arm("htb-truth", "HTB + nftables, perfect label", "htb", "truth", True, "htb-baseline", None, True),
)
ARMS = {arm.name: arm for arm in _ARMS}
DEFAULT_ARMS = ("baseline", "priority", "priority-truth", "app", "app-truth")
GATE_ARMS = tuple(arm.name for arm in _ARMS if arm.gate)


@dataclass(frozen=True, slots=True)
class Pair:
    """What all runs with one seed have in common."""

    number: int
    seed: int
    design: str
    protocol: str
    congestion: str
    path: str
    downloads_at_s: tuple[float, ...]

    def on_fixed_path(self) -> Pair:
        """The same on the path that the gate can be: its rate is a constant."""
        return Pair(**{**asdict(self), "path": FIXED})


@dataclass(frozen=True, slots=True)
class Run:
    pair: Pair
    arm: Arm
    seconds: int

    @property
    def name(self) -> str:
        return f"{self.pair.number:03}-{self.arm.name}"

    def session(self) -> Session:
        pair = self.pair
        return Session(
            name=self.name,
            design=pair.design,
            workload="reels",
            path=pair.path,
            seed=pair.seed,
            protocol=pair.protocol,
            congestion=pair.congestion,
            seconds=self.seconds,
        )

    def actions(self) -> list[dict[str, Any]]:
        """What the browser does. The page itself goes to the next clip: a wheel can be too weak to move on, most of
        all while a clip plays on a busy machine, and then arms that play more would see fewer clips."""
        return [
            {**action, "do": "tell", "name": "next"} if action["do"] == "swipe" else action
            for action in self.session().actions()
        ]

    def settings(self) -> dict[str, Any]:
        """What decides the outcome: a run is complete if it was made with these."""
        pair = asdict(self.pair)
        return {**pair, "downloads_at_s": list(self.pair.downloads_at_s), "arm": self.arm.name, "seconds": self.seconds}


def pair(number: int, base_seed: int = BASE_SEED, path: str | None = None) -> Pair:
    """Pair `number`, from 0. App designs, paths, protocols and TCP congestion control take turns: 24 pairs have each
    design on each path, and each half of them a protocol."""
    seed = base_seed + number
    rng = random.Random(f"{seed}:qos")
    rounds, place = divmod(number, len(workloads.DESIGNS))
    return Pair(
        number=number,
        seed=seed,
        design=workloads.DESIGNS[place],
        protocol=PROTOCOLS[(place + rounds) % 2],
        congestion=CONGESTION[(place // 2 + rounds) % 2],
        path=path or PATHS[(place + rounds) % len(PATHS)],
        downloads_at_s=tuple(sorted(round(rng.uniform(*DOWNLOADS_FROM_S), 2) for _ in range(DOWNLOADS))),
    )


def runs(pairs: int, arms: tuple[str, ...], seconds: int, base_seed: int, path: str | None = None) -> list[Run]:
    """Pair after pair, the arms of each in an order drawn from its seed: the machine's mood must not favour an arm."""
    if unknown := [name for name in arms if name not in ARMS]:
        raise LabError(f"--arms: expected some of {', '.join(ARMS)}, got {', '.join(unknown)}")
    planned = []
    for number in range(pairs):
        drawn = pair(number, base_seed, path)
        order = list(arms)
        random.Random(f"{drawn.seed}:order").shuffle(order)
        for name in order:
            planned.append(Run(drawn.on_fixed_path() if ARMS[name].gate else drawn, ARMS[name], seconds))
    return planned


def profile(run: Run) -> dict[str, Any]:
    """The path emulator's profile of a run. Where the gate is the link, the emulator only delays."""
    if run.arm.gate:
        free = {"rate": "unlimited", "delay_ms": ONE_WAY_MS}
        return {"name": "delay", "down": free, "up": free}
    if run.pair.path == FIXED:
        way = {"rate": {"mbit": LINK_MBIT}, "delay_ms": ONE_WAY_MS, "queue": {"bytes": QUEUE_BYTES}}
        return {"name": FIXED, "down": way, "up": way}
    return rotated(profiles.load(run.pair.path), run.pair.seed)


def rotated(loaded: dict[str, Any], seed: int) -> dict[str, Any]:
    """The profile from another second of its traces on, drawn from the seed: its time 0 is then the driver's start."""
    made = copy.deepcopy(loaded)
    drawn = random.Random(f"{seed}:trace").random()
    for way in (made["down"], made["up"]):
        rate = way["rate"]
        if isinstance(rate, dict) and "opportunities_ms" in rate:
            raise LabError(f"path {loaded.get('name')}: expected a rate or trace_mbit, got opportunities_ms")
        if isinstance(rate, dict) and "trace_mbit" in rate:
            trace = rate["trace_mbit"]
            first = int(drawn * len(trace))
            rate["trace_mbit"] = trace[first:] + trace[:first]
    return made
