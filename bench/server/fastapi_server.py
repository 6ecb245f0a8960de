"""FastAPI + uvicorn + ONNX Runtime: POST /v1/classify as reelsense-server has it, windows only.

One process, uvloop and httptools. The body goes straight from bytes through pydantic's own JSON parser and the answer
through orjson, both faster than what FastAPI does by default. Requests are batched (MicroBatcher) unless --each-alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import uvicorn
from edge_model import BINS, FEATURES, EdgeModel, MicroBatcher
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, ValidationError


class Window(BaseModel):
    flow: Annotated[str, Field(min_length=1, max_length=256)]
    second: NonNegativeInt
    features: Annotated[list[FiniteFloat], Field(min_length=FEATURES, max_length=FEATURES)]
    bins: Annotated[list[NonNegativeInt], Field(min_length=BINS, max_length=BINS)]
    end: bool = False


class ClassifyRequest(BaseModel):
    model: str = ""
    windows: Annotated[list[Window], Field(min_length=1, max_length=4096)]


def answer(model: EdgeModel, windows: list[Window], probabilities: list[float]) -> bytes:
    labels = []
    for window, probability in zip(windows, probabilities, strict=True):
        decision = model.decide(probability)
        labels.append(
            {
                "flow": window.flow,
                "second": window.second,
                "label": "video" if decision.video else "non-video",
                "confidence": decision.confidence,
                "probability": probability,
                "uncertain": decision.uncertain,
            }
        )
        if window.end:
            model.forget(window.flow)
    return orjson.dumps({"model": model.id, "labels": labels})


def create_app(model: EdgeModel, *, each_alone: bool) -> FastAPI:
    app = FastAPI()
    batcher = MicroBatcher(model)

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        return Response()

    @app.post("/v1/classify")
    async def classify(request: Request) -> Response:
        try:
            asked = ClassifyRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(error.json(include_url=False), 422, media_type="application/json")
        flows = [window.flow for window in asked.windows]
        rows = [window.features + window.bins for window in asked.windows]
        if each_alone:
            probabilities = model.step(flows, np.array(rows, np.float32))
        else:
            probabilities = await batcher.step(flows, rows)
        return Response(answer(model, asked.windows, probabilities), media_type="application/json")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model's bundle")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--each-alone", action="store_true", help="call the model for each request")
    args = parser.parse_args()
    uvicorn.run(
        create_app(EdgeModel(args.model), each_alone=args.each_alone),
        host="127.0.0.1",
        port=args.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )


if __name__ == "__main__":
    main()
