"""From answers to ``report.json``: every figure of the page, in plain JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.cells import HARD, Grid, Rules, grid, opponents
from reelsense_training.bench.emulate import Condition
from reelsense_training.bench.figures import (
    balanced_f1,
    class_weights,
    expected_calibration_error,
    f1_of,
    reliability,
    rounded,
    share,
)
from reelsense_training.bench.folds import Fold
from reelsense_training.bench.predictors import Answers
from reelsense_training.bench.session_rule import session_accuracy
from reelsense_training.bench.targets import held_against
from reelsense_training.bench.timing import timing
from reelsense_training.bench.windows import Lab, Windows

FORMAT = 1
FACETS = ("family", "protocol", "cdn", "design", "congestion", "policed", "outage")
Json = dict[str, object]


@dataclass(frozen=True)
class Emulated:
    """Answers on windows under emulated conditions; ``windows.variant`` is 1 + the condition's index."""

    windows: Windows
    right: NDArray[np.bool_]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Subject:
    """What is evaluated. ``held_out``: the answers are of models that never saw the session's design or path."""

    name: str
    tier: str  # "ue", "edge" or "other"
    held_out: bool
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that a report is made from. ``band`` [W] marks uncertain windows."""

    subject: Subject
    lab: Lab
    answers: Answers
    band: NDArray[np.bool_]
    rules: Rules = field(default_factory=Rules)
    folds: tuple[Fold, ...] = ()
    emulated: Emulated | None = None
    escalation: Json = field(default_factory=dict)
    controls: Json = field(default_factory=dict)
    seeds: tuple[Json, ...] = ()
    public: Json = field(default_factory=dict)
    seed: int = 1


def headline(made: Grid, families: Grid) -> Json:
    """The worst hard cell first, then the mean of all cells; the worst of all cells is never hidden behind them.

    ``families`` is the grid over families of paths: fewer cells of more sessions, so less at the mercy of one session.
    """
    worst, worst_any, family = made.worst(), made.worst(hard_only=False), families.worst()
    return {
        "worst": worst.f1 if worst else None,
        "worst_cell": f"{worst.opponent} on {worst.path}" if worst else None,
        "worst_interval": made.worst_interval,
        "worst_any": worst_any.f1 if worst_any else None,
        "worst_any_cell": f"{worst_any.opponent} on {worst_any.path}" if worst_any else None,
        "worst_family": family.f1 if family else None,
        "worst_family_cell": f"{family.opponent} on {family.path} paths" if family else None,
        "worst_family_interval": families.worst_interval,
        "mean": made.mean,
        "mean_interval": made.mean_interval,
        "cells": len(made.cells),
        "hard_cells": sum(c.hard for c in made.cells),
        "missing_hard": sorted(set(HARD) - {c.opponent for c in made.cells}),
    }


def _hard_paths(lab: Lab, right: NDArray[np.bool_], rules: Rules) -> Json:
    """The recorded cells of paths with loss, a long round trip, little rate or policing."""
    made = grid(lab, right, rules, only=lab.attribute("hard_path").astype(bool))
    worst = made.worst(hard_only=False)
    return {
        "mean": made.mean,
        "cells": len(made.cells),
        "worst": worst.f1 if worst else None,
        "worst_cell": f"{worst.opponent} on {worst.path}" if worst else None,
    }


def _data(lab: Lab) -> Json:
    windows = lab.windows
    return {
        "digest": lab.digest,
        "sessions": len(lab.sessions),
        "windows": len(windows),
        "counted": int(windows.counted.sum()),
        "video": int((windows.counted & windows.video).sum()),
        "flows": len(np.unique(windows.flow)),
        "designs": sorted({s.design for s in lab.sessions}),
        "paths": sorted({s.path for s in lab.sessions}),
        "protocols": sorted({s.protocol for s in lab.sessions}),
        "workloads": list(lab.workloads),
        "schema_hash": lab.schema.schema_hash,
    }


def _by_workload(evidence: Evidence, right: NDArray[np.bool_]) -> list[Json]:
    """Confusion by workload and truth: how many windows, how many labelled right, how many marked uncertain."""
    windows = evidence.lab.windows
    names, rows = opponents(evidence.lab), []
    for video in (True, False):
        side = windows.counted & (windows.video == video)
        for name in sorted(set(names[side])):
            mask = side & (names == name)
            rows.append(
                {"workload": name, "video": video, "windows": int(mask.sum()),
                 "sessions": len(np.unique(windows.session[mask])), "right": share(right[mask]),
                 "uncertain": share(evidence.band[mask])}
            )  # fmt: skip
    return rows


def _calibration(evidence: Evidence) -> Json:
    use = evidence.lab.windows.counted & ~np.isnan(evidence.answers.probability)
    video, probability = evidence.lab.windows.video[use], evidence.answers.probability[use]
    if not len(video):
        return {}
    table = reliability(video, probability, class_weights(video))
    as_it_comes = reliability(video, probability, np.ones(len(video)))
    return {"ece": expected_calibration_error(table), "ece_unweighted": expected_calibration_error(as_it_comes),
            "bins": table}  # fmt: skip


def _uncertain(evidence: Evidence, right: NDArray[np.bool_]) -> Json:
    counted, band = evidence.lab.windows.counted, evidence.band
    return {
        "share": share(band[counted]),
        "accuracy": share(right[counted]),
        "accuracy_sure": share(right[counted & ~band]),
        "accuracy_uncertain": share(right[counted & band]),
        "unanswered": share(np.isnan(evidence.answers.probability[counted])),
    }


def emulated_json(lab: Lab, emulated: Emulated, rules: Rules) -> Json:
    """A row a condition: all video against each opponent of enough windows, opponents weighing alike."""
    windows = emulated.windows
    names = opponents(_with_windows(lab, windows))
    rows = []
    for number, condition in enumerate(emulated.conditions, start=1):
        use = windows.counted & (windows.variant == number)
        recall = share(emulated.right[use & windows.video])
        found = {}
        for name in sorted(set(names[use & ~windows.video])):
            mask = use & ~windows.video & (names == name)
            if mask.sum() >= rules.min_windows:
                found[name] = share(emulated.right[mask])
        if not found or np.count_nonzero(use & windows.video) < rules.min_windows:
            continue
        worst = min(found, key=lambda n: found[n])
        rows.append(
            {"condition": condition.name, "axis": condition.axis, "value": condition.value,
             "target": condition.target, "windows": int(use.sum()), "recall": recall,
             "specificity": float(np.mean(list(found.values()))),
             "f1": float(balanced_f1(recall, 1 - np.mean(list(found.values())))),
             "worst_opponent": worst, "worst_f1": float(balanced_f1(recall, 1 - found[worst]))}
        )  # fmt: skip
    in_target = [row["f1"] for row in rows if row["target"]]
    return {"conditions": rows, "worst_target": min(in_target) if in_target else None}


def _with_windows(lab: Lab, windows: Windows) -> Lab:
    return Lab(lab.sessions, lab.workloads, windows, lab.truth, lab.keys, lab.schema, lab.digest)


def _folds(folds: tuple[Fold, ...]) -> list[Json]:
    return [
        {"name": f.name, "train_sessions": len(f.train), "test_sessions": len(f.test), "held_out": f.held_out}
        for f in folds
    ]


def build_report(evidence: Evidence) -> Json:
    """The whole report. Figures that could not be measured are null, never left to be guessed."""
    lab = evidence.lab
    right = evidence.answers.right(lab.windows.video)
    made = grid(lab, right, evidence.rules, seed=evidence.seed)
    report: Json = {
        "format": FORMAT,
        "subject": vars(evidence.subject),
        "data": _data(lab),
        "rules": vars(evidence.rules),
        "split": _folds(evidence.folds),
        "headline": headline(made, grid(lab, right, evidence.rules, by="family", seed=evidence.seed)),
        "pooled": f1_of(right[lab.windows.counted], lab.windows.video[lab.windows.counted]),
        "grid": made.to_json(),
        "facets": {f: grid(lab, right, evidence.rules, by=f, seed=evidence.seed).to_json() for f in FACETS},
        "hard_paths": _hard_paths(lab, right, evidence.rules),
        "workloads": _by_workload(evidence, right),
        "timing": timing(lab, right),
        "calibration": _calibration(evidence),
        "uncertain": _uncertain(evidence, right),
        "session": session_accuracy(lab, evidence.answers),
        "emulated": emulated_json(lab, evidence.emulated, evidence.rules) if evidence.emulated else {},
        "escalation": evidence.escalation,
        "controls": evidence.controls,
        "seeds": list(evidence.seeds),
        "public": evidence.public,
    }
    report["targets"] = held_against(report, evidence.subject.tier)
    return rounded(report)  # type: ignore[return-value]
