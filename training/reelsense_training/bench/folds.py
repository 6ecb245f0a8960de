"""Folds that hold out whole designs and whole paths together, never windows.

The values of each held-out axis are dealt into groups, and a fold is one group of every axis: its test sessions
have a design *and* a path (*and* a protocol, where asked) of those groups, its training sessions none of them on any
axis. Sessions that share only one axis with the test are in neither set. Over all folds each session is tested once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from reelsense_training.bench.windows import AXES, Session

HOLD_OUT = ("design", "path")


class FoldError(Exception):
    """The sessions cannot be split as asked; the message says on which axis."""


@dataclass(frozen=True)
class Fold:
    """Indices into the session list, and the held-out values by axis."""

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    held_out: dict[str, tuple[str, ...]]


def assert_no_leak(fold: Fold, sessions: Sequence[Session], axes: Sequence[str]) -> None:
    """Raises where a session, or a value of a held-out axis, is on both sides."""
    if set(fold.train) & set(fold.test):
        raise FoldError(f"{fold.name}: a session is on both sides")
    for axis in (*axes, "session"):
        train = {sessions[i].axis(axis) for i in fold.train}
        test = {sessions[i].axis(axis) for i in fold.test}
        if both := train & test:
            raise FoldError(f"{fold.name}: {axis} {', '.join(sorted(both))} on both sides")


def _groups(values: Sequence[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """Distinct values dealt into ``count`` groups, their sessions kept even."""
    names, counts = np.unique(values, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    load = [0] * count
    groups: list[list[str]] = [[] for _ in range(count)]
    for i in sorted(shuffled.tolist(), key=lambda i: -int(counts[i])):
        smallest = int(np.argmin(load))
        groups[smallest].append(str(names[i]))
        load[smallest] += int(counts[i])
    return [tuple(sorted(group)) for group in groups]


def _group_counts(distinct: dict[str, int], limit: int) -> dict[str, int]:
    """How many groups each axis gets: the first axis as many as it has values, the others what the limit leaves."""
    counts: dict[str, int] = {}
    left = limit
    for position, (axis, values) in enumerate(distinct.items()):
        if values < 2:
            raise FoldError(f"one {axis} only: nothing is left to train on; give --hold-out without {axis}")
        axes_after = len(distinct) - position - 1
        counts[axis] = max(2, min(values, left // 2**axes_after))
        left = max(left // counts[axis], 1)
    return counts


def folds(
    sessions: Sequence[Session], hold_out: Sequence[str] = HOLD_OUT, limit: int = 12, seed: int = 1
) -> list[Fold]:
    """At most about ``limit`` folds (at least two groups an axis); folds without a test session are left out."""
    unknown = set(hold_out) - set(AXES)
    if unknown or not hold_out:
        raise FoldError(f"cannot hold out {', '.join(sorted(unknown)) or 'nothing'}; axes are {', '.join(AXES)}")
    values = {axis: [s.axis(axis) for s in sessions] for axis in hold_out}
    counts = _group_counts({axis: len(set(v)) for axis, v in values.items()}, limit)
    groups = {axis: _groups(v, counts[axis], seed + n) for n, (axis, v) in enumerate(values.items())}
    result = []
    for combination in product(*(groups[axis] for axis in hold_out)):
        held = dict(zip(hold_out, combination, strict=True))
        inside = [[s.axis(axis) in group for axis, group in held.items()] for s in sessions]
        test = tuple(i for i, flags in enumerate(inside) if all(flags))
        train = tuple(i for i, flags in enumerate(inside) if not any(flags))
        if not test:
            continue
        name = " × ".join("+".join(group) if axis != "session" else f"{len(group)} sessions"
                          for axis, group in held.items())  # fmt: skip
        fold = Fold(name, train, test, held)
        if not train:
            raise FoldError(f"{name}: no session shares none of these; record more designs or paths")
        assert_no_leak(fold, sessions, hold_out)
        result.append(fold)
    return result
