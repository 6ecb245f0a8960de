"""The figures of a release as plain JSON values: what manifest.json holds under ``metrics`` and the card
prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import Corpus, Dataset, concatenate
from reelsense_training.data.series import SOURCES
from reelsense_training.fit.evaluate import Decision, HeldOut, Predictions, source_rates
from reelsense_training.fit.metrics import Rates, expected_calibration_error, headline, rates
from reelsense_training.fit.splits import cell_weights

Json = dict[str, object]
EARLY_SECONDS = (1, 3, 5, 10)
MIN_CELL = 50  # active windows that a cell needs to be named the worst


def rounded(value: float) -> float | None:
    """Four decimals; a figure without windows is null."""
    return None if np.isnan(value) else round(float(value), 4)


def rates_json(found: Rates) -> Json:
    return {
        "windows": found.windows,
        "recall": rounded(found.recall),
        "specificity": rounded(found.specificity),
        "balanced_accuracy": rounded(found.balanced_accuracy),
        "f1": rounded(found.f1),
    }


def _active(windows: Dataset) -> NDArray[np.bool_]:
    return windows.active


def _light(windows: Dataset) -> NDArray[np.bool_]:
    return ~windows.active


def _early(seconds: int) -> Callable[[Dataset], NDArray[np.bool_]]:
    return lambda windows: windows.active & (windows.second < seconds)


def held_out_json(runs: list[HeldOut]) -> Json:
    """Figures of the first run (seed), with the spread over all runs beside them."""
    first = runs[0]
    sources: Json = {}
    for s, source in enumerate(SOURCES):
        windows = first.predictions[s].windows
        video, probability = windows.video[windows.active], first.probability(s)[windows.active]
        spread = [run.rates(s, _active).balanced_accuracy for run in runs]
        sources[source.name] = {
            **rates_json(first.rates(s, _active)),
            "balanced_accuracy_by_seed": [rounded(v) for v in spread],
            "ece": rounded(expected_calibration_error(video, probability, np.ones(len(video)))),
            "chosen": first.chosen[s],
            "threshold": first.decisions[s].threshold,
            "light": rates_json(first.rates(s, _light)),
            "early": {str(n): rates_json(first.rates(s, _early(n))) for n in EARLY_SECONDS},
        }
    headlines = [run.headline() for run in runs]
    return {
        "headline": rounded(float(np.mean(headlines))),
        "headline_by_seed": [rounded(v) for v in headlines],
        "sources": sources,
        "uncertain": _uncertain_json(
            [(run.predictions[s], run.decisions[s]) for run in runs[:1] for s in range(len(SOURCES))]
        ),
    }


def known_json(predictions: Predictions, decision: Decision) -> Json:
    """Figures on sources that training knew, by groups that it did not."""
    windows = predictions.windows
    probability = decision.platt.apply(predictions.logit)
    active = source_rates(predictions, decision, windows.active)
    light = source_rates(predictions, decision, ~windows.active)
    sources: Json = {}
    for s, source in enumerate(SOURCES):
        mask = windows.active & (windows.source == s)
        ece = expected_calibration_error(windows.video[mask], probability[mask], np.ones(int(mask.sum())))
        early = {
            str(n): rates_json(source_rates(predictions, decision, windows.active & (windows.second < n))[s])
            for n in EARLY_SECONDS
        }
        sources[source.name] = {
            **rates_json(active[s]), "ece": rounded(ece), "light": rates_json(light[s]), "early": early,
        }  # fmt: skip
    public = windows.active & (windows.source < len(SOURCES))
    pooled = rates(windows.video[public], (probability >= decision.threshold)[public])
    return {
        "headline": rounded(headline(*active)),
        "windows": pooled.windows,
        "f1": rounded(pooled.f1),
        "sources": sources,
        "uncertain": _uncertain_json([(predictions, decision)]),
    }


def _uncertain_json(parts: list[tuple[Predictions, Decision]]) -> Json:
    """Share of active windows in the band and accuracy in and outside it, source x class weighing alike."""
    inside, right = [], []
    total: list[Dataset] = []
    for predictions, decision in parts:
        active = predictions.take(predictions.windows.active)
        probability = decision.platt.apply(active.logit)
        low, high = decision.uncertain
        inside.append((probability > low) & (probability < high))
        right.append((probability >= decision.threshold) == active.windows.video)
        total.append(active.windows)
    weights = cell_weights(concatenate(total), 0.0)
    band, correct = np.concatenate(inside), np.concatenate(right)
    weights = weights / weights.sum()

    def accuracy(mask: NDArray[np.bool_]) -> float | None:
        share = weights[mask].sum()
        return rounded(float(weights[mask & correct].sum() / share)) if share else None

    return {
        "share": rounded(float(weights[band].sum())),
        "accuracy_inside": accuracy(band),
        "accuracy_outside": accuracy(~band),
    }


def conditions_json(corpus: Corpus, run: HeldOut, known: Predictions, decision: Decision) -> Json:
    """Recall of each cell (condition x class), held out and known; the worst of the large cells is named."""
    cells: dict[str, Json] = {}
    known_said = decision.platt.apply(known.logit) >= decision.threshold
    sources = {source.name: s for s, source in enumerate(SOURCES)}
    for number, name in enumerate(corpus.conditions):
        if (source := sources.get(name.split("/")[0])) is None:
            continue  # the lab's workloads: ReelBench reports them, and never together with these
        windows = run.predictions[source].windows
        for video, label in ((True, "video"), (False, "non-video")):
            mask = windows.active & (windows.condition == number) & (windows.video == video)
            if not mask.any():
                continue
            known_mask = known.windows.active & (known.windows.condition == number)
            known_mask &= known.windows.video == video
            cells[f"{name} {label}"] = {
                "windows": int(mask.sum()),
                "held_out": rounded(float(np.mean(run.said(source)[mask] == video))),
                "known": rounded(float(np.mean(known_said[known_mask] == video))),
            }
    large = {name: cell for name, cell in cells.items() if int(str(cell["windows"])) >= MIN_CELL}
    worst = {
        way: min(large, key=lambda name, way=way: float(str(large[name][way])))
        for way in ("held_out", "known")
    }
    return {"cells": cells, "worst": worst, "worst_of_at_least_windows": MIN_CELL}


def bench_json(report: Json) -> Json:
    """What a manifest keeps of a ReelBench report: the lab's figures, never mixed with the public ones."""
    data = report["data"]
    return {
        "definition": "ReelBench (docs/reference/reelbench.md): app designs and paths held out together; F1 with "
        "classes weighing alike, over counted windows",
        "sessions": data["sessions"],
        "windows": data["counted"],
        **{
            key: report[key]
            for key in ("headline", "hard_paths", "timing", "uncertain", "session", "escalation", "targets", "seeds")
        },
        "ece": report["calibration"].get("ece"),
    }


def bench_of(folder: Path, lab_digest: str) -> Json | None:
    """``bench_json`` of the report under ``folder``, if it is of the lab sessions that the model learned from."""
    path = folder / "reelbench" / "report.json"
    if not path.is_file():
        return None
    report = json.loads(path.read_text())
    return bench_json(report) if report["data"]["digest"] == lab_digest else None


def public_json(metrics: Json) -> Json:
    """The public figures as ReelBench's report states them, apart from the lab's: a source hidden, and known ones."""
    held = metrics["held_out"]
    names = ("windows", "recall", "specificity")
    sources = {source: {name: values[name] for name in names} for source, values in held["sources"].items()}
    result: Json = {"held_out": {"headline": held["headline"], "sources": sources}}
    if "known" in metrics:
        result["grouped"] = {name: metrics["known"][name] for name in ("windows", "f1")}
    return result
