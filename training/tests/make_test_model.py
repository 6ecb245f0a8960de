"""Writes tests/data/ue_tiny.onnx: a real but tiny model for tests of the native engine and of UeModel.

    python training/tests/make_test_model.py --schema-hash HASH [--output FILE]

Five trees on generated rows, three features; the schema hash is the one that `reelsense features --describe
--format json` prints. Same hash in, same bytes out. Beside it goes ue_tiny.json: the hash, 32 rows and the
probability that LightGBM gives each, so that a test in any language can check its engine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import lightgbm as lgb
import numpy as np

from reelsense_training.export.onnx_writer import to_onnx
from reelsense_training.model.forest import Forest, from_booster
from reelsense_training.model.metadata import Contract

FEATURES = ("down_bytes_log2", "down_up_bytes_ratio_log2", "down_full_share")
DEFAULT_OUTPUT = Path(__file__).parent / "data" / "ue_tiny.onnx"


def tiny_rows(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(0, 24, count), rng.uniform(-4, 10, count), rng.uniform(0, 1, count)]
    return np.column_stack(columns).astype(np.float32)


def tiny_booster() -> lgb.Booster:
    rows = tiny_rows(2000, seed=7)
    truth = (rows[:, 1] > 4) & (rows[:, 2] > 0.5) | (rows[:, 0] > 20)
    params = {
        "objective": "binary", "num_leaves": 8, "max_depth": 4, "deterministic": True, "force_row_wise": True,
        "num_threads": 1, "seed": 7, "verbosity": -1,
    }  # fmt: skip
    return lgb.train(params, lgb.Dataset(rows, truth.astype(np.int8)), num_boost_round=5)


def tiny_forest() -> Forest:
    return from_booster(tiny_booster())


def tiny_contract(schema_hash: str) -> Contract:
    return Contract("ue-tiny", "0.0.1", "packet", schema_hash, FEATURES, 0.5, (0.4, 0.6))


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--schema-hash", required=True)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    args = parser.parse_args()
    booster = tiny_booster()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(to_onnx(from_booster(booster), tiny_contract(args.schema_hash)))
    rows = tiny_rows(32, seed=11)
    golden = {
        "schema_hash": args.schema_hash,
        "features": list(FEATURES),
        "rows": [[float(v) for v in row] for row in rows],
        "probability": [float(np.float32(p)) for p in booster.predict(rows.astype(np.float64))],
    }
    args.output.with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
