"""MLServer's custom runtime: the edge model by the Open Inference Protocol, its state kept by `sequence_id`.

servers.py writes the settings: no worker processes (the model runs in the server's one), no metrics server, no access
log. MLServer itself takes uvloop, httptools and orjson, being installed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from edge_model import WIDTH, EdgeModel
from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class EdgeRuntime(MLModel):
    async def load(self) -> bool:
        self._model = EdgeModel(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        if given.name != "window" or given.datatype != "FP32" or given.shape != [1, WIDTH]:
            raise InferenceError(f"expected one input: window, FP32, [1, {WIDTH}]")
        # What NumpyCodec does, without its look-ups.
        window = np.array(given.data.root, np.float32).reshape(1, WIDTH)
        parameters = payload.parameters
        sequence = getattr(parameters, "sequence_id", None)
        if sequence is None:
            raise InferenceError("parameters.sequence_id is missing: it names the flow")
        if getattr(parameters, "sequence_start", False):
            self._model.forget(sequence)
        probability = self._model.step_one(sequence, window)
        if getattr(parameters, "sequence_end", False):
            self._model.forget(sequence)
        output = ResponseOutput(name="probability", datatype="FP32", shape=[1, 1], data=[probability])
        return InferenceResponse(model_name=self.name, outputs=[output])
