"""The session label in Python: the hold rule of ``reelsense/policy/session.h``, for predictors that are no bundle.

A test holds it to ``reelsense classify --scope session``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.predictors import Answers
from reelsense_training.bench.windows import Lab
from reelsense_training.data.dataset import ACTIVE_DOWN_BYTES

HOLD_SECONDS = 20
PULL_PER_SECOND = 2.0 ** (-1 / 5)
FADE_PER_SECOND = 2.0 ** (-1 / 10)


def scores(
    second: NDArray[np.int32], probability: NDArray[np.float64], bytes_down: NDArray[np.int64]
) -> dict[int, float]:
    """Score of each second of one session, from its first packet to 20 s after its last one."""
    weight = bytes_down.astype(np.float64) + 1.0
    order = np.argsort(second, kind="stable")
    result: dict[int, float] = {}
    score, holds, since_active, idle = 0.5, False, 0, 0
    seconds, starts = np.unique(second[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    at = {int(s): order[a:b] for s, a, b in zip(seconds, starts, ends, strict=True)}
    for now in range(int(seconds[0]), int(seconds[-1]) + HOLD_SECONDS):
        index = at.get(now)
        idle = 0 if index is not None else idle + 1
        if idle >= HOLD_SECONDS:
            score, holds, since_active = 0.5, False, 0
            continue
        since_active += 1
        if since_active > HOLD_SECONDS:
            holds = False
        p = float(np.average(probability[index], weights=weight[index])) if index is not None else 0.5
        if index is not None and bytes_down[index].sum() >= ACTIVE_DOWN_BYTES:
            score = p if not holds or p >= score else p + (score - p) * PULL_PER_SECOND
            holds, since_active = True, 0
        elif index is not None and not holds:
            score = p
        else:
            score = 0.5 + (score - 0.5) * FADE_PER_SECOND
        result[now] = score
    return result


def session_accuracy(lab: Lab, answers: Answers) -> dict[str, object]:
    """Share of seconds whose session label is the truth, by the workload in front; a second without label is wrong.

    Counted from each session's first packet on. A window without an answer counts as 0.5 in the rule.
    """
    right: dict[str, list[bool]] = {}
    idle: list[bool] = []
    phone = lab.of_phone()
    probability = np.where(np.isnan(answers.probability), 0.5, answers.probability)
    for number, truth in enumerate(lab.truth):
        mask = (lab.windows.session == number) & phone
        if not mask.any() or not len(truth.second):
            continue
        second, down = lab.windows.second[mask], lab.windows.bytes_down[mask]
        found = scores(second, probability[mask], down)
        busy = np.bincount(second, down) >= ACTIVE_DOWN_BYTES
        for now, video, workload in zip(truth.second.tolist(), truth.video.tolist(), truth.workload, strict=True):
            if now < 0:
                continue
            score = found.get(now)
            correct = score is not None and (score >= answers.threshold) == video
            right.setdefault(workload, []).append(correct)
            if video and not (now < len(busy) and busy[now]):
                idle.append(correct)
    every = [value for values in right.values() for value in values]
    return {
        "seconds": len(every),
        "accuracy": _mean(every),
        "reels": _mean(right.get("reels", [])),
        "video_idle_seconds": len(idle),
        "video_idle": _mean(idle),
        "by_workload": {name: {"seconds": len(v), "accuracy": _mean(v)} for name, v in sorted(right.items())},
    }


def _mean(values: list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
