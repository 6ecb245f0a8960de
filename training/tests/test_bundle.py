"""Bundles on disk: digests, golden rows, size, provenance; and that the writer gives the same bytes twice."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from engines import run_onnx
from make_test_model import FEATURES, tiny_booster, tiny_contract, tiny_rows
from test_parity import BUNDLES

from reelsense_training.data.extractor import Extractor
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
    assert manifest["schema_hash"] == extractor.schema.schema_hash, "features changed: run `make train`"
    assert set(manifest["features"]) <= set(extractor.schema.names)


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


def test_release_writes_the_same_bundle_twice(tmp_path: Path) -> None:
    from reelsense_training.release.bundle import Release

    booster, rows = tiny_booster(), tiny_rows(500, seed=9)
    histograms = {"features": {n: feature_histogram(rows[:, i]) for i, n in enumerate(FEATURES)}}
    release = Release(tiny_contract("0" * 64), booster, "tiny", {}, {}, {"digest": "0" * 64}, histograms)
    first, again = release.predict(rows), release.predict(rows)
    assert np.array_equal(first, again) and release.plain().nodes > 0
