"""Means and differences over pairs, with confidence intervals from the paired bootstrap.

A pair is drawn as a whole: its runs under every arm come or stay away together, so what the seed does to all arms alike
(a long clip, a slow path) cancels out of a difference. Percentile intervals (Efron and Tibshirani, An Introduction to
the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

RESAMPLES = 10_000
LEVEL = 0.95
SEED = 1
Row = TypeVar("Row")
Figures = Mapping[str, Mapping[int, float | None]]  # arm → pair → value


@dataclass(frozen=True, slots=True)
class Estimate:
    value: float
    low: float
    high: float
    pairs: int

    def excludes(self, number: float) -> bool:
        return not self.low <= number <= self.high


def resampled(rows: Sequence[Row], statistic: Callable[[Sequence[Row]], float]) -> Estimate | None:
    """`rows` holds a pair each. None without a pair, or where the statistic is not defined (a share of no gain) for
    more than half of the resamples."""

    def of(chosen: Sequence[Row]) -> float | None:
        try:
            return statistic(chosen)
        except ZeroDivisionError:
            return None

    value = of(rows) if rows else None
    if value is None:
        return None
    rng = random.Random(SEED)
    drawn = [each for _ in range(RESAMPLES) if (each := of(rng.choices(rows, k=len(rows)))) is not None]
    if len(drawn) < RESAMPLES / 2:
        return None
    drawn.sort()
    tail = (1 - LEVEL) / 2
    low, high = drawn[int(tail * len(drawn))], drawn[min(len(drawn) - 1, int((1 - tail) * len(drawn)))]
    return Estimate(value, low, high, len(rows))


def column_mean(rows: Sequence[tuple[float, ...]], column: int) -> float:
    return sum(row[column] for row in rows) / len(rows)


def paired_rows(figures: Figures, arms: Sequence[str]) -> list[tuple[float, ...]]:
    """A row for each pair that has the figure under every one of the arms."""
    numbers = sorted(set.intersection(*(set(figures.get(arm, {})) for arm in arms)))
    found = [[figures[arm][number] for arm in arms] for number in numbers]
    return [tuple(value for value in row if value is not None) for row in found if None not in row]


def mean(figures: Figures, arm: str) -> Estimate | None:
    return resampled(paired_rows(figures, [arm]), lambda rows: column_mean(rows, 0))


def difference(figures: Figures, arm: str, baseline: str) -> Estimate | None:
    """Arm minus baseline."""
    rows = paired_rows(figures, [baseline, arm])
    return resampled(rows, lambda chosen: column_mean(chosen, 1) - column_mean(chosen, 0))


def gain_share(figures: Figures, arm: str, baseline: str, perfect: str) -> Estimate | None:
    """What the arm gains over the baseline, as a share of what it gains with perfect labels."""

    def share(chosen: Sequence[tuple[float, ...]]) -> float:
        without = column_mean(chosen, 0)
        return (without - column_mean(chosen, 1)) / (without - column_mean(chosen, 2))

    return resampled(paired_rows(figures, [baseline, arm, perfect]), share)


def pooled(samples: Mapping[int, Sequence[float]], statistic: Callable[[Sequence[float]], float]) -> Estimate | None:
    """A statistic of all samples of all pairs together; `samples`: pair → its samples."""
    rows = [samples[number] for number in sorted(samples)]
    return resampled(rows, lambda chosen: statistic([value for row in chosen for value in row]))
