"""MLServer's custom runtime: the edge model by the Open Inference Protocol, its state kept by `sequence_id`.

servers.py writes the settings: no worker processes (the model runs in the server's one), no metrics server, no access
log. MLServer itself takes uvloop, httptools and orjson, being installed. Requests are batched here (MicroBatcher):
MLServer's own adaptive batching keeps one request's parameters for a whole batch, and the sequence is one of them.
"""

from __future__ import annotations

from pathlib import Path

from edge_model import WIDTH, EdgeModel, MicroBatcher
from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class EdgeRuntime(MLModel):
    async def load(self) -> bool:
        self._model = EdgeModel(Path(self.settings.parameters.uri))
        self._batcher = MicroBatcher(self._model)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        if given.name != "window" or given.datatype != "FP32" or given.shape != [1, WIDTH]:
            raise InferenceError(f"expected one input: window, FP32, [1, {WIDTH}]")
        row = given.data.root  # without NumpyCodec, whose look-ups cost more
        if len(row) == 1:  # nested, which the protocol allows too
            row = row[0]
        if len(row) != WIDTH:
            raise InferenceError(f"window has {len(row)} values, expected {WIDTH}")
        parameters = payload.parameters
        sequence = getattr(parameters, "sequence_id", None)
        if sequence is None:
            raise InferenceError("parameters.sequence_id is missing: it names the flow")
        if getattr(parameters, "sequence_start", False):
            self._model.forget(sequence)
        (probability,) = await self._batcher.step([sequence], [row])
        if getattr(parameters, "sequence_end", False):
            self._model.forget(sequence)
        output = ResponseOutput(name="probability", datatype="FP32", shape=[1, 1], data=[probability])
        return InferenceResponse(model_name=self.name, outputs=[output])
