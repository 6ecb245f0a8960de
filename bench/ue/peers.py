#!/usr/bin/env python3
"""One row a call through ONNX Runtime or TFLite: what run.py times, and what callgrind counts.

    peers.py score ENGINE BUNDLE ROWS.npy CALLS     sum of the probabilities, for callgrind
    peers.py time  ENGINE BUNDLE ROWS.npy CALLS     quantiles of a call's wall time as JSON
    peers.py predict ENGINE BUNDLE ROWS.npy OUT.npy all rows, for comparing answers

ENGINE: onnxruntime or tflite.
ROWS: the model's own inputs, float32 [n, inputs].
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def onnxruntime_session(model: str | bytes) -> object:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnxruntime_call(bundle: Path, _inputs: int) -> Callable[[np.ndarray], float]:
    session = onnxruntime_session(str(bundle / "model.onnx"))
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[-1].name]
    return lambda row: float(session.run(outputs, {name: row})[0].reshape(-1)[-1])


def tflite_call(bundle: Path, _inputs: int) -> Callable[[np.ndarray], float]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(bundle / "model.tflite"), num_threads=1)
    entry, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.allocate_tensors()

    def call(row: np.ndarray) -> float:
        interpreter.set_tensor(entry["index"], row)
        interpreter.invoke()
        return float(interpreter.get_tensor(result["index"]).reshape(-1)[-1])

    return call


ENGINES = {"onnxruntime": onnxruntime_call, "tflite": tflite_call}


def main() -> int:
    task, engine, bundle, rows_file, last = sys.argv[1:6]
    rows = np.load(rows_file)
    call = ENGINES[engine](Path(bundle), rows.shape[1])
    one = [np.ascontiguousarray(rows[i : i + 1]) for i in range(len(rows))]
    if task == "predict":
        np.save(last, np.array([call(row) for row in one], np.float32))
    elif task == "score":
        print(sum(call(one[i % len(one)]) for i in range(int(last))))
    else:
        taken = np.empty(int(last))
        for i in range(len(taken)):
            row = one[i % len(one)]
            before = time.perf_counter_ns()
            call(row)
            taken[i] = time.perf_counter_ns() - before
        p50, p99, p999 = np.quantile(taken, [0.5, 0.99, 0.999]) / 1000
        print(json.dumps({"p50_us": p50, "p99_us": p99, "p99.9_us": p999, "samples": len(taken)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
