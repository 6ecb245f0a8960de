"""Deals values to sessions, and orders sessions, so that nothing goes together by accident."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelsense_lab.scenario import Session

# How bad it is to use a value again: in the same design and workload, in the same workload, …
PAIR_WEIGHT, WORKLOAD_WEIGHT, DESIGN_WEIGHT = 1000.0, 50.0, 5.0


def deal(sessions: Sequence[dict[str, Any]], key: str, values: Sequence[Any], rng: random.Random) -> None:
    """Gives each session one of `values` (a value listed twice comes up twice as often).

    Greedy: a session takes the value that its design and workload, then its workload, then its design have had least.
    So a design and workload that comes three times gets three different paths, and a path meets every workload.
    """
    used: Counter[Hashable] = Counter()
    copies = Counter(repr(value) for value in values)
    distinct = list({repr(value): value for value in values}.values())
    for session in sorted(sessions, key=lambda _: rng.random()):
        design, workload = session.get("design"), session.get("workload")
        pools = (
            (PAIR_WEIGHT, (design, workload)),
            (WORKLOAD_WEIGHT, ("workload", workload)),
            (DESIGN_WEIGHT, ("design", design)),
            (1.0, ()),
        )

        def cost(value: Any, pools: Sequence[tuple[float, Hashable]] = pools) -> tuple[float, float]:
            name = repr(value)
            return sum(weight * used[pool, name] for weight, pool in pools) / copies[name], rng.random()

        session[key] = min(distinct, key=cost)
        for _, pool in pools:
            used[pool, repr(session[key])] += 1


def ordered(sessions: Sequence[Session], rng: random.Random) -> list[Session]:
    """A random order in which every beginning is a balanced sample of the whole."""
    rest = sorted(sessions, key=lambda _: rng.random())
    weights = (("workload", 10.0), ("design", 3.0), ("path_name", 3.0), ("protocol", 1.0), ("cdn", 1.0))
    totals = {name: Counter(getattr(session, name) for session in rest) for name, _ in weights}
    used: Counter[tuple[str, Hashable]] = Counter()
    done: list[Session] = []
    while rest:
        chosen = min(
            range(len(rest)),
            key=lambda index: sum(
                weight * (used[name, getattr(rest[index], name)] + 0.5) / totals[name][getattr(rest[index], name)]
                for name, weight in weights
            ),
        )
        session = rest.pop(chosen)
        for name, _ in weights:
            used[name, getattr(session, name)] += 1
        done.append(session)
    return done
