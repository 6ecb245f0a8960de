"""What each ``reelbench`` command does, from its arguments to a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reelsense_training.bench import controls
from reelsense_training.bench.cells import Rules, grid
from reelsense_training.bench.emulate import CONDITIONS, emulate
from reelsense_training.bench.escalation import combine, escalated
from reelsense_training.bench.figures import share
from reelsense_training.bench.folds import Fold, folds
from reelsense_training.bench.lab_data import load_lab
from reelsense_training.bench.page import render
from reelsense_training.bench.predictors import Answers, Labels, StepModel, answers, load_bundle
from reelsense_training.bench.protocol import run_folds
from reelsense_training.bench.public_data import load_public, public_json
from reelsense_training.bench.report import Emulated, Evidence, Subject, build_report
from reelsense_training.bench.trainers import Trainer, resolve
from reelsense_training.bench.windows import Lab, Windows
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.series import DataError

Progress = Callable[[str], None]
Json = dict[str, object]
SHUFFLES = 5


def page(report: Path, out: Path | None) -> Path:
    try:
        content = json.loads(report.read_text())
    except json.JSONDecodeError as error:
        raise DataError(f"{report}: {error}") from error
    target = out or report.with_suffix(".html")
    target.write_text(render(content))
    return target


def _lab(args: argparse.Namespace, progress: Progress) -> tuple[Lab, Extractor]:
    extractor = Extractor(args.reelsense)
    lab = load_lab(args.lab, extractor, args.cache, progress)
    progress(f"{len(lab.sessions)} sessions, {len(lab.windows)} windows, {int(lab.windows.counted.sum())} counted")
    return lab, extractor


def _folds(args: argparse.Namespace, lab: Lab) -> list[Fold]:
    return folds(lab.sessions, tuple(args.hold_out.split(",")), args.folds)


def list_folds(args: argparse.Namespace, progress: Progress) -> str:
    lab, _ = _lab(args, progress)
    return "\n".join(f"{f.name}: train {len(f.train)}, test {len(f.test)} sessions" for f in _folds(args, lab))


def score(args: argparse.Namespace, rules: Rules, progress: Progress) -> Json:
    """A predictor as it is, on every session of the lab."""
    lab, extractor = _lab(args, progress)
    predictor = load_bundle(args.bundle, lab.schema.names) if args.bundle else Labels(args.labels, lab)
    tier = args.tier or ("other" if args.labels else "edge" if isinstance(predictor, StepModel) else "ue")
    found = answers(predictor, lab.windows)
    emulated = None
    if args.bundle and not args.no_emulated:
        windows = emulate(lab, extractor, args.cache, progress=progress)
        right = answers(predictor, windows).right(windows.video)
        emulated = Emulated(windows, right, CONDITIONS)
    escalation: Json = {}
    if args.edge:
        edge = answers(load_bundle(args.edge, lab.schema.names), lab.windows)
        escalation = escalation_json(lab, found, edge, rules)
    note = "" if args.held_out else "nothing is known of what the model was trained on"
    return build_report(
        Evidence(Subject(args.name or predictor.name, tier, args.held_out, note), lab, found, found.in_band(),
                 rules, emulated=emulated, escalation=escalation,
                 controls={"source_identification": controls.source_identification(lab, 1)})
    )  # fmt: skip


def escalation_json(lab: Lab, ue: Answers, edge: Answers, rules: Rules) -> Json:
    """Mean and worst F1 of the UE, of the edge, and of both together."""
    counted = lab.windows.counted
    both = combine(ue, edge, counted)
    asked = escalated(ue, edge, counted)
    result: Json = {"share": share(asked[counted])}
    for name, found in (("ue", ue), ("edge", edge), ("both", both)):
        made = grid(lab, found.right(lab.windows.video), rules)
        worst = made.worst()
        result[name] = {"mean": made.mean, "worst": worst.f1 if worst else None}
    means = [result[name]["mean"] for name in ("edge", "both")]  # type: ignore[index]
    result["behind_edge"] = float(means[0] - means[1])
    return result


def _augmented(args: argparse.Namespace, emulated: Windows | None) -> Windows | None:
    """The windows under the conditions that are trained on; emulated cells of those are then known conditions."""
    if not args.augment:
        return None
    if emulated is None:
        raise ValueError("--augment needs the emulated cells; leave --no-emulated out")
    if args.augment == "all":
        return emulated
    names = {c.name: i for i, c in enumerate(CONDITIONS, start=1)}
    chosen = [name.strip() for name in args.augment.split(";")]
    if unknown := [name for name in chosen if name not in names]:
        raise ValueError(f"no condition {', '.join(unknown)}; there are {'; '.join(names)}")
    return emulated.take(np.isin(emulated.variant, [names[name] for name in chosen]))


@dataclass(frozen=True)
class Run:
    """One run of the protocol: who is retrained in every fold, on what, and what stands beside it."""

    lab: Lab
    split: list[Fold]
    trainer: Trainer
    rules: Rules
    name: str
    tier: str
    seeds: int = 1
    emulated: Windows | None = None  # every session under CONDITIONS
    augmented: Windows | None = None  # trained on too, of training sessions only
    edge: Trainer | Answers | None = None  # answers the windows that the trainer's models are uncertain of
    controls: Trainer | None = None  # a trainer that learns from the lab alone, whose labels can be shuffled
    control_folds: int = 12  # so many of the split's, evenly spread: controls cost many fits
    public: Json = field(default_factory=dict)
    note: str = ""


def run(args: argparse.Namespace, rules: Rules, progress: Progress) -> Json:
    """The protocol: retrain in every fold, answer for what the fold never saw."""
    trainer = resolve(args.trainer)
    lab, extractor = _lab(args, progress)
    windows = None if args.no_emulated else emulate(lab, extractor, args.cache, progress=progress)
    return run_protocol(
        Run(
            lab, _folds(args, lab), trainer, rules, args.name or trainer.name, args.tier or "ue", args.seeds, windows,
            _augmented(args, windows), resolve(args.edge_trainer) if args.edge_trainer else None,
            None if args.no_controls else trainer, public=_public(args, lab, extractor, trainer, progress),
        ),
        progress,
    )  # fmt: skip


def run_protocol(run: Run, progress: Progress, keep: Path | None = None) -> Json:
    """The report of a run. ``keep`` is where the held-out answers are stored, for runs that escalate to them."""
    lab, rules = run.lab, run.rules
    seeds, first = [], None
    for seed in range(1, run.seeds + 1):
        emulated = run.emulated if seed == 1 else None
        found = run_folds(lab, run.split, run.trainer, seed, emulated, run.augmented, progress)
        first = first or found
        made = grid(lab, found.right, rules, seed=seed)
        worst = made.worst()
        seeds.append({"seed": seed, "worst": worst.f1 if worst else None, "mean": made.mean})
    if first is None:
        raise ValueError("--seeds must be at least 1")
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        np.savez(keep, probability=first.answers.probability, digest=np.array(lab.digest))
    escalation: Json = {}
    if run.edge is not None:
        edge = run.edge
        if not isinstance(edge, Answers):
            edge = run_folds(lab, run.split, edge, 1, None, run.augmented, progress).answers
        escalation = escalation_json(lab, _with_band(first.answers, first.band), edge, rules)
    some = run.split[:: max(1, len(run.split) // run.control_folds)]
    controlled = {} if run.controls is None else _controls(lab, some, run.controls, rules, progress)
    conditions = None
    if run.emulated is not None and first.emulated_right is not None:
        conditions = Emulated(run.emulated, first.emulated_right, CONDITIONS)
    return build_report(
        Evidence(
            Subject(run.name, run.tier, True, run.note), lab, first.answers, first.band, rules, tuple(run.split),
            conditions, escalation, controlled, tuple(seeds), run.public,
        )
    )  # fmt: skip


def kept_answers(path: Path, lab: Lab) -> Answers | None:
    """Held-out answers that a run on the same sessions kept, if there are any."""
    if not path.is_file():
        return None
    with np.load(path) as stored:
        if str(stored["digest"]) != lab.digest:
            return None
        return Answers(stored["probability"], 0.5, (0.5, 0.5))


def _with_band(found: Answers, band: np.ndarray) -> Answers:
    """One band for all folds: as wide as the windows that each fold's own band marked."""
    marked = found.probability[band]
    if not len(marked):
        return found
    half = float(np.nanquantile(np.abs(marked - 0.5), 0.95))
    return Answers(found.probability, found.threshold, (0.5 - half, 0.5 + half))


def _controls(lab: Lab, split: list[Fold], trainer: Trainer, rules: Rules, progress: Progress) -> Json:
    return {
        "shuffled_labels": controls.shuffled_labels(lab, split, trainer, 1, SHUFFLES, progress),
        "source_identification": controls.source_identification(lab, 1),
        "ablation": controls.ablation(lab, split, trainer, rules, 1, progress),
    }


def _public(args: argparse.Namespace, lab: Lab, extractor: Extractor, trainer: Trainer, progress: Progress) -> Json:
    if not args.public:
        return {}
    return public_json(lab, load_public(args.public, extractor, args.cache, progress), trainer, 1, progress)
