"""The released edge bundle with ONNX Runtime alone: golden vectors with carried state, open batch, its contract."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import REPOSITORY

from reelsense_training.edge.parity import Step, onnx_step, run

BUNDLES = sorted(path.parent for path in REPOSITORY.glob("models/reelsense-edge/*/manifest.json"))


class Bundle:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        golden = json.loads((folder / "golden.json").read_text())
        self.windows = np.array(golden["windows"], np.float32)
        self.probability, self.state = np.array(golden["probability"]), np.array(golden["state"])
        self.model = (folder / "model.onnx").read_bytes()
        self.step: Step = onnx_step(self.model)
        self.props = {p.key: p.value for p in onnx.load_model_from_string(self.model).metadata_props}


@pytest.fixture(scope="module", params=BUNDLES, ids=lambda path: path.name)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return Bundle(request.param)


def test_there_is_a_bundle_to_test() -> None:
    assert BUNDLES


def test_golden_with_carried_state_agrees(bundle: Bundle) -> None:
    found = run(bundle.step, bundle.windows, bundle.state.shape[1])
    assert np.abs(found - bundle.probability).max() <= 1e-5
    assert 0.02 < np.mean(bundle.probability >= bundle.manifest["threshold"]) < 0.98


def test_golden_with_state_forgotten_does_not_agree(bundle: Bundle) -> None:
    said = [
        bundle.step(np.ascontiguousarray(bundle.windows[:, t]), np.zeros_like(bundle.state, np.float32))[0][:, 0]
        for t in range(bundle.windows.shape[1])
    ]
    assert np.abs(np.stack(said, 1) - bundle.probability)[:, 1:].max() > 1e-2


def test_last_state_agrees(bundle: Bundle) -> None:
    state = np.zeros(bundle.state.shape, np.float32)
    for t in range(bundle.windows.shape[1]):
        _, state = bundle.step(np.ascontiguousarray(bundle.windows[:, t]), state)
    assert np.abs(state - bundle.state).max() <= 1e-4


@pytest.mark.parametrize("batch", [1, 7, 64, 300])
def test_batch_of_any_size_gives_each_flow_its_own_answer(bundle: Bundle, batch: int) -> None:
    rows = bundle.windows[np.arange(batch) % len(bundle.windows)]
    found = run(bundle.step, rows, bundle.state.shape[1])
    assert np.abs(found - bundle.probability[np.arange(batch) % len(bundle.windows)]).max() <= 1e-5


def test_metadata_equals_the_manifest(bundle: Bundle) -> None:
    manifest = bundle.manifest
    for key in ("name", "version", "tier", "view", "schema_hash"):
        assert bundle.props[f"reelsense.{key}"] == manifest[key]
    assert bundle.props["reelsense.features"].split(",") == manifest["features"]
    assert bundle.props["reelsense.labels"].split(",") == manifest["labels"]
    assert float(bundle.props["reelsense.threshold"]) == manifest["threshold"]
    assert [float(v) for v in bundle.props["reelsense.uncertain"].split(",")] == manifest["uncertain"]
    assert int(bundle.props["reelsense.window"]) == bundle.windows.shape[2] == len(manifest["features"]) + 40
    assert int(bundle.props["reelsense.state"]) == bundle.state.shape[1]


def test_files_have_their_digests(bundle: Bundle) -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.folder.iterdir()
        if path.name != "manifest.json"
    }
    assert found == bundle.manifest["files"]
    assert {"model.onnx", "model.pt", "golden.json", "model_card.md"} == set(found)
