"""Bundles on disk: digests, golden rows, size, provenance; and that the writer gives the same bytes twice."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from conftest import REPOSITORY
from engines import run_onnx
from test_parity import BUNDLES

from reelsense_training.data.extractor import Extractor
from reelsense_training.model.metadata import Contract
from reelsense_training.release.bundle import Release, write_bundle
from reelsense_training.release.histograms import feature_histogram
from reelsense_training.release.provenance import source_commit

LIMIT_BYTES = 1_000_000


@pytest.fixture(params=BUNDLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_every_file_is_listed_with_its_digest(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(files) | {"manifest.json"} == {path.name for path in folder.iterdir()}
    for name, digest in files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_bundle_stays_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LIMIT_BYTES


def test_golden_rows_give_their_probabilities(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    rows = np.array(golden["rows"], np.float32)
    found = run_onnx((folder / "model.onnx").read_bytes(), rows)
    assert np.abs(found - np.array(golden["probability"])).max() <= 1e-5


def test_bundle_names_no_machine_and_no_date(folder: Path) -> None:
    for name in ("manifest.json", "model_card.md", "golden.json"):
        text = (folder / name).read_text()
        assert not re.search(r"(^|[\s\"'`(])/(work|root|home|tmp|usr)\b", text)
        assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_bundle_was_made_for_the_built_schema(folder: Path, extractor: Extractor) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    schema = Extractor(extractor.program, manifest["view"]).schema
    assert manifest["schema_hash"] == schema.schema_hash, "features changed: run `make train`"
    assert set(manifest["features"]) <= set(schema.names)


def test_histogram_shares_belong_to_their_bins() -> None:
    values = np.concatenate([np.zeros(600), np.linspace(1, 2, 400)]).astype(np.float32)
    found = feature_histogram(values)
    edges, share = np.array(found["edges"]), np.array(found["share"])
    assert len(share) == len(edges) + 1 and share.sum() == pytest.approx(1)
    assert share[0] == pytest.approx(np.mean(values <= edges[0]))


def test_source_commit_stays_while_nothing_else_changes(tmp_path: Path) -> None:
    released = {"name": "x", "metrics": {"a": 1}, "source_commit": "abc"}
    assert source_commit({**released, "source_commit": ""}, released, tmp_path) == "abc"
    assert source_commit({**released, "metrics": {"a": 2}}, released, tmp_path) == ""
    assert source_commit(released, {**released, "source_commit": ""}, tmp_path) == ""


def test_released_trees_are_written_again_with_the_same_bytes(tmp_path: Path) -> None:
    folder = next(path for path in BUNDLES if (path / "lightgbm.txt").is_file())
    manifest = json.loads((folder / "manifest.json").read_text())
    contract = Contract(
        manifest["name"], manifest["version"], manifest["view"], manifest["schema_hash"],
        tuple(manifest["features"]), manifest["threshold"], tuple(manifest["uncertain"]),
    )  # fmt: skip
    release = Release(
        contract, lgb.Booster(model_str=(folder / "lightgbm.txt").read_text()), manifest["description"],
        manifest["calibration"], manifest["metrics"], manifest["training_data"],
        manifest["reference_histograms"],
    )  # fmt: skip
    written = write_bundle(release, tmp_path, REPOSITORY)
    assert {p.name for p in written.iterdir()} == {p.name for p in folder.iterdir()}
    for path in written.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes(), (
            f"{path.name} differs: after a change of words only, run `reelsense-train card`"
        )
