#!/usr/bin/env python3
"""Compares the native engine with LightGBM, lleaves and ONNX Runtime on one model, in one run, on one thread.

    python bench/inference_peers.py

The model: 100 trees x 31 leaves on 40 features, trained by LightGBM on seeded synthetic data. Every engine's answers
must agree to 1e-5 before anything is timed. Times are nanoseconds of processor time a row, the best of several
passes over 4,096 random rows; the native engine is measured by Google Benchmark before and after the peers and the
slower of its two figures counts. LightGBM and lleaves are called from C (inference_peers_harness.c). ONNX Runtime has
no C header in a wheel: its figure is a call from Python, and the same call of a graph that does nothing is shown.

Needs the packages of bench/requirements.lock and a C compiler. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path

import lightgbm as lgb
import lleaves
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

HERE = Path(__file__).resolve().parent
FEATURES, TREES, LEAVES, ROWS, BATCH = 40, 100, 31, 4096, 256
TARGET_ROW_NS, TARGET_BATCH_NS, TARGET_LLEAVES = 1000.0, 300.0, 0.5
# The passes of each measurement; the best one counts, which is what a busy machine leaves to be compared.
PASSES = 40


def train(out: Path) -> tuple[lgb.Booster, np.ndarray]:
    rng = np.random.default_rng(20)
    x = rng.normal(size=(20_000, FEATURES)).astype(np.float32)
    signal = (x[:, :10] * x[:, 10:20]).sum(axis=1) + 0.5 * x[:, 20] ** 2
    y = (signal + rng.normal(size=len(x)) > 0.5).astype(int)
    x[rng.random(x.shape) < 0.05] = np.nan
    params = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "seed": 1,
        "deterministic": True,
        "verbose": -1,
        "num_threads": 1,
    }
    booster = lgb.train(params, lgb.Dataset(x, y), TREES)
    booster.save_model(out / "model.txt")
    initial = [("input", FloatTensorType([None, FEATURES]))]
    onnx.save(
        convert_lightgbm(booster, initial_types=initial, target_opset=15, zipmap=False), out / "model.onnx"
    )
    rows = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    rows.tofile(out / "rows.f32")
    return booster, rows


def session(model: str | bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def null_session() -> ort.InferenceSession:
    """A graph that does nothing: what a call from Python costs."""
    value = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, FEATURES]) for n in ("input", "output")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["input"], ["output"])], "null", value[:1], value[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return session(model.SerializeToString())


def time_session(run: ort.InferenceSession, output: str, rows: np.ndarray, batch: int) -> float:
    feeds = [{"input": rows[i : i + batch]} for i in range(0, len(rows), batch)]
    best = float("inf")
    for _ in range(PASSES // 4):
        start = time.thread_time_ns()
        for feed in feeds:
            run.run([output], feed)
        best = min(best, (time.thread_time_ns() - start) / len(rows))
    return best


class Harness:
    """The C loops around LightGBM's and lleaves' functions."""

    def __init__(self, out: Path, booster_file: Path) -> None:
        shared = out / "harness.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", shared, HERE / "inference_peers_harness.c"],
            check=True,
        )
        self._c = ctypes.CDLL(str(shared))
        for name in ("time_lightgbm_row", "time_lightgbm_batch", "time_lleaves"):
            getattr(self._c, name).restype = ctypes.c_double
        # LightGBM's own handle on its library; a Booster of our own so that nothing is shared with Python's.
        self._lightgbm = ctypes.CDLL(str(next(Path(lgb.__file__).parent.rglob("lib_lightgbm.*"))))
        self._booster, iterations, self._config = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_void_p()
        self._must(
            self._lightgbm.LGBM_BoosterCreateFromModelfile(
                str(booster_file).encode(), ctypes.byref(iterations), ctypes.byref(self._booster)
            )
        )
        self._must(
            self._lightgbm.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster, 0, 0, -1, 0, FEATURES, b"num_threads=1", ctypes.byref(self._config)
            )
        )

    @staticmethod
    def _must(code: int) -> None:
        if code != 0:
            raise RuntimeError("LightGBM's C API failed")

    @staticmethod
    def _pointer(array: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    @staticmethod
    def _address(function: object) -> ctypes.c_void_p:
        return ctypes.cast(function, ctypes.c_void_p)

    def lightgbm(self, rows: np.ndarray, batch: int) -> tuple[float, np.ndarray]:
        out = np.zeros(len(rows))
        shape = (ctypes.c_int64(len(rows)), ctypes.c_int64(FEATURES))
        if batch == 1:
            call = self._address(self._lightgbm.LGBM_BoosterPredictForMatSingleRowFast)
            ns = self._c.time_lightgbm_row(
                call, self._config, self._pointer(rows), *shape, PASSES, self._pointer(out)
            )
        else:
            call = self._address(self._lightgbm.LGBM_BoosterPredictForMat)
            ns = self._c.time_lightgbm_batch(
                call,
                self._booster,
                self._pointer(rows),
                *shape,
                ctypes.c_int32(batch),
                PASSES,
                self._pointer(out),
            )
        self._must(0 if ns > 0 else 1)
        return ns, out

    def lleaves(self, function: object, rows: np.ndarray, batch: int) -> tuple[float, np.ndarray]:
        wide, out = rows.astype(np.float64), np.zeros(len(rows))
        shape = (ctypes.c_int64(len(rows)), ctypes.c_int64(FEATURES), ctypes.c_int64(batch))
        ns = self._c.time_lleaves(
            self._address(function), self._pointer(wide), *shape, PASSES, self._pointer(out)
        )
        return ns, out


def native(bench: Path, out: Path) -> dict[str, float]:
    """Best processor time a row of each case of inference_bench, which checks the answers itself."""
    report = out / "native.json"
    command = [bench.resolve(), f"--dir={out}", f"--benchmark_out={report}", "--benchmark_out_format=json"]
    command += [
        "--benchmark_repetitions=15",
        "--benchmark_min_time=0.05",
        "--benchmark_filter=row|batch|predict",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    best: dict[str, float] = {}
    for entry in json.loads(report.read_text())["benchmarks"]:
        if entry["run_type"] != "iteration":
            continue
        name = entry["name"].split("/repeats")[0]
        ns = entry["cpu_time"] / (BATCH if name.startswith("batch256") else 1)
        best[name] = min(ns, best.get(name, float("inf")))
    return best


def agree(name: str, got: np.ndarray, want: np.ndarray) -> None:
    worst = float(np.max(np.abs(got.reshape(-1) - want)))
    if not worst <= 1e-5:
        sys.exit(f"{name}: answers differ by {worst:.2e}, nothing was timed")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    build = Path(__file__).resolve().parents[1] / "build" / "bench"
    parser.add_argument("--bench", type=Path, default=build / "bin" / "inference_bench", help="the binary")
    parser.add_argument(
        "--out", type=Path, default=build / "inference", help="folder for the model, the rows and results.json"
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    args.out.mkdir(parents=True, exist_ok=True)

    booster, rows = train(args.out)
    want = booster.predict(rows, num_threads=1)
    want.astype("<f4").tofile(args.out / "want.f32")
    onnxruntime = session(str(args.out / "model.onnx"))
    harness = Harness(args.out, args.out / "model.txt")
    compiled = lleaves.Model(model_file=str(args.out / "model.txt"))
    compiled.compile()
    entry = compiled._c_entry_func  # the compiled function; there is no public name for it

    agree("ONNX Runtime", onnxruntime.run(["probabilities"], {"input": rows})[0][:, 1], want)
    agree("LightGBM from C", harness.lightgbm(rows, 1)[1], want)
    agree("lleaves", harness.lleaves(entry, rows, 1)[1], want)

    first = native(args.bench, args.out)
    results = {
        "LightGBM, fast single-row call from C": [
            harness.lightgbm(rows, 1)[0],
            harness.lightgbm(rows, BATCH)[0],
        ],
        "lleaves, compiled function from C": [
            harness.lleaves(entry, rows, 1)[0],
            harness.lleaves(entry, rows, BATCH)[0],
        ],
        "ONNX Runtime, from Python": [
            time_session(onnxruntime, "probabilities", rows, n) for n in (1, BATCH)
        ],
        "  of that, the call alone": [time_session(null_session(), "output", rows, n) for n in (1, BATCH)],
    }
    second = native(args.bench, args.out)
    for kernel in sorted({name.split("/")[1] for name in first if "/" in name}):
        results[f"reelsense, {kernel}"] = [
            max(first[f"{k}/{kernel}"], second[f"{k}/{kernel}"]) for k in ("row", "batch256")
        ]

    print(f"{TREES} trees x {LEAVES} leaves, {FEATURES} features, one thread, ns of processor time a row")
    print(f"{'':42}{'one row':>10}{'batch ' + str(BATCH):>12}")
    for name, (row, batch) in results.items():
        print(f"{name:42}{row:10.0f}{batch:12.0f}")
    row, batch = min((v for k, v in results.items() if k.startswith("reelsense")), key=lambda v: v[0])
    ratio = row / results["lleaves, compiled function from C"][0]
    targets = {
        f"one row <= {TARGET_ROW_NS:.0f} ns": row <= TARGET_ROW_NS,
        f"one row < {TARGET_LLEAVES} of lleaves (is {ratio:.2f})": ratio < TARGET_LLEAVES,
        f"batch of {BATCH} <= {TARGET_BATCH_NS:.0f} ns a row": batch <= TARGET_BATCH_NS,
    }
    for text, met in targets.items():
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    summary = {
        "machine": platform.processor() or platform.machine(),
        "ns_per_row": results,
        "targets": targets,
    }
    (args.out / "results.json").write_text(json.dumps(summary, indent=2) + "\n")
    return 0 if all(targets.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
