"""What is logged of a model: its manifest and its ReelBench report as flat parameters and metrics."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NOT_A_NAME = re.compile(r"[^\w./ -]+")


class RecordError(Exception):
    """The bundle or the report cannot be read; the message names the file."""


@dataclass(frozen=True)
class Record:
    """One bundle with its report. ``worst`` and ``mean`` are the headline; None where not measured."""

    name: str
    version: str
    bundle: Path
    report: Path
    parameters: dict[str, str]
    metrics: dict[str, float]
    held_out: bool
    lab_digest: str
    worst: float | None
    mean: float | None


def _load(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise RecordError(f"{path}: {error}") from error


def metric_name(*parts: str) -> str:
    """A name that both trackers take: letters, digits, and ``_ . - / space``."""
    return "/".join(_NOT_A_NAME.sub("_", part) for part in parts)


def _metrics(report: dict[str, Any]) -> dict[str, float]:
    head, timing = report["headline"], report["timing"]
    found: dict[str, float | None] = {
        "worst_cell_f1": head["worst"],
        "worst_of_all_cells_f1": head["worst_any"],
        "mean_f1": head["mean"],
        "ece": report["calibration"].get("ece"),
        "uncertain_share": report["uncertain"]["share"],
        "accuracy_sure": report["uncertain"]["accuracy_sure"],
        "session_reels_accuracy": report["session"]["reels"],
        "time_to_label_median_s": timing["all"]["median_s"],
        "recognised_within_2_s": timing["all"]["within"].get("2"),
        "slow_recognised_within_3_s": timing["slow"]["within"].get("3"),
        "targets_met": float(sum(row["met"] is True for row in report["targets"])),
        "targets_missed": float(sum(row["met"] is False for row in report["targets"])),
    }
    for cell in report["grid"]["cells"]:
        found[metric_name("cell", cell["path"], cell["opponent"])] = cell["f1"]
    for row in report["emulated"].get("conditions", []):
        found[metric_name("emulated", row["condition"])] = row["f1"]
    return {name: float(value) for name, value in found.items() if value is not None}


def _parameters(manifest: dict[str, Any], report: dict[str, Any]) -> dict[str, str]:
    data = report["data"]
    chosen = {
        "name": manifest["name"], "version": manifest["version"], "tier": manifest["tier"], "view": manifest["view"],
        "schema_hash": manifest["schema_hash"], "features": len(manifest["features"]),
        "threshold": manifest["threshold"], "uncertain": manifest["uncertain"],
        "training_data_digest": manifest["training_data"]["digest"], "source_commit": manifest["source_commit"],
        "lab_digest": data["digest"], "lab_sessions": data["sessions"], "held_out": report["subject"]["held_out"],
        "folds": len(report["split"]),
    }  # fmt: skip
    return {name: str(value) for name, value in chosen.items()}


def read_record(bundle: Path, report: Path) -> Record:
    """``report`` is report.json; the page beside it is logged too where it is there."""
    manifest, found = _load(bundle / "manifest.json"), _load(report)
    try:
        head = found["headline"]
        return Record(
            manifest["name"], manifest["version"], bundle, report, _parameters(manifest, found), _metrics(found),
            bool(found["subject"]["held_out"]), found["data"]["digest"], head["worst"], head["mean"],
        )  # fmt: skip
    except KeyError as error:
        raise RecordError(f"{bundle / 'manifest.json'} or {report}: no {error}") from error
