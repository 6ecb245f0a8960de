"""The released bundles: core = LightGBM = ONNX Runtime to 1e-5, TFLite to 1e-4, the same label everywhere.

10,000 generated rows, seeded: most wander over every feature's range, the rest sit exactly on thresholds of
the trees and one float32 step beside them. Needs the bundles, which are in the repository, and no data.
"""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import onnx
import pytest
from conftest import REPOSITORY
from engines import run_onnx, run_tflite

from reelsense_training.data.extractor import Extractor
from reelsense_training.model.forest import Forest, from_booster
from reelsense_training.release.bundle import golden_rows

BUNDLES = sorted(path.parent for path in REPOSITORY.glob("models/reelsense-ue*/*/manifest.json"))
ROWS = 10_000
EDGE_ROWS = 4_000
# LightGBM splits at ±1e-35 to tell zero from the rest and takes what lies within for zero; no feature comes near.
ZERO_THRESHOLD = 1e-30


def edge_rows(forest: Forest, rows: np.ndarray) -> np.ndarray:
    """``rows`` with some values replaced by thresholds of their feature or a float32 neighbour of one."""
    rng = np.random.default_rng(5)
    feature = np.concatenate([tree.feature for tree in forest.trees])
    threshold = np.concatenate([tree.threshold for tree in forest.trees])
    rows = rows.copy()
    for column in np.unique(feature):
        pool = np.unique(threshold[feature == column])
        pool = pool[np.abs(pool) > ZERO_THRESHOLD]
        if not len(pool):
            continue
        picked = rng.choice(pool, len(rows))
        step = rng.integers(-1, 2, len(rows))
        beside = np.nextafter(picked, np.where(step < 0, -np.inf, np.inf).astype(np.float32))
        value = np.where(step == 0, picked, beside).astype(np.float32)
        rows[:, column] = np.where(rng.random(len(rows)) < 0.7, value, rows[:, column])
    return rows


class Bundle:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.names = tuple(self.manifest["features"])
        trees = folder / "lightgbm.txt"
        self.booster = lgb.Booster(model_str=trees.read_text()) if trees.is_file() else None
        rows = golden_rows(self.manifest["reference_histograms"], self.names, ROWS, seed=4)
        if self.booster is not None:
            rows[:EDGE_ROWS] = edge_rows(from_booster(self.booster), rows[:EDGE_ROWS])
        self.rows = rows

    def expected(self) -> np.ndarray:
        """LightGBM's own probabilities; of a linear model, the formula in float64."""
        if self.booster is not None:
            return self.booster.predict(self.rows.astype(np.float64))
        nodes = {n.name: n for n in onnx.load(self.folder / "model.onnx").graph.node}
        scaler = {a.name: np.array(a.floats) for a in nodes["scaler"].attribute}
        linear = {a.name: np.array(a.floats) for a in nodes["linear"].attribute}
        logit = ((self.rows - scaler["offset"]) * scaler["scale"]) @ linear["coefficients"]
        return 1 / (1 + np.exp(-(logit + linear["intercepts"][0])))

    def assert_parity(self, found: np.ndarray, tolerance: float) -> None:
        expected, threshold = self.expected(), self.manifest["threshold"]
        assert np.abs(found - expected).max() <= tolerance
        clear = (
            np.abs(expected - threshold) > tolerance
        )  # a label may differ at the threshold's rounding only
        assert np.array_equal(found[clear] >= threshold, expected[clear] >= threshold)


@pytest.fixture(scope="module", params=BUNDLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return Bundle(request.param)


def test_there_is_a_bundle_to_test() -> None:
    assert BUNDLES


def test_rows_reach_both_labels(bundle: Bundle) -> None:
    video = bundle.expected() >= bundle.manifest["threshold"]
    assert 0.02 < video.mean() < 0.98


def test_onnx_runtime_agrees(bundle: Bundle) -> None:
    bundle.assert_parity(run_onnx((bundle.folder / "model.onnx").read_bytes(), bundle.rows), 1e-5)


def test_tflite_agrees(bundle: Bundle) -> None:
    bundle.assert_parity(run_tflite((bundle.folder / "model.tflite").read_bytes(), bundle.rows), 1e-4)


def test_native_engine_agrees(bundle: Bundle, extractor: Extractor) -> None:
    schema = Extractor(extractor.program, bundle.manifest["view"]).schema
    full = np.zeros((ROWS, len(schema.names)), np.float32)
    full[:, schema.indices(bundle.names)] = bundle.rows
    bundle.assert_parity(extractor.predict(bundle.folder / "model.onnx", full), 1e-5)
