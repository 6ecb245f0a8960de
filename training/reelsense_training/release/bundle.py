"""Writes ``models/<name>/<version>/``: model.onnx, model.tflite, golden.json, model_card.md, manifest.json.

docs/reference/model-bundle.md is the contract; the C++ reader is bundle/.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from reelsense_training.export.onnx_writer import to_onnx
from reelsense_training.export.tflite_writer import to_tflite
from reelsense_training.model.forest import Forest, from_booster
from reelsense_training.model.linear import Linear
from reelsense_training.model.metadata import LABELS, TIER, Contract
from reelsense_training.release.card import write_card
from reelsense_training.release.provenance import source_commit

MANIFEST_FORMAT = 1
CARD = "model_card.md"
GOLDEN_ROWS = 64
GOLDEN_SEED = 20
GOLDEN_NOTE = (
    "Generated rows, not taken from any data: each value lies between or beyond the edges of its feature's "
    "reference histogram. probability is LightGBM's or the linear formula's in float64; an engine agrees "
    "within 1e-5."
)


@dataclass(frozen=True)
class Release:
    """All that a bundle holds."""

    contract: Contract
    model: lgb.Booster | Linear  # calibrated
    description: str
    calibration: dict
    metrics: dict
    training_data: dict
    histograms: dict

    def plain(self) -> Forest | Linear:
        return from_booster(self.model) if isinstance(self.model, lgb.Booster) else self.model

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        if isinstance(self.model, lgb.Booster):
            return np.asarray(self.model.predict(rows.astype(np.float64)), np.float64)
        return self.model.predict(rows)


def golden_rows(histograms: dict, names: tuple[str, ...], count: int, seed: int) -> NDArray[np.float32]:
    """Rows [count, F] that wander through every bin of every feature's reference histogram."""
    rng = np.random.default_rng(seed)
    columns = []
    for name in names:
        edges = np.array(histograms["features"][name]["edges"])
        margin = max(1.0, float(edges[-1] - edges[0])) / 4
        bounds = np.concatenate([[edges[0] - margin], edges, [edges[-1] + margin]])
        bin_index = rng.integers(0, len(bounds) - 1, count)
        columns.append(rng.uniform(bounds[bin_index], bounds[bin_index + 1]))
    return np.column_stack(columns).astype(np.float32)


def _golden(release: Release) -> bytes:
    rows = golden_rows(release.histograms, release.contract.features, GOLDEN_ROWS, GOLDEN_SEED)
    golden = {
        "note": GOLDEN_NOTE,
        "schema_hash": release.contract.schema_hash,
        "features": list(release.contract.features),
        "rows": [[float(v) for v in row] for row in rows],
        "probability": [float(f"{p:.9g}") for p in release.predict(rows)],
    }
    return _json(golden, indent=None)


def _json(value: object, indent: int | None = 1) -> bytes:
    return (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _manifest(release: Release, files: dict[str, bytes]) -> dict:
    contract = release.contract
    props = contract.props()
    low, high = (float(v) for v in props["reelsense.uncertain"].split(","))
    return {
        "format": MANIFEST_FORMAT,
        "name": contract.name,
        "version": contract.version,
        "description": release.description,
        "tier": TIER,
        "view": contract.view,
        "schema_hash": contract.schema_hash,
        "features": list(contract.features),
        "labels": list(LABELS),
        "threshold": float(props["reelsense.threshold"]),
        "uncertain": [low, high],
        "calibration": release.calibration,
        "metrics": release.metrics,
        "training_data": release.training_data,
        "reference_histograms": release.histograms,
        "source_commit": "",
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }


def _released_manifest(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def write_bundle(release: Release, models: Path, repository: Path) -> Path:
    """Writes the bundle under ``models`` and returns its folder; the manifest is written last."""
    contract, plain = release.contract, release.plain()
    files = {
        "model.onnx": to_onnx(plain, contract),
        "model.tflite": to_tflite(plain, contract),
        "golden.json": _golden(release),
    }
    if isinstance(release.model, lgb.Booster):
        files["lightgbm.txt"] = release.model.model_to_string(num_iteration=-1).encode()
    sizes = {name: len(data) for name, data in files.items()}
    files[CARD] = write_card(release.contract, release.description, release.calibration,
                                        release.metrics, release.training_data, sizes).encode()  # fmt: skip
    manifest = json.loads(_json(_manifest(release, files)))
    released = _released_manifest(repository / "models" / contract.name / contract.version / "manifest.json")
    manifest["source_commit"] = source_commit(manifest, released, repository)
    folder = models / contract.name / contract.version
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        if stale.name not in files:
            stale.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(_json(manifest))
    return folder


def rewrite_card(folder: Path, manifest: dict) -> Path:
    """Writes a bundle's card and its digest again from what the manifest says."""
    contract = Contract(
        manifest["name"], manifest["version"], manifest["view"], manifest["schema_hash"],
        tuple(manifest["features"]), manifest["threshold"], tuple(manifest["uncertain"]),
    )  # fmt: skip
    path = folder / CARD
    sizes = {name: (folder / name).stat().st_size for name in manifest["files"] if name != CARD}
    text = write_card(
        contract, manifest["description"], manifest["calibration"], manifest["metrics"],
        manifest["training_data"], sizes,
    ).encode()  # fmt: skip
    path.write_bytes(text)
    manifest["files"][CARD] = hashlib.sha256(text).hexdigest()
    (folder / "manifest.json").write_bytes(_json(manifest))
    return path
