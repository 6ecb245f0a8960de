#!/usr/bin/env python3
"""Writes the lab's path profiles, lab/profiles/NAME.json, from seeded models. Run it and commit what it writes.

    lab/profiles/generate.py            writes every profile beside this file
    lab/profiles/generate.py --check    fails when a committed profile is not what this script writes

Radio rates are log-normal first-order autoregressive series, a value a second: the logarithm of a cellular link's
throughput is close to normal over minutes and correlated over seconds (Winstein et al., "Stochastic Forecasts Achieve
High Throughput and Low Delay over Cellular Networks", NSDI 2013, model the rate as a diffusing process; Raca et al.,
"Beyond Throughput: a 4G LTE Dataset with Channel and Context Metrics", MMSys 2018, show spread and correlation).
Losses behind link-layer retransmission come in bursts: Gilbert-Elliott (Elliott, "Estimates of Error Rates for Codes
on Burst-Noise Channels", 1963). Deep queues of cellular base stations: Jiang et al., "Tackling Bufferbloat in 3G/4G
Networks", IMC 2012. Policing of video by mobile operators at 1.5 to 5 Mbit/s: Flach et al., "An Internet-Wide Analysis
of Traffic Policing", SIGCOMM 2016. No measured trace is copied; convert.py makes profiles of those that are at hand.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
SEED = 20261123
TRACE_SECONDS = 300
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Radio:
    """What a radio type's series is drawn from. The median and the spread are of the marginal distribution."""

    median_mbit: float
    sigma: float  # deviation of the natural logarithm
    correlation: float  # from one second to the next
    low_mbit: float
    high_mbit: float

    def series(self, rng: random.Random, seconds: int = TRACE_SECONDS) -> list[float]:
        state = rng.gauss(0, 1)
        out = []
        for _ in range(seconds):
            rate = self.median_mbit * math.exp(self.sigma * state)
            out.append(round(min(max(rate, self.low_mbit), self.high_mbit), 3))
            state = self.correlation * state + math.sqrt(1 - self.correlation**2) * rng.gauss(0, 1)
        return out


def queue_bytes(mbit: float, ms: float) -> int:
    """What a link of this rate sends in this time; ten full packets at least, or it drops a flow's first flight."""
    return max(15_000, round(mbit * 1e6 / 8 * ms / 1e3 / 1500) * 1500)


def direction(rate: Json | str, delay_ms: float, queue: Json, **more: Json) -> Json:
    return {"rate": rate, "delay_ms": delay_ms, **more, "queue": queue}


def radio(name: str, down: Radio, up: Radio, rtt_ms: float, queue_ms: float, **more: Json) -> Json:
    """Both directions of a radio profile; the queue holds `queue_ms` at the median rate."""
    both = {}
    for way, model in (("down", down), ("up", up)):
        rng = random.Random(f"{SEED}/{name}/{way}")
        queue = {"bytes": queue_bytes(model.median_mbit, queue_ms)}
        both[way] = direction({"trace_mbit": model.series(rng)}, rtt_ms / 2, queue, **more)
    return both


def fixed(mbit: float, rtt_ms: float = 40, queue_ms: float = 150, **down: Json) -> Json:
    """The same rate both ways, at most 20 Mbit/s up. Extra keys are for down only."""
    up_mbit = min(mbit, 20)
    return {
        "down": direction({"mbit": mbit}, rtt_ms / 2, {"bytes": queue_bytes(mbit, queue_ms)}, **down),
        "up": direction({"mbit": up_mbit}, rtt_ms / 2, {"bytes": queue_bytes(up_mbit, queue_ms)}),
    }


def policed(mbit: float) -> Json:
    """A fast link whose operator drops what exceeds the rate; the burst is 200 ms at the rate."""
    policer = {"mbit": mbit, "burst_bytes": queue_bytes(mbit, 200)}
    return fixed(50, policer=policer)


