"""grpc.aio + ONNX Runtime: reelsense.v1.FlowClassifier, windows only, one process, uvloop.

Messages of all streams are batched (MicroBatcher), and labels of a stream that are ready together are one response, as
the contract allows. With --each-alone a message is read, answered and written before the next one is read.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import uvloop
from edge_model import BINS, FEATURES, EdgeModel, MicroBatcher

# Made from proto/ by the bench, which puts their folder into PYTHONPATH.
from reelsense.v1 import flow_classifier_pb2 as pb
from reelsense.v1 import flow_classifier_pb2_grpc as rpc

MOST_WAITING = 4096  # messages of a stream that are read ahead of their answers

Asked = tuple[pb.ClassifyRequest, "asyncio.Future[list[float]]"]


def rows_of(request: pb.ClassifyRequest) -> list[list[float]]:
    for window in request.windows:
        if len(window.features) != FEATURES or len(window.bins) != BINS:
            raise ValueError(f"a window has {FEATURES} features and {BINS} bins")
    return [[*window.features, *window.bins] for window in request.windows]


class Classifier(rpc.FlowClassifierServicer):
    def __init__(self, model: EdgeModel, *, each_alone: bool) -> None:
        self._model = model
        self._batcher = MicroBatcher(model)
        self._each_alone = each_alone

    def _add_labels(
        self, response: pb.ClassifyResponse, request: pb.ClassifyRequest, probabilities: list[float]
    ) -> None:
        for window, probability in zip(request.windows, probabilities, strict=True):
            decision = self._model.decide(probability)
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
                self._model.forget(window.flow)

    def _ask(self, request: pb.ClassifyRequest) -> asyncio.Future[list[float]]:
        future = asyncio.get_running_loop().create_future()
        try:
            rows = rows_of(request)
        except ValueError as error:
            future.set_exception(error)
            return future
        flows = [window.flow for window in request.windows]
        if not flows:
            future.set_result([])
        elif self._each_alone:
            future.set_result(self._model.step(flows, np.array(rows, np.float32)))
        else:
            return self._batcher.step(flows, rows)
        return future

    async def Classify(self, request: pb.ClassifyRequest, context: grpc.aio.ServicerContext) -> pb.ClassifyResponse:
        response = pb.ClassifyResponse(model=self._model.id)
        try:
            self._add_labels(response, request, await self._ask(request))
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return response

    def _take_ready(self, waiting: deque[Asked]) -> pb.ClassifyResponse:
        """One response to all first messages that are answered; a bad one has its own."""
        response = pb.ClassifyResponse(model=self._model.id)
        while waiting and waiting[0][1].done():
            request, future = waiting[0]
            if (error := future.exception()) is not None:
                if not response.labels:
                    waiting.popleft()
                    response.error = str(error)
                    response.failed_request_id = request.request_id
                    response.error_code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
                break
            waiting.popleft()
            self._add_labels(response, request, future.result())
        return response

    async def ClassifyStream(
        self, requests: AsyncIterator[pb.ClassifyRequest], context: grpc.aio.ServicerContext
    ) -> None:
        # read() and write() cost no more than the iterator and `yield`, and let both directions go on at once.
        waiting: deque[Asked] = deque()
        if self._each_alone:
            while (request := await context.read()) is not grpc.aio.EOF:
                waiting.append((request, self._ask(request)))
                await context.write(self._take_ready(waiting))
            return
        more = asyncio.Event()
        reading = True

        async def write_answers() -> None:
            while waiting or reading:
                if not waiting:
                    more.clear()
                    await more.wait()
                    continue
                await asyncio.wait((waiting[0][1],))
                await context.write(self._take_ready(waiting))

        writer = asyncio.ensure_future(write_answers())
        try:
            while (request := await context.read()) is not grpc.aio.EOF:
                waiting.append((request, self._ask(request)))
                more.set()
                while len(waiting) >= MOST_WAITING and not writer.done():
                    await asyncio.sleep(0.001)
            reading = False
            more.set()
            await writer
        finally:
            writer.cancel()


async def serve(classifier: Classifier, port: int) -> None:
    server = grpc.aio.server()
    rpc.add_FlowClassifierServicer_to_server(classifier, server)
    if server.add_insecure_port(f"127.0.0.1:{port}") != port:
        sys.exit(f"port {port} is taken")
    await server.start()
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model's bundle")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--each-alone", action="store_true", help="call the model for each message")
    args = parser.parse_args()
    classifier = Classifier(EdgeModel(args.model), each_alone=args.each_alone)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(classifier, args.port))


if __name__ == "__main__":
    main()
