"""grpc.aio + ONNX Runtime: reelsense.v1.FlowClassifier, windows only, one process, uvloop.

The model runs in the event loop, as in fastapi_server.py and for the same reason. A message's windows are one batch.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import uvloop
from edge_model import BINS, FEATURES, EdgeModel


def serve(model: EdgeModel, port: int) -> None:
    # Made from proto/ by the bench, which puts their folder into PYTHONPATH.
    from reelsense.v1 import flow_classifier_pb2 as pb
    from reelsense.v1 import flow_classifier_pb2_grpc as rpc

    def row_of(window: pb.Window) -> list[float]:
        if len(window.features) != FEATURES or len(window.bins) != BINS:
            raise ValueError(f"a window has {FEATURES} features and {BINS} bins")
        return [*window.features, *window.bins]

    def answer(request: pb.ClassifyRequest) -> pb.ClassifyResponse:
        windows = request.windows
        response = pb.ClassifyResponse(model=model.id)
        if not windows:
            return response
        rows = np.array([row_of(window) for window in windows], np.float32)
        probabilities = model.step([window.flow for window in windows], rows)
        for window, probability in zip(windows, probabilities, strict=True):
            decision = model.decide(probability)
            response.labels.add(
                flow=window.flow,
                second=window.second,
                label=pb.LABEL_VIDEO if decision.video else pb.LABEL_NON_VIDEO,
                confidence=decision.confidence,
                probability=probability,
                uncertain=decision.uncertain,
                request_id=request.request_id,
            )
            if window.end:
                model.forget(window.flow)
        return response

    class Classifier(rpc.FlowClassifierServicer):
        async def Classify(self, request: pb.ClassifyRequest, context: grpc.aio.ServicerContext) -> pb.ClassifyResponse:
            try:
                return answer(request)
            except ValueError as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

        async def ClassifyStream(
            self, requests: AsyncIterator[pb.ClassifyRequest], context: grpc.aio.ServicerContext
        ) -> None:
            # read() and write() cost less than the iterator and `yield`.
            while (request := await context.read()) is not grpc.aio.EOF:
                try:
                    response = answer(request)
                except ValueError as error:
                    response = pb.ClassifyResponse(
                        error=str(error),
                        failed_request_id=request.request_id,
                        error_code=grpc.StatusCode.INVALID_ARGUMENT.value[0],
                    )
                await context.write(response)

    async def run() -> None:
        server = grpc.aio.server()
        rpc.add_FlowClassifierServicer_to_server(Classifier(), server)
        if server.add_insecure_port(f"127.0.0.1:{port}") != port:
            sys.exit(f"port {port} is taken")
        await server.start()
        await server.wait_for_termination()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model's bundle")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    serve(EdgeModel(args.model), args.port)


if __name__ == "__main__":
    main()
