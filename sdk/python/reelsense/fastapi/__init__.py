"""The edge server's contract in a Python shop: `/v1` and the Open Inference Protocol on the native engine.

    from reelsense.fastapi import create_app, router

    app = create_app()                                # alone: uvicorn module:app
    other_app.include_router(router(), prefix="/reelsense")   # or inside an application

Paths, shapes, statuses and messages are those of the edge server for what is served here, and are tested against its
OpenAPI document and against the server itself. Served: the device tier's models, at

    POST /v1/classify    GET, DELETE /v1/flows/{flow}    GET /v1/models
    POST /v1/feedback, /v1/observations (both 501: there is no log)
    GET /v2, /v2/health/live, /v2/health/ready    POST /v2/repository/index    GET /openapi.json
    GET /v2/models/{model}[/versions/{version}][/ready]    POST /v2/models/{model}[/versions/{version}]/infer

Not served: the edge model, aliases, loading and unloading, logs, analyses, metrics, the problems' pages, gRPC. Flows
live in this process: with several workers, send a flow to one of them. Paths that are not there are answered by
problem+json only by `create_app`; inside another application they are that application's.
"""

from __future__ import annotations

from reelsense.fastapi.app import create_app, openapi_document, router
from reelsense.fastapi.service import Limits

__all__ = ["Limits", "create_app", "openapi_document", "router"]
