"""Weights & Biases in offline mode, the second tracker: the same record, in files that `wandb sync` can send later."""

from __future__ import annotations

from pathlib import Path

import wandb

from reelsense_training.tracking.record import Record

PROJECT = "reelsense"


def log(record: Record, folder: Path) -> Path:
    """Writes one offline run under ``folder`` and returns its folder. Nothing leaves the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(mode="offline", disable_git=True, disable_code=True, x_disable_stats=True, silent=True,
                              console="off")  # fmt: skip
    run = wandb.init(project=PROJECT, name=f"{record.name}@{record.version}", config=dict(record.parameters),
                     dir=str(folder), settings=settings)  # fmt: skip
    run.log(record.metrics)
    artifact = wandb.Artifact(record.name, type="model", metadata={"version": record.version})
    artifact.add_dir(str(record.bundle))
    artifact.add_file(str(record.report))
    run.log_artifact(artifact)
    made = Path(run.dir).parent
    run.finish()
    return made
