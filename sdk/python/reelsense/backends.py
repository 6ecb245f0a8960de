"""One interface, three engines: the native one, ONNX Runtime and LiteRT (TFLite), where an app has them already.

All take full feature vectors and give calibrated decisions with the bundle's threshold and uncertain band. The native
engine is the default: it needs nothing else, and only it runs inside a `Classifier`, whose session labels and QoS
decisions follow from its labels. Any backend labels what a classifier without a model extracts:

    backend = reelsense.find("reelsense-ue").load("onnxruntime")
    classifier = reelsense.Classifier(on_windows=lambda windows: print(backend.classify(windows.features).labels))
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reelsense.errors import ReelsenseArgumentError, ReelsenseMismatchError
from reelsense.features import feature_names, rows_of, schema_hash
from reelsense.model import Model
from reelsense.types import Decisions

if TYPE_CHECKING:
    from reelsense.bundles import Bundle

BACKENDS = ("native", "onnxruntime", "litert")


@runtime_checkable
class Backend(Protocol):
    """What labels feature vectors. Implementations may be used by any number of threads at once."""

    backend: str

    @property
    def view(self) -> str: ...

    def classify(self, rows: ArrayLike) -> Decisions:
        """rows: [n, features of the view] or one [features], float32 or converted to it."""
        ...


class _Contract:
    """What a bundle says about a model whose engine does not know it."""

    def __init__(self, bundle: Bundle) -> None:
        about = bundle.manifest()
        if about["schema_hash"] != schema_hash(bundle.view):
            raise ReelsenseMismatchError(
                f"{bundle.id} was trained on schema {about['schema_hash']} of view {bundle.view}, this package has "
                f"{schema_hash(bundle.view)}"
            )
        names = feature_names(bundle.view)
        self.view = bundle.view
        self.columns = np.array([names.index(name) for name in bundle.features])
        self.threshold = np.float32(bundle.threshold)
        self.low, self.high = map(np.float32, bundle.uncertain)

    def inputs(self, rows: ArrayLike) -> NDArray[np.float32]:
        return np.ascontiguousarray(rows_of(rows, self.view)[:, self.columns])

    def decide(self, probability: NDArray[np.float32]) -> Decisions:
        """As UeModel::to_decision in core/model/ue_model.cc, in float32."""
        video = probability >= self.threshold
        confidence = np.maximum(np.float32(0.5), np.where(video, probability, np.float32(1) - probability))
        return Decisions(probability, confidence, video, (probability > self.low) & (probability < self.high))


class OnnxRuntimeBackend:
    """model.onnx on ONNX Runtime, one thread, CPU. Needs `pip install reelsense[onnxruntime]`."""

    backend = "onnxruntime"

    def __init__(self, bundle: Bundle) -> None:
        import onnxruntime

        self._contract = _Contract(bundle)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        content = bundle.bytes_of("model.onnx")
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    @property
    def view(self) -> str:
        return self._contract.view

    def classify(self, rows: ArrayLike) -> Decisions:
        inputs = self._contract.inputs(rows)
        if not len(inputs):
            return self._contract.decide(np.empty(0, np.float32))
        (probability,) = self._session.run(["probability"], {"features": inputs})
        return self._contract.decide(probability[:, 0])


class LiteRtBackend:
    """model.tflite on LiteRT. Its interpreter is for one thread: calls wait for each other. NaN goes right everywhere.

    Needs `pip install reelsense[litert]`.
    """

    backend = "litert"

    def __init__(self, bundle: Bundle) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._contract = _Contract(bundle)
        self._lock = threading.Lock()
        self._interpreter: Any = Interpreter(model_content=bundle.bytes_of("model.tflite"), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._rows = 0

    @property
    def view(self) -> str:
        return self._contract.view

    def classify(self, rows: ArrayLike) -> Decisions:
        inputs = self._contract.inputs(rows)
        if not len(inputs):
            return self._contract.decide(np.empty(0, np.float32))
        with self._lock:
            if len(inputs) != self._rows:
                self._interpreter.resize_tensor_input(self._input, inputs.shape)
                self._interpreter.allocate_tensors()
                self._rows = len(inputs)
            self._interpreter.set_tensor(self._input, inputs)
            self._interpreter.invoke()
            probability = self._interpreter.get_tensor(self._output)[:, 0].copy()
        return self._contract.decide(probability)


def backend_of(bundle: Bundle, name: str) -> Backend:
    """A bundle on the backend of that name. Raises ImportError where its package is not installed."""
    if name == "native":
        return Model(bundle.bytes_of("model.onnx"))
    if name == "onnxruntime":
        return OnnxRuntimeBackend(bundle)
    if name == "litert":
        return LiteRtBackend(bundle)
    raise ReelsenseArgumentError(f"backend {name!r}: one of {', '.join(BACKENDS)} is expected")
