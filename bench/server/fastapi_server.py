"""FastAPI + uvicorn + ONNX Runtime: POST /v1/classify as reelsense-server has it, windows only.

One process, uvloop and httptools. The body goes straight from bytes through pydantic's own JSON parser and the answer
through orjson, both faster than what FastAPI does by default. The model runs in the event loop: a thread pool costs
more than it, and one thread is what all servers of this bench have for it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import uvicorn
from edge_model import BINS, FEATURES, EdgeModel
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
    windows: Annotated[list[Window], Field(max_length=4096)]


def answer(model: EdgeModel, request: ClassifyRequest) -> dict[str, object]:
    rows = np.array([window.features + window.bins for window in request.windows], np.float32)
    probabilities = model.step([window.flow for window in request.windows], rows)
    labels = []
    for window, probability in zip(request.windows, probabilities, strict=True):
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
    return {"model": model.id, "labels": labels}


def create_app(model: EdgeModel) -> FastAPI:
    app = FastAPI()

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        return Response()

    @app.post("/v1/classify")
    async def classify(request: Request) -> Response:
        try:
            asked = ClassifyRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(error.json(include_url=False), 422, media_type="application/json")
        return Response(orjson.dumps(answer(model, asked)), media_type="application/json")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the model's bundle")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    uvicorn.run(
        create_app(EdgeModel(args.model)),
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
