"""Anything that gives windows a probability: a released bundle, a stateful edge model, a stranger's CSV."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from reelsense_training.bench.lab_data import KEY
from reelsense_training.bench.windows import Lab, Windows

F64 = NDArray[np.float64]
BATCH = 65_536


class PredictorError(Exception):
    """The model or the file of labels cannot be used; the message says why."""


class Predictor(Protocol):
    """Windows in, probability of video out. ``uncertain`` is the band (low, high), exclusive."""

    name: str
    threshold: float
    uncertain: tuple[float, float]

    def predict(self, windows: Windows) -> F64:
        """Probabilities [W]; NaN where there is no answer. Windows come ordered by flow and second."""


@dataclass(frozen=True)
class Answers:
    """Probabilities [W] of some windows, and how they become labels."""

    probability: F64
    threshold: float
    uncertain: tuple[float, float]

    def right(self, video: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the label is the truth; a window without an answer is wrong, whatever it was."""
        return ~np.isnan(self.probability) & ((self.probability >= self.threshold) == video)

    def in_band(self) -> NDArray[np.bool_]:
        """Marked uncertain; a window without an answer is not."""
        return (self.probability > self.uncertain[0]) & (self.probability < self.uncertain[1])

    def take(self, index: NDArray) -> Answers:
        return Answers(self.probability[index], self.threshold, self.uncertain)


def answers(predictor: Predictor, windows: Windows) -> Answers:
    return Answers(np.asarray(predictor.predict(windows), np.float64), predictor.threshold, predictor.uncertain)


def _session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


class RowModel:
    """A UE bundle: one row of features in, one probability out."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        manifest = _manifest(folder)
        absent = [name for name in manifest["features"] if name not in names]
        if absent:
            raise PredictorError(f"{folder}: wants features that the extractor lacks: {', '.join(absent)}")
        self.name = f"{manifest['name']}@{manifest['version']}"
        self.threshold = float(manifest["threshold"])
        self.uncertain = (float(manifest["uncertain"][0]), float(manifest["uncertain"][1]))
        self._columns = [names.index(name) for name in manifest["features"]]
        self._session = _session(folder / "model.onnx")
        self._input = self._session.get_inputs()[0].name

    def predict(self, windows: Windows) -> F64:
        rows = windows.rows[:, self._columns]
        parts = [
            self._session.run(None, {self._input: np.ascontiguousarray(rows[i : i + BATCH])})[0].reshape(-1)
            for i in range(0, len(rows), BATCH)
        ]
        return np.concatenate(parts or [np.zeros(0)]).astype(np.float64)


class StepModel:
    """A stateful edge bundle: ``(window [B, 88], state [B, S]) -> (probability, state')``, a step a window.

    Windows of one flow are fed in the order of their seconds, all flows side by side; a second without packets is no
    step, as on the server.
    """

    def __init__(self, folder: Path) -> None:
        manifest = _manifest(folder)
        self.name = f"{manifest['name']}@{manifest['version']}"
        self.threshold = float(manifest["threshold"])
        self.uncertain = (float(manifest["uncertain"][0]), float(manifest["uncertain"][1]))
        self._session = _session(folder / "model.onnx")
        window, state = self._session.get_inputs()
        self._inputs = (window.name, state.name)
        self._width, self._state = int(window.shape[-1]), tuple(int(n) for n in state.shape[1:])

    def predict(self, windows: Windows) -> F64:
        full = np.concatenate([windows.rows, windows.bins], axis=1).astype(np.float32)
        if full.shape[1] != self._width:
            raise PredictorError(f"{self.name}: wants windows of {self._width} values, they hold {full.shape[1]}")
        out = np.full(len(full), np.nan)
        starts, lengths = runs(windows.flow)
        order = np.argsort(-lengths, kind="stable")
        starts, lengths = starts[order], lengths[order]
        state = np.zeros((len(starts), *self._state), np.float32)
        for rank in range(int(lengths[0]) if len(lengths) else 0):
            alive = int(np.searchsorted(-lengths, -rank, side="left"))
            index = starts[:alive] + rank
            given = {self._inputs[0]: full[index], self._inputs[1]: state[:alive]}
            probability, state = self._session.run(None, given)
            out[index] = np.asarray(probability).reshape(-1)
        return out


def runs(flow: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and length of each flow's windows; they must lie together."""
    starts = np.flatnonzero(np.diff(flow, prepend=-1))
    if len(np.unique(flow[starts])) != len(starts):
        raise PredictorError("the windows of a flow do not lie together")
    return starts, np.diff(starts, append=len(flow))


def _manifest(folder: Path) -> dict:
    path = folder / "manifest.json"
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise PredictorError(f"{path}: {error}") from error


def load_bundle(folder: Path, names: tuple[str, ...]) -> RowModel | StepModel:
    """A released bundle: stateful where its ONNX takes a state, else row by row."""
    if not (folder / "model.onnx").is_file():
        raise PredictorError(f"{folder}: no model.onnx")
    stateful = len(_session(folder / "model.onnx").get_inputs()) > 1
    return StepModel(folder) if stateful else RowModel(folder, names)


class Labels:
    """Somebody else's answers: ``reelsense classify --format csv``, for a lab's recorded windows.

    One file with a ``session`` column, or a folder with ``<session>.csv`` for each. Needed columns: time, client_ip,
    client_port, server_ip, server_port, protocol, and ``probability`` or ``label`` with ``confidence``. With
    ``uncertain`` (0, 1) the mark is taken from there.
    """

    def __init__(self, path: Path, lab: Lab) -> None:
        self.name = path.stem
        self.threshold = 0.5
        self.uncertain = (0.5, 0.5)
        found = _read_labels(path, lab)
        names = [lab.sessions[s].name for s in lab.windows.session.tolist()]
        self._probability = np.array(
            [found.get((name, *key), np.nan) for name, key in zip(names, lab.keys.key, strict=True)]
        )
        self.missing = int(np.isnan(self._probability).sum())
        if self.missing == len(names):
            raise PredictorError(f"{path}: labels no window of this lab; are its times and addresses the lab's?")

    def predict(self, windows: Windows) -> F64:
        if len(windows) != len(self._probability):
            raise PredictorError("labels answer for the recorded windows of their lab only")
        return self._probability


def _read_labels(path: Path, lab: Lab) -> dict[tuple[str, ...], float]:
    if path.is_dir():
        files = [(s.name, path / f"{s.name}.csv") for s in lab.sessions if (path / f"{s.name}.csv").is_file()]
    else:
        only = lab.sessions[0].name if len(lab.sessions) == 1 else ""
        files = [(only, path)]
    found: dict[tuple[str, ...], float] = {}
    for session, file in files:
        with file.open(newline="") as text:
            for number, row in enumerate(csv.DictReader(text), start=2):
                try:
                    name = row.get("session") or session
                    found[(name, *(row[c] for c in KEY))] = _probability(row)
                except (KeyError, ValueError, TypeError) as error:
                    raise PredictorError(f"{file}:{number}: {error!r}") from error
                if not name:
                    raise PredictorError(f"{file}: several sessions need a session column, or a folder of files")
    return found


def _probability(row: dict[str, str]) -> float:
    if row.get("probability"):
        value = float(row["probability"])
    else:
        confidence = float(row["confidence"])
        value = confidence if row["label"] == "video" else 1.0 - confidence
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"probability {value} is outside 0 to 1")
    # A label at confidence 0.5 still is a label.
    return value if row.get("label") != "non-video" else min(value, np.nextafter(0.5, 0.0))
