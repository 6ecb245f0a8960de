"""Models of the native engine."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reelsense._core import DECISION, VIEWS, check, ffi, lib, pointer, text
from reelsense.features import rows_of
from reelsense.types import Decisions


@dataclass(frozen=True)
class ModelInfo:
    name: str
    version: str
    view: str
    """"packet" or "socket"."""
    inputs: int
    """Features it uses."""
    threshold: float
    """video if probability >= threshold."""
    uncertain_low: float
    """uncertain if low < probability < high."""
    uncertain_high: float
    kernel: str
    """What scores it on this machine: "avx2", "neon", "portable", …"""

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


class Model:
    """A bundle's model.onnx, run by the native engine. Immutable: any number of threads may use it at once.

    Raises, when made: ReelsenseCorruptError, ReelsenseUnsupportedError, ReelsenseLimitError (over 16 MiB),
    ReelsenseMismatchError (trained on another feature table).
    """

    backend = "native"

    def __init__(self, onnx: bytes) -> None:
        out = ffi.new("rs_model**")
        error = ffi.new("rs_error*")
        check(lib.rs_model_load(out, ffi.from_buffer(onnx), len(onnx), error), error, "model")
        about = ffi.new("rs_model_info*")
        lib.rs_model_info_init(about, ffi.sizeof("rs_model_info"))
        self._pointer = ffi.gc(out[0], lib.rs_model_free)
        check(lib.rs_model_describe(about, self._pointer))
        self.info = ModelInfo(text(about.name), text(about.version), VIEWS[about.view], about.inputs, about.threshold,
                              about.uncertain_low, about.uncertain_high, text(about.kernel))  # fmt: skip

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Model:
        """Reads a model.onnx. Raises OSError too."""
        return cls(Path(path).read_bytes())

    @property
    def view(self) -> str:
        return self.info.view

    def classify(self, rows: ArrayLike) -> Decisions:
        """Labels full feature vectors, [n, features of the view] or one [features]; float32, or converted to it.

        A NaN goes where the model sends it (trees: their default branch). Raises ReelsenseArgumentError for another
        shape. The GIL is released meanwhile.
        """
        values = rows_of(rows, self.view)
        decisions: NDArray[np.void] = np.empty(len(values), DECISION)
        if len(values):
            decided = pointer("rs_decision*", decisions)
            check(lib.rs_model_classify(self._pointer, decided, pointer("const float*", values), len(values)))
        return Decisions(decisions["probability"], decisions["confidence"], decisions["label"].astype(bool),
                         decisions["uncertain"].astype(bool))  # fmt: skip

    def __repr__(self) -> str:
        return f"<Model {self.info.id}, view {self.view}, kernel {self.info.kernel}>"