def radio_profiles() -> dict[str, Json]:
    jitter = {"ms": 3, "correlation": 0.9}
    cell_loss = {"gilbert_elliott": {"p": 0.002, "r": 0.25, "loss_good": 0, "loss_bad": 0.6}}
    return {
        "wifi": {
            "description": "Home Wi-Fi before a 60 Mbit/s line, some contention, RTT 20 ms",
            **radio("wifi", Radio(55, 0.25, 0.8, 10, 80), Radio(20, 0.25, 0.8, 4, 30), 20, 80,
                    jitter={"ms": 2, "correlation": 0.5}, loss={"probability": 0.0002}),
        },
        "5g": {
            "description": "Mid-band 5G, median 80 Mbit/s, wide swings, RTT 24 ms",
            **radio("5g", Radio(80, 0.5, 0.85, 8, 250), Radio(18, 0.45, 0.85, 2, 50), 24, 120,
                    jitter={"ms": 2, "correlation": 0.8}),
        },
        "lte": {
            "description": "LTE, median 14 Mbit/s, RTT 50 ms, queue of 250 ms",
            **radio("lte", Radio(14, 0.55, 0.9, 1.5, 60), Radio(6, 0.5, 0.9, 0.5, 20), 50, 250, jitter=jitter),
        },
        "3g": {
            "description": "HSPA, median 2.2 Mbit/s, RTT 110 ms, queue of 600 ms",
            **radio("3g", Radio(2.2, 0.45, 0.9, 0.3, 8), Radio(0.9, 0.4, 0.9, 0.15, 2), 110, 600,
                    jitter={"ms": 8, "correlation": 0.9}),
        },
        "cell-edge": {
            "description": "Edge of a cell: 0.5 to 1.5 Mbit/s, RTT 120 ms, bursts of loss",
            **radio("cell-edge", Radio(0.9, 0.3, 0.9, 0.5, 1.5), Radio(0.45, 0.3, 0.9, 0.2, 0.8), 120, 500,
                    jitter={"ms": 10, "correlation": 0.9}, loss=cell_loss),
        },
        "congested-cell": {
            "description": "A full cell: 1 to 3 Mbit/s, RTT 60 ms before a queue of two seconds",
            **radio("congested-cell", Radio(1.8, 0.35, 0.8, 1, 3), Radio(0.8, 0.3, 0.8, 0.4, 1.5), 60, 2000,
                    jitter={"ms": 6, "correlation": 0.9}),
        },
        "driving": {
            "description": "LTE in a car: 0.3 to 40 Mbit/s, a handover every half minute, a tunnel every two minutes",
            **radio("driving", Radio(8, 0.95, 0.92, 0.3, 40), Radio(3, 0.8, 0.92, 0.2, 12), 60, 400,
                    jitter={"ms": 5, "correlation": 0.9}),
            "outages": [{"at_s": 47, "for_s": 4, "repeat_s": 120, "queue": "flush"}],
            "handovers": [
                {"at_s": 15, "gap_s": 0.12, "repeat_s": 90, "delay_step_ms": 15, "rate_factor": 0.7},
                {"at_s": 44, "gap_s": 0.3, "repeat_s": 90, "delay_step_ms": -5, "rate_factor": 1.2},
                {"at_s": 76, "gap_s": 0.06, "repeat_s": 90},
            ],
        },
    }  # fmt: skip


def grid_profiles() -> dict[str, Json]:
    out: dict[str, Json] = {}
    for mbit in (0.25, 0.5, 1, 3, 8, 20, 50):
        out[f"fixed-{mbit}"] = {"description": f"{mbit} Mbit/s, RTT 40 ms", **fixed(mbit)}
    for rtt_ms in (20, 200, 500):
        out[f"rtt-{rtt_ms}"] = {
            "description": f"20 Mbit/s, RTT {rtt_ms} ms, queue of one RTT",
            **fixed(20, rtt_ms, max(rtt_ms, 50)),
        }
    for percent in (1, 3, 10):
        loss = {"probability": percent / 100}
        out[f"loss-{percent}"] = {
            "description": f"10 Mbit/s, RTT 40 ms, {percent} % of the packets down lost at random",
            **fixed(10, loss=loss),
        }
    for mbit in (2, 5):
        out[f"policed-{mbit}"] = {
            "description": f"50 Mbit/s policed to {mbit} Mbit/s down, RTT 40 ms",
            **policed(mbit),
        }
    out["shaped-2"] = {"description": "2 Mbit/s by shaping, RTT 40 ms: what policed-2 is not", **fixed(2)}
    out["outage"] = {
        "description": "8 Mbit/s, RTT 40 ms, no link for 8 s of each 40 s, the queue kept",
        **fixed(8),
        "outages": [{"at_s": 16, "for_s": 8, "repeat_s": 40, "queue": "keep"}],
    }
    return out


def text_of(name: str, profile: Json) -> str:
    """One line a direction, so that a changed rate is one changed line."""
    ordered = {"name": name, **profile}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in ordered.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file differs")
    check: bool = parser.parse_args().check
    texts = {f"{n}.json": text_of(n, p) for n, p in (radio_profiles() | grid_profiles()).items()}
    if not check:
        for name, text in texts.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    present = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    differing = sorted(name for name in texts.keys() | present.keys() if texts.get(name) != present.get(name))
    if differing:
        print(f"generate.py: not as generated: {', '.join(differing)}; run lab/profiles/generate.py", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
