"""Tracking: what is logged, the promotion rule, and a real MLflow store and offline W&B run in the tracking venv."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY

from reelsense_training.tracking.promotion import Standing, decide
from reelsense_training.tracking.record import RecordError, metric_name, read_record

PYTHON = REPOSITORY / "build" / "tracking-venv" / "bin" / "python"
BUNDLE = REPOSITORY / "models" / "reelsense-ue" / "1.0.0"


def write_report(folder: Path, worst: float | None, held_out: bool = True, digest: str = "d") -> Path:
    """The parts of a report that are logged."""
    report = {
        "headline": {"worst": worst, "worst_any": worst, "mean": 0.95},
        "subject": {"held_out": held_out},
        "data": {"digest": digest, "sessions": 3},
        "split": [],
        "timing": {"all": {"median_s": 1.0, "within": {"2": 0.9}}, "slow": {"within": {}}},
        "calibration": {"ece": 0.02},
        "uncertain": {"share": 0.1, "accuracy_sure": 0.99},
        "session": {"reels": None},
        "targets": [{"met": True}, {"met": False}, {"met": None}],
        "grid": {"cells": [{"path": "lte", "opponent": "video's pages", "f1": 0.9}]},
        "emulated": {},
    }
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return path


def standing(version: str, worst: float | None, held_out: bool = True, digest: str = "d") -> Standing:
    return Standing(version, worst, held_out, digest)


def test_record_report_and_manifest_become_metrics_and_parameters(tmp_path: Path) -> None:
    record = read_record(BUNDLE, write_report(tmp_path, 0.91))
    assert record.metrics["worst_cell_f1"] == 0.91
    assert record.metrics["cell/lte/video_s pages"] == 0.9
    assert (record.metrics["targets_met"], record.metrics["targets_missed"]) == (1.0, 1.0)
    assert "session_reels_accuracy" not in record.metrics  # not measured is not zero
    assert record.parameters["name"] == "reelsense-ue"


def test_record_report_is_not_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(RecordError, match=r"report\.json"):
        read_record(BUNDLE, tmp_path / "report.json")


def test_metric_name_odd_characters_become_underscores() -> None:
    assert metric_name("emulated", "loss 30 %, 0.5 Mbit/s") == "emulated/loss 30 _ 0.5 Mbit/s"


@pytest.mark.parametrize(
    ("champion", "challenger", "promoted"),
    [
        (None, standing("1", 0.5), True),
        (None, standing("1", None), False),
        (standing("1", 0.9), standing("2", 0.9), True),
        (standing("1", 0.9), standing("2", 0.8999), False),
        (standing("1", 0.9), standing("2", 0.95, digest="other"), False),
        (standing("1", 0.9), standing("2", 0.95, held_out=False), False),
        (standing("1", 0.9, held_out=False), standing("2", 0.91), True),
        (standing("1", None), standing("2", 0.1), True),
    ],
)
def test_promotion_only_where_the_worst_cell_is_not_worse(
    champion: Standing | None, challenger: Standing, promoted: bool
) -> None:
    decision = decide(champion, challenger)
    assert decision.promote is promoted
    assert decision.reason


# One process for the whole story: importing MLflow is what takes the time.
STORY = """
import sys
from pathlib import Path
from reelsense_training.tracking.mlflow_log import CHALLENGER, CHAMPION, Registry
from reelsense_training.tracking.record import read_record

store, bundle, *reports = map(Path, sys.argv[1:])
registry = Registry(f"sqlite:///{store / 'mlflow.db'}", (store / "artefacts").as_uri())
for report in reports:
    logged = registry.log(read_record(bundle, report))
    print(logged.version, registry.promote("reelsense-ue"))
print([registry.standing("reelsense-ue", alias).version for alias in (CHAMPION, CHALLENGER)])
"""


def run(folder: Path, *arguments: str) -> str:
    if not PYTHON.is_file():
        pytest.skip("SKIPPED: no build/tracking-venv; run scripts/tracking-venv")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "training")}
    command = [str(PYTHON), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mlflow_store_second_version_is_champion_only_if_not_worse(tmp_path: Path) -> None:
    reports = []
    for name, worst in (("first", 0.90), ("second", 0.85), ("third", 0.91)):
        (tmp_path / name).mkdir()
        reports.append(str(write_report(tmp_path / name, worst)))
    told = run(tmp_path, "-c", STORY, str(tmp_path), str(BUNDLE), *reports).splitlines()
    assert told[0].startswith("1 Decision(promote=True")
    assert told[1].startswith("2 Decision(promote=False")
    assert "0.8500 is below the champion's 0.9000" in told[1]
    assert told[2].startswith("3 Decision(promote=True")
    assert told[3] == "['3', '3']"
    assert len(list(tmp_path.glob("artefacts/*/artifacts/bundle/model.onnx"))) == 3


def test_log_command_registers_and_writes_an_offline_wandb_run(tmp_path: Path) -> None:
    told = run(tmp_path, "-m", "reelsense_training.tracking", "--store", "store", "log", "--bundle", str(BUNDLE),
               "--report", str(write_report(tmp_path, 0.9)))  # fmt: skip
    assert "reelsense-ue version 1, challenger" in told
    assert list(tmp_path.glob("store/wandb/wandb/offline-run-*/run-*.wandb"))
