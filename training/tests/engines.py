"""The other engines that run a bundle's files."""

from __future__ import annotations

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter


def run_onnx(model: bytes, rows: np.ndarray) -> np.ndarray:
    """Probability [N] by ONNX Runtime."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["probability"], {"features": rows})[0].reshape(-1)


def run_tflite(model: bytes, rows: np.ndarray) -> np.ndarray:
    """Probability [N] by LiteRT."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(given, list(rows.shape))
    interpreter.allocate_tensors()
    interpreter.set_tensor(given, rows)
    interpreter.invoke()
    return interpreter.get_tensor(answer).reshape(-1)
