"""The path profiles of lab/profiles and what the index says of each; the schema is in lab/path/README.md."""

from __future__ import annotations

import functools
import json
import random
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from reelsense_lab.errors import LabError
from reelsense_lab.prerequisites import DEFAULT_BUILD, LAB

FOLDER = LAB / "profiles"
RADIO = DEFAULT_BUILD / "radio-profiles"  # made of measured traces by convert.py
OPPORTUNITY_BITS = 1500 * 8


@functools.cache
def names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in FOLDER.glob("*.json")))


def radio_names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in RADIO.glob("*.json")))


def load(path: str | dict[str, Any]) -> dict[str, Any]:
    """A profile by its name, or as the scenario gives it."""
    if isinstance(path, dict):
        return path
    for file in (FOLDER / f"{path}.json", RADIO / f"{path}.json"):
        if file.exists():
            loaded: dict[str, Any] = json.loads(file.read_text())
            return loaded
    raise LabError(f"no path profile {path}; there are: {', '.join((*names(), *radio_names()))}")


def start_s(profile: dict[str, Any], seed: int) -> float:
    """Where in its trace a session begins, drawn from the seed; 0 without a trace or with an event that comes once."""
    events = [*profile.get("outages", []), *profile.get("handovers", [])]
    period = _period_s(profile["down"]["rate"])
    if period == 0 or any("repeat_s" not in event for event in events):
        return 0.0
    return round(random.Random(f"{seed}:trace").uniform(0, period), 3)


def _period_s(rate: str | dict[str, Any]) -> float:
    if isinstance(rate, dict) and "trace_mbit" in rate:
        return float(len(rate["trace_mbit"]) * rate.get("interval_s", 1))
    if isinstance(rate, dict) and "opportunities_ms" in rate:
        return float(rate["opportunities_ms"][-1] / 1000)
    return 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a whole round of the profile; the rate is what a long flow can get at most towards the client."""

    rate_mbit: float | None  # None: unlimited
    rtt_ms: float
    loss_pct: float
    policed: bool
    outage: bool


def figures(profile: dict[str, Any]) -> Figures:
    down, up = profile["down"], profile["up"]
    rates = [rate for rate in (_mean_mbit(down["rate"]), down.get("policer", {}).get("mbit")) if rate is not None]
    return Figures(
        rate_mbit=round(min(rates), 3) if rates else None,
        rtt_ms=round(down["delay_ms"] + up["delay_ms"], 2),
        loss_pct=round(100 * _mean_loss(down.get("loss", {})), 3),
        policed="policer" in down,
        outage=bool(profile.get("outages") or profile.get("handovers")),
    )


def _mean_mbit(rate: str | dict[str, Any]) -> float | None:
    if isinstance(rate, str):
        return None
    if "mbit" in rate:
        return float(rate["mbit"])
    if "trace_mbit" in rate:
        return fmean(rate["trace_mbit"])
    times = rate["opportunities_ms"]
    return float(len(times) * OPPORTUNITY_BITS / times[-1] / 1000)


def _mean_loss(loss: dict[str, Any]) -> float:
    if "gilbert_elliott" in loss:
        model = loss["gilbert_elliott"]
        p, r = model["p"], model["r"]
        return float((r * model.get("loss_good", 0) + p * model.get("loss_bad", 1)) / (p + r))
    return float(loss.get("probability", 0))
