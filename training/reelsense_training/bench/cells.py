"""The grid: one cell pairs the video of a path with one other workload on it (docs/reference/reelbench.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.figures import balanced_f1
from reelsense_training.bench.windows import Lab

VIDEO_WORKLOAD = "reels"
# The look-alikes that the headline is about; other workloads have cells too, told beside it.
HARD = ("feed", "carousel", "upload", "download", "videocall")
VIDEO_WORKLOADS = ("reels", "stories", "longform", "live")
COMPANIONS = "video's pages"  # non-video windows of a video workload: pages, scripts, posters
RESAMPLES = 1000


@dataclass(frozen=True)
class Rules:
    """What a cell needs to count."""

    min_windows: int = 15  # of each class
    min_sessions: int = 1  # of each class


@dataclass(frozen=True)
class Cell:
    path: str
    opponent: str
    videos: int
    others: int
    video_sessions: int
    other_sessions: int
    recall: float
    specificity: float
    f1: float
    low: float  # 95 % interval of F1, by bootstrap over sessions
    high: float

    @property
    def hard(self) -> bool:
        return self.opponent in HARD


@dataclass(frozen=True)
class Grid:
    """Cells that count, and those left out with the reason."""

    cells: tuple[Cell, ...]
    left_out: tuple[dict[str, object], ...]
    worst_interval: tuple[float, float]
    mean_interval: tuple[float, float]

    def worst(self, hard_only: bool = True) -> Cell | None:
        pool = [c for c in self.cells if c.hard or not hard_only]
        return min(pool, key=lambda c: c.f1) if pool else None

    @property
    def mean(self) -> float:
        return float(np.mean([c.f1 for c in self.cells])) if self.cells else float("nan")

    def to_json(self) -> dict[str, object]:
        return {
            "cells": [{**asdict(c), "hard": c.hard} for c in self.cells],
            "left_out": list(self.left_out),
        }


def opponents(lab: Lab) -> NDArray[np.object_]:
    """Name [W] of the opponent that a non-video window belongs to: its workload, or COMPANIONS."""
    names = lab.workload_names()
    return np.where(np.isin(names, VIDEO_WORKLOADS) & ~lab.windows.video, COMPANIONS, names)


@dataclass(frozen=True)
class _Counts:
    """Per session [S] and side: windows, and windows labelled right."""

    total: NDArray[np.int64]
    right: NDArray[np.int64]

    def rate(self, weight: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Share right, under session weights [R, S] or as it is."""
        if weight is None:
            return np.asarray(self.right.sum() / self.total.sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            return (weight @ self.right) / (weight @ self.total)

    @property
    def sessions(self) -> int:
        return int(np.count_nonzero(self.total))


def _counts(mask: NDArray, right: NDArray, session: NDArray, sessions: int) -> _Counts:
    return _Counts(
        np.bincount(session[mask], minlength=sessions), np.bincount(session[mask & right], minlength=sessions)
    )


def _why_left_out(video: _Counts, other: _Counts, rules: Rules) -> str:
    for side, counts in (("video", video), ("other", other)):
        if counts.total.sum() < rules.min_windows:
            return f"{counts.total.sum()} {side} windows, {rules.min_windows} needed"
        if counts.sessions < rules.min_sessions:
            return f"{counts.sessions} {side} sessions, {rules.min_sessions} needed"
    return ""


def session_weights(sessions: int, seed: int, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """How often each session is drawn [R, S]: whole sessions with replacement, never windows."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(sessions, np.full(sessions, 1 / sessions), resamples)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    found = values[~np.isnan(values)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def grid(
    lab: Lab, right: NDArray[np.bool_], rules: Rules = Rules(), by: str = "path", seed: int = 1,
    only: NDArray[np.bool_] | None = None,
) -> Grid:  # fmt: skip
    """The grid over ``by`` (a session attribute) × opponent; ``right`` [W] says where the label was the truth."""
    windows = lab.windows
    usable = windows.counted if only is None else windows.counted & only
    where, opponent = lab.attribute(by).astype(str), opponents(lab)
    reels = usable & windows.video & (lab.workload_names() == VIDEO_WORKLOAD)
    count = len(lab.sessions)
    weight = session_weights(count, seed)
    cells: list[Cell] = []
    left_out: list[dict[str, object]] = []
    draws: list[NDArray[np.float64]] = []
    for place in sorted(set(where[usable])):
        here = where == place
        video = _counts(reels & here, right, windows.session, count)
        for name in sorted(set(opponent[usable & here & ~windows.video])):
            other = _counts(usable & here & ~windows.video & (opponent == name), right, windows.session, count)
            if reason := _why_left_out(video, other, rules):
                left_out.append({by: place, "opponent": name, "reason": reason})
                continue
            recall, specificity = float(video.rate()), float(other.rate())
            draw = balanced_f1(video.rate(weight), 1.0 - other.rate(weight))
            low, high = _interval(draw) if min(video.sessions, other.sessions) > 1 else (float("nan"),) * 2
            draws.append(draw)
            cells.append(
                Cell(place, name, int(video.total.sum()), int(other.total.sum()), video.sessions, other.sessions,
                     recall, specificity, float(balanced_f1(recall, 1.0 - specificity)), low, high)
            )  # fmt: skip
    hard = [d for d, c in zip(draws, cells, strict=True) if c.hard]
    return Grid(
        tuple(cells), tuple(left_out), _interval(_reduce(hard, np.nanmin)), _interval(_reduce(draws, np.nanmean))
    )


def _reduce(draws: list[NDArray[np.float64]], how: Callable[..., NDArray]) -> NDArray[np.float64]:
    """Worst or mean over the cells of each resample [R]; resamples without any cell stay NaN."""
    if not draws:
        return np.zeros(0)
    table = np.stack(draws)
    some = ~np.isnan(table).all(axis=0)
    return how(table[:, some], axis=0)
