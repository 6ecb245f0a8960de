"""How long a video flow goes unrecognised: from its first byte to the first right label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.predictors import runs
from reelsense_training.bench.windows import BINS, SLOW_MBIT, Lab

CONTENT_BYTES = 20_000  # a flow that brings less down in a run of seconds has not begun to play
CURVE_S = tuple(i / 4 for i in range(1, 81))


@dataclass(frozen=True)
class Recognition:
    """One video flow: seconds from its first byte to the end of the first second labelled video; inf if never."""

    seconds: float
    session: int


def _first_byte(bins: NDArray[np.float32]) -> float:
    """Where in its second [0, 1) the first down byte of a window falls, to 50 ms; 0 if it has none."""
    down = np.flatnonzero(bins[: BINS // 2] > 0)
    return float(down[0]) / (BINS // 2) if len(down) else 0.0


def _start(second: NDArray[np.int32], down: NDArray[np.int64]) -> int:
    """Window in which a flow begins to bring content: the start of the first run of seconds with 20 kB down.

    A connection opened ahead and left idle has not begun; its handshake is a run of its own.
    """
    begin = total = 0
    for i in range(len(second)):
        if i and second[i] != second[i - 1] + 1:
            begin, total = i, 0
        total += int(down[i])
        if total >= CONTENT_BYTES:
            return begin
    return -1


def recognitions(lab: Lab, right: NDArray[np.bool_]) -> list[Recognition]:
    """Every flow of recorded video that brings content, flows that mix both kinds left out."""
    windows, found = lab.windows, []
    for start, length in zip(*runs(windows.flow), strict=True):
        at = np.arange(start, start + length)
        if not windows.video[at].all():
            continue
        begin = _start(windows.second[at], windows.bytes_down[at])
        if begin < 0:
            continue
        first = float(windows.second[at[begin]]) + _first_byte(windows.bins[at[begin]])
        labelled = at[begin:][right[at[begin:]]]
        seconds = float(windows.second[labelled[0]]) + 1.0 - first if len(labelled) else float("inf")
        found.append(Recognition(seconds, int(windows.session[start])))
    return found


def summary(found: list[Recognition]) -> dict[str, object]:
    seconds = np.array([r.seconds for r in found])
    if not len(seconds):
        return {"flows": 0, "median_s": float("nan"), "within": {}, "curve": []}
    within = {f"{s:g}": float(np.mean(seconds <= s)) for s in (1, 2, 3, 5, 10)}
    return {
        "flows": len(seconds),
        "median_s": float(np.median(seconds)),
        "never": float(np.mean(np.isinf(seconds))),
        "within": within,
        "curve": [[s, float(np.mean(seconds <= s))] for s in CURVE_S],
    }


def timing(lab: Lab, right: NDArray[np.bool_]) -> dict[str, object]:
    """All video flows, and those of slow links (mean rate up to 3 Mbit/s, or a driving profile)."""
    found = recognitions(lab, right)
    slow = {
        i for i, s in enumerate(lab.sessions) if 0 < s.rate_mbit <= SLOW_MBIT or "driv" in s.path or "moving" in s.path
    }
    return {"all": summary(found), "slow": summary([r for r in found if r.session in slow])}
