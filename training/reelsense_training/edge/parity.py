"""A bundle's engines side by side: PyTorch, ONNX Runtime and OpenVINO, step by step with carried state."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.edge.sequences import Sequences

F32 = NDArray[np.float32]
Step = Callable[[F32, F32], tuple[F32, F32]]  # window [B, W], state [B, S] → probability [B, 1], state [B, S]


def torch_step(model: bytes) -> Step:
    import torch

    module = torch.jit.load(io.BytesIO(model))

    def step(window: F32, state: F32) -> tuple[F32, F32]:
        with torch.no_grad():
            probability, after = module(torch.from_numpy(window), torch.from_numpy(state))
        return probability.numpy(), after.numpy()

    return step


def onnx_step(model: bytes) -> Step:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def step(window: F32, state: F32) -> tuple[F32, F32]:
        probability, after = session.run(["probability", "next_state"], {"window": window, "state": state})
        return probability, after

    return step


def openvino_step(model: Path) -> Step:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def step(window: F32, state: F32) -> tuple[F32, F32]:
        found = compiled({"window": window, "state": state})
        return found["probability"], found["next_state"]

    return step


def run(step: Step, windows: F32, state_width: int) -> F32:
    """Probability [Q, T] of windows [Q, T, W], from zero state, all sequences in one batch."""
    state = np.zeros((len(windows), state_width), np.float32)
    said = []
    for second in range(windows.shape[1]):
        probability, state = step(np.ascontiguousarray(windows[:, second]), state)
        said.append(probability[:, 0])
    return np.stack(said, 1)


def blocks(sequences: Sequences, batch: int, seconds: int, count: int, seed: int = 0) -> list[F32]:
    """``count`` blocks [batch, seconds, W] of real sequences at least that long, drawn at random."""
    long = np.flatnonzero(sequences.lengths() >= seconds)
    rng = np.random.default_rng(seed)
    return [
        sequences.rows[sequences.off[rng.choice(long, batch)][:, None] + np.arange(seconds)] for _ in range(count)
    ]


# Batches that differ in how an engine may split the work; together 2,000 windows and more.
PLAN = ((1, 40, 10), (7, 30, 4), (64, 20, 2))


def largest_differences(folder: Path, sequences: Sequences, state_width: int) -> dict[str, float]:
    """Largest difference of each engine's probability from PyTorch's over PLAN, and the number of windows."""
    reference = torch_step((folder / "model.pt").read_bytes())
    others = {
        "onnxruntime": onnx_step((folder / "model.onnx").read_bytes()),
        "openvino": openvino_step(folder / "model.onnx"),
    }
    worst = {name: 0.0 for name in others}
    windows = 0
    for batch, seconds, count in PLAN:
        for block in blocks(sequences, batch, seconds, count):
            expected = run(reference, block, state_width)
            windows += expected.size
            for name, step in others.items():
                worst[name] = max(worst[name], float(np.abs(run(step, block, state_width) - expected).max()))
    return {**worst, "windows": windows}
