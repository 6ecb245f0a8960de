"""Exporters: thresholds, determinism, parity of ONNX Runtime and TFLite with LightGBM on generated trees."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import onnx
import pytest
from engines import run_onnx, run_tflite
from make_test_model import DEFAULT_OUTPUT, tiny_booster, tiny_contract, tiny_forest, tiny_rows

from reelsense_training.export.onnx_writer import to_onnx
from reelsense_training.export.tflite_writer import to_tflite
from reelsense_training.fit.estimators import TreeParams, fit_linear, fit_trees
from reelsense_training.model.forest import (
    Forest,
    Tree,
    average,
    fold_calibration,
    from_booster,
    round_down_float32,
)
from reelsense_training.model.metadata import Contract

HASH = "0" * 64


def test_thresholds_round_down_so_that_float32_agrees_with_double() -> None:
    rng = np.random.default_rng(1)
    thresholds = np.concatenate([rng.normal(0, 10.0**e, 500) for e in range(-6, 7)])
    down = round_down_float32(thresholds)
    nearest = thresholds.astype(np.float32)
    for x in (
        down,
        nearest,
        np.nextafter(nearest, np.float32(np.inf)),
        np.nextafter(down, np.float32(-np.inf)),
    ):
        assert np.array_equal(x.astype(np.float64) <= thresholds, x <= down)


def test_same_model_gives_the_same_bytes() -> None:
    contract = tiny_contract(HASH)
    assert to_onnx(tiny_forest(), contract) == to_onnx(tiny_forest(), contract)
    assert to_tflite(tiny_forest(), contract) == to_tflite(tiny_forest(), contract)


def test_training_twice_gives_the_same_trees() -> None:
    rows = tiny_rows(3000, seed=2)
    video, weight = rows[:, 0] > 12, np.ones(3000)
    names = tiny_contract(HASH).features
    first, again = (fit_trees(rows, video, weight, names, TreeParams(rounds=10), 3) for _ in range(2))
    assert first.model_to_string() == again.model_to_string()


def test_metadata_holds_the_whole_contract() -> None:
    model = onnx.load_from_string(to_onnx(tiny_forest(), tiny_contract(HASH)))
    props = {p.key: p.value for p in model.metadata_props}
    assert props == tiny_contract(HASH).props()
    assert set(props) == {
        f"reelsense.{key}"
        for key in ("name", "version", "tier", "view", "schema_hash", "features", "threshold", "uncertain")
    }


def test_graph_is_one_ensemble_and_a_sigmoid() -> None:
    graph = onnx.load_from_string(to_onnx(tiny_forest(), tiny_contract(HASH))).graph
    assert [node.op_type for node in graph.node] == ["TreeEnsembleRegressor", "Sigmoid"]
    assert [value.name for value in (*graph.input, *graph.output)] == ["features", "probability"]


def test_contract_with_another_number_of_features_is_refused() -> None:
    contract = Contract("x", "0.0.1", "packet", HASH, ("one",), 0.5, (0.4, 0.6))
    with pytest.raises(ValueError, match="reads 3 features"):
        to_onnx(tiny_forest(), contract)


def test_threshold_outside_its_band_is_refused() -> None:
    with pytest.raises(ValueError, match="outside its uncertain band"):
        Contract("x", "0.0.1", "packet", HASH, ("one",), 0.7, (0.4, 0.6)).props()


def test_committee_is_the_mean_of_its_members() -> None:
    rows = tiny_rows(3000, seed=8)
    data = lgb.Dataset(rows, rows[:, 0] + rows[:, 1] > 14)
    members = [
        lgb.train({"objective": "binary", "extra_trees": True, "seed": s, "verbosity": -1}, data, 6)
        for s in (1, 2, 3)
    ]
    mean = np.mean([member.predict(rows, raw_score=True) for member in members], axis=0)
    committee = average(members)
    assert committee.num_trees() == 18
    assert np.abs(committee.predict(rows, raw_score=True) - mean).max() < 1e-12
    assert len({tuple(member.predict(rows[:50])) for member in members}) == 3


def test_calibration_is_folded_into_the_leaves() -> None:
    booster, rows = tiny_booster(), tiny_rows(5000, seed=3)
    raw = booster.predict(rows, raw_score=True)
    folded = fold_calibration(booster, slope=0.6, offset=-0.4)
    expected = 1 / (1 + np.exp(-(0.6 * raw - 0.4)))
    assert np.abs(folded.predict(rows) - expected).max() < 1e-12
    assert np.abs(from_booster(folded).predict(rows) - expected).max() < 1e-12


def test_engines_agree_with_lightgbm_on_generated_trees() -> None:
    booster, rows = tiny_booster(), tiny_rows(10_000, seed=4)
    expected = booster.predict(rows)
    assert np.abs(run_onnx(to_onnx(tiny_forest(), tiny_contract(HASH)), rows) - expected).max() < 1e-5
    assert np.abs(run_tflite(to_tflite(tiny_forest(), tiny_contract(HASH)), rows) - expected).max() < 1e-4


def test_trees_of_a_single_leaf_are_exported() -> None:
    lone = Tree(*(np.zeros(0, d) for d in ("i4", "f4", "i4", "i4")), leaf=np.array([0.25]))
    split = Tree(np.array([1], "i4"), np.array([0.5], "f4"), np.array([-1], "i4"), np.array([-2], "i4"),
                 leaf=np.array([-1.0, 1.0]))  # fmt: skip
    forest = Forest((lone, split), base=0.0, inputs=3)
    rows = tiny_rows(100, seed=5)
    for found in (run_onnx(to_onnx(forest, tiny_contract(HASH)), rows),
                  run_tflite(to_tflite(forest, tiny_contract(HASH)), rows)):  # fmt: skip
        assert np.abs(found - forest.predict(rows)).max() < 1e-6


def test_missing_value_takes_lightgbms_branch_in_onnx() -> None:
    booster = tiny_booster()
    rows = tiny_rows(200, seed=6)
    rows[::2, 0] = rows[1::3, 1] = np.nan
    found = run_onnx(to_onnx(tiny_forest(), tiny_contract(HASH)), rows)
    assert np.abs(found - booster.predict(rows)).max() < 1e-5


def test_linear_model_is_exported() -> None:
    rows = tiny_rows(4000, seed=7)
    linear = fit_linear(rows, rows[:, 1] + 4 * rows[:, 2] > 5, np.ones(4000), strength=0.01).calibrated(
        0.8, 0.1
    )
    expected = linear.predict(rows)
    assert np.abs(run_onnx(to_onnx(linear, tiny_contract(HASH)), rows) - expected).max() < 1e-5
    assert np.abs(run_tflite(to_tflite(linear, tiny_contract(HASH)), rows) - expected).max() < 1e-4


def test_committed_tiny_model_is_what_the_script_makes() -> None:
    model = onnx.load(DEFAULT_OUTPUT)
    schema_hash = next(p.value for p in model.metadata_props if p.key == "reelsense.schema_hash")
    assert DEFAULT_OUTPUT.read_bytes() == to_onnx(tiny_forest(), tiny_contract(schema_hash))
