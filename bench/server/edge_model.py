"""The edge model as the Python peers run it: ONNX Runtime on one thread, each flow's state in a dictionary, and what
arrives within a millisecond in one batch.

Not thread-safe: a peer calls it from its event loop, since a thread pool would cost more than the model. Flows expire
never, no second is checked and nothing is logged, which a product would have to do; that favours the peers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

FEATURES = 48
BINS = 40
WIDTH = FEATURES + BINS
OUTPUTS = ["probability", "next_state"]


@dataclass(frozen=True, slots=True)
class Decision:
    video: bool
    confidence: float
    uncertain: bool


class EdgeModel:
    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        self.id = f"{manifest['name']}@{manifest['version']}"
        self._threshold: float = manifest["threshold"]
        self._uncertain: tuple[float, float] = tuple(manifest["uncertain"])
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        width = next(i.shape[1] for i in session.get_inputs() if i.name == "state")
        self._run = session.run
        self._zero = np.zeros((1, width), np.float32)
        self._states: dict[Hashable, np.ndarray] = {}  # [1, S] of each flow

    def forget(self, flow: Hashable) -> None:
        self._states.pop(flow, None)

    def step_one(self, flow: Hashable, window: np.ndarray) -> float:
        """Probability of video of a flow's next window, [1, 88] float32."""
        state = self._states.get(flow, self._zero)
        probability, self._states[flow] = self._run(OUTPUTS, {"window": window, "state": state})
        return float(probability[0, 0])

    def step(self, flows: Sequence[Hashable], windows: np.ndarray) -> list[float]:
        """Probabilities of the next windows of these flows, [B, 88] float32; a flow may occur several times."""
        if len(flows) == 1:
            return [self.step_one(flows[0], windows)]
        answers: list[float] = []
        for begin, end in runs_of_distinct(flows):
            part = flows[begin:end]
            state = np.concatenate([self._states.get(flow, self._zero) for flow in part])
            probability, following = self._run(OUTPUTS, {"window": windows[begin:end], "state": state})
            for i, flow in enumerate(part):
                # A copy: a view would keep the whole batch's memory alive.
                self._states[flow] = following[i : i + 1].copy()
            answers += probability[:, 0].tolist()
        return answers

    def decide(self, probability: float) -> Decision:
        video = probability >= self._threshold
        low, high = self._uncertain
        return Decision(video, probability if video else 1 - probability, low <= probability <= high)


def runs_of_distinct(flows: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """Ranges without a flow twice, in order: the largest that can be one batch."""
    begin = 0
    seen: set[Hashable] = set()
    for i, flow in enumerate(flows):
        if flow in seen:
            yield begin, i
            begin = i
            seen.clear()
        seen.add(flow)
    if begin < len(flows):
        yield begin, len(flows)


class MicroBatcher:
    """What is asked within `wait_s` of the first is one batch; `most` windows start it at once.

    It makes these peers two to four times as fast as a call of the model for each request.
    """

    def __init__(self, model: EdgeModel, wait_s: float = 0.001, most: int = 256) -> None:
        self._model = model
        self._wait_s = wait_s
        self._most = most
        self._flows: list[Hashable] = []
        self._rows: list[list[float]] = []
        self._waiting: list[tuple[asyncio.Future[list[float]], int]] = []  # with its number of windows
        self._timer: asyncio.TimerHandle | None = None

    def step(self, flows: Sequence[Hashable], rows: Sequence[list[float]]) -> asyncio.Future[list[float]]:
        """Their probabilities. Windows of a flow are stepped in the order of the calls."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[float]] = loop.create_future()
        self._flows += flows
        self._rows += rows
        self._waiting.append((future, len(flows)))
        if self._timer is None:
            self._timer = loop.call_later(self._wait_s, self._flush)
        if len(self._flows) >= self._most:
            self._timer.cancel()
            self._flush()
        return future

    def _flush(self) -> None:
        flows, rows, waiting = self._flows, self._rows, self._waiting
        self._flows, self._rows, self._waiting, self._timer = [], [], [], None
        try:
            answers = self._model.step(flows, np.array(rows, np.float32))
        except Exception as error:  # whoever asked is told
            for future, _ in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        at = 0
        for future, count in waiting:
            if not future.done():  # cancelled: its client went away
                future.set_result(answers[at : at + count])
            at += count
