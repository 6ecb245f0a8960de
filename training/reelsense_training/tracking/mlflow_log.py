"""MLflow: a run with figures and files, a version of the registered model, the aliases champion and challenger."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from reelsense_training.tracking.promotion import Decision, Standing, decide
from reelsense_training.tracking.record import Record

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

# A new store's migrations tell a hundred lines; what goes wrong is an exception anyway.
for _name in ("alembic", "mlflow.store.db.utils"):
    logging.getLogger(_name).setLevel(logging.WARNING)

CHAMPION, CHALLENGER = "champion", "challenger"
EXPERIMENT = "reelsense"


@dataclass(frozen=True)
class Logged:
    run: str
    version: str


class Registry:
    """One tracking store: ``sqlite:///…`` with a folder for artefacts, or a server, which has its own."""

    def __init__(self, uri: str, artefacts: str | None = None) -> None:
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._artefacts = artefacts

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return found.experiment_id
        return self._client.create_experiment(EXPERIMENT, artifact_location=self._artefacts)

    def log(self, record: Record) -> Logged:
        """Logs the run, registers the bundle as a new version and makes it the challenger."""
        client = self._client
        run = client.create_run(self._experiment(), run_name=f"{record.name}@{record.version}").info.run_id
        for name, value in record.parameters.items():
            client.log_param(run, name, value)
        for name, value in record.metrics.items():
            client.log_metric(run, name, value)
        client.log_artifacts(run, str(record.bundle), "bundle")
        client.log_artifact(run, str(record.report), "report")
        page = record.report.with_suffix(".html")
        if page.is_file():
            client.log_artifact(run, str(page), "report")
        client.set_terminated(run)
        return Logged(run, self._register(record, run))

    def _register(self, record: Record, run: str) -> str:
        client = self._client
        try:
            client.get_registered_model(record.name)
        except MlflowException:
            client.create_registered_model(record.name)
        source = client.get_run(run).info.artifact_uri + "/bundle"
        tags = {
            "bundle_version": record.version, "lab_digest": record.lab_digest, "held_out": str(record.held_out),
            "worst": "" if record.worst is None else repr(record.worst),
        }  # fmt: skip
        version = str(client.create_model_version(record.name, source, run_id=run, tags=tags).version)
        client.set_registered_model_alias(record.name, CHALLENGER, version)
        return version

    def standing(self, name: str, alias: str) -> Standing | None:
        try:
            found = self._client.get_model_version_by_alias(name, alias)
        except MlflowException:
            return None
        tags = found.tags
        worst = float(tags["worst"]) if tags.get("worst") else None
        return Standing(str(found.version), worst, tags.get("held_out") == "True", tags.get("lab_digest", ""))

    def promote(self, name: str) -> Decision:
        """Gives the challenger the alias champion if the rule allows it."""
        challenger, champion = self.standing(name, CHALLENGER), self.standing(name, CHAMPION)
        if challenger is None:
            return Decision(False, f"{name} has no challenger")
        if champion is not None and champion.version == challenger.version:
            return Decision(False, f"version {champion.version} is the champion already")
        decision = decide(champion, challenger)
        if decision.promote:
            self._client.set_registered_model_alias(name, CHAMPION, challenger.version)
        return decision
