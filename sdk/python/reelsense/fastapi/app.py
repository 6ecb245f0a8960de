"""The router and its application."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from reelsense.bundles import Bundle
from reelsense.fastapi import inference
from reelsense.fastapi.problems import Problem
from reelsense.fastapi.reading import flow_name
from reelsense.fastapi.service import Limits, Served, Service
from reelsense.types import Decisions

SERVED = {
    "/v1/classify": ("post",),
    "/v1/flows/{flow}": ("get", "delete"),
    "/v1/feedback": ("post",),
    "/v1/observations": ("post",),
    "/v1/models": ("get",),
    "/v2": ("get",),
    "/v2/health/live": ("get",),
    "/v2/health/ready": ("get",),
    "/v2/models/{model}": ("get",),
    "/v2/models/{model}/versions/{version}": ("get",),
    "/v2/models/{model}/ready": ("get",),
    "/v2/models/{model}/versions/{version}/ready": ("get",),
    "/v2/models/{model}/infer": ("post",),
    "/v2/models/{model}/versions/{version}/infer": ("post",),
    "/v2/repository/index": ("post",),
    "/openapi.json": ("get",),
}
SCOPES = ("infer", "feedback", "admin")
_OPEN = None  # a path that needs no key
_INLINE_BYTES = 64 * 1024  # a body that is read and scored faster than a thread is changed
_REQUEST_ID = re.compile(r"[0-9A-Za-z\-._:/+=@]{1,128}")
_TENSORS = ("application/json", "application/octet-stream")


def openapi_document() -> dict[str, Any]:
    """The server's OpenAPI document with the paths that the router has."""
    from reelsense import __version__

    document = json.loads((Path(__file__).parent / "openapi.json").read_text())
    document["info"]["version"] = __version__
    document["paths"] = {
        path: {key: value for key, value in document["paths"][path].items() if key in methods or key == "parameters"}
        for path, methods in SERVED.items()
    }
    return document


def router(
    *,
    bundles: Iterable[Bundle] | None = None,
    default: str = "reelsense-ue",
    backend: str = "native",
    limits: Limits | None = None,
    api_keys: Mapping[str, Collection[str]] | None = None,
) -> APIRouter:
    """A router with the contract, for `include_router`.

    bundles: what is served, None: the shipped ones. default: the model of a request that names none. backend: see
    `reelsense.backends`. api_keys: key → its scopes ("infer", "feedback", "admin"); None: no key is asked for.
    Raises ReelsenseError where a model does not load.
    """
    return _Api(Service(bundles, default, backend, limits or Limits()), api_keys).router()


def create_app(**options: Any) -> FastAPI:
    """An application with nothing but the router; options are its. Unknown paths are answered as the server does."""
    app = FastAPI(title="Reelsense", openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router(**options))

    async def refuse(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            allowed = ", ".join(method.upper() for method in _methods_of(request.url.path))
            problem = Problem("method-not-allowed", f"this path has {allowed}")
            return _failed(problem, request, {"Allow": allowed})
        return _failed(Problem("not-found", "there is no such path; see /openapi.json"), request)

    app.add_exception_handler(HTTPException, refuse)  # type: ignore[arg-type]
    return app


def _methods_of(path: str) -> tuple[str, ...]:
    for pattern, methods in SERVED.items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return (*methods, "head") if "get" in methods else methods
    return ()


def _failed(problem: Problem, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    request_id = _request_id(request)
    body = problem.body(request_id, open_inference=request.url.path.split("/v1/")[0].find("/v2") >= 0)
    return Response(body, problem.status, {**problem.headers(), **(headers or {}), "X-Request-Id": request_id},
                    "application/problem+json")  # fmt: skip


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    if not _REQUEST_ID.fullmatch(given):
        if not hasattr(request.state, "reelsense_id"):
            request.state.reelsense_id = secrets.token_hex(8)
        return request.state.reelsense_id
    return given


Handler = Callable[[Request, int], Awaitable[Response]]


class _Api:
    def __init__(self, service: Service, api_keys: Mapping[str, Collection[str]] | None) -> None:
        self._service = service
        self._keys: dict[bytes, tuple[int, frozenset[str]]] | None = None
        if api_keys is None:
            return
        self._keys = {}
        for number, (key, scopes) in enumerate(api_keys.items(), start=1):
            unknown = set(scopes) - set(SCOPES)
            if unknown:
                raise ValueError(f"scopes {sorted(unknown)}: some of {', '.join(SCOPES)} are expected")
            self._keys[_digest(key)] = (number, frozenset(scopes))

    def router(self) -> APIRouter:
        routes: dict[str, tuple[Handler, str | None]] = {
            "POST /v1/classify": (self.classify, "infer"),
            "GET /v1/flows/{flow}": (self.flow, "infer"),
            "DELETE /v1/flows/{flow}": (self.forget_flow, "infer"),
            "POST /v1/feedback": (self.feedback, "feedback"),
            "POST /v1/observations": (self.feedback, "feedback"),
            "GET /v1/models": (self.models, "infer"),
            "GET /v2": (self.metadata, "infer"),
            "GET /v2/health/live": (self.live, _OPEN),
            "GET /v2/health/ready": (self.ready, _OPEN),
            "POST /v2/repository/index": (self.repository_index, "infer"),
            "GET /openapi.json": (self.openapi, _OPEN),
        }
        for versions in ("", "/versions/{version}"):
            routes[f"GET /v2/models/{{model}}{versions}"] = (self.model_metadata, "infer")
            routes[f"GET /v2/models/{{model}}{versions}/ready"] = (self.model_ready, "infer")
            routes[f"POST /v2/models/{{model}}{versions}/infer"] = (self.infer, "infer")
        out = APIRouter()
        for route, (handler, scope) in routes.items():
            method, path = route.split(" ")
            methods = [method, "HEAD"] if method == "GET" else [method]
            # A flow's name may hold slashes, percent-encoded: the ASGI server decodes them before the route is found.
            out.add_api_route(path.replace("{flow}", "{flow:path}"), self._endpoint(handler, scope), methods=methods,
                              include_in_schema=False)  # fmt: skip
        return out

    def _endpoint(self, handler: Handler, scope: str | None) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                response = await handler(request, self._principal(request, scope))
            except Problem as problem:
                return _failed(problem, request)
            response.headers["X-Request-Id"] = _request_id(request)
            return response

        return endpoint

    def _principal(self, request: Request, scope: str | None) -> int:
        """Whose flows are meant. Raises unauthorized and forbidden."""
        if self._keys is None or scope is None:
            return 0
        token = request.headers.get("x-api-key", "")
        if not token:
            scheme, _, rest = request.headers.get("authorization", "").partition(" ")
            token = rest.strip() if scheme.lower() == "bearer" else ""
        if not token:
            raise Problem("unauthorized", "an API key is expected: Authorization: Bearer <key>")
        # By digest: how long the look-up takes says nothing of the key.
        digest = _digest(token)
        found = next((who for known, who in self._keys.items() if hmac.compare_digest(known, digest)), None)
        if found is None:
            raise Problem("unauthorized", "the API key is not known")
        if scope not in found[1]:
            raise Problem("forbidden", f"scope {scope} is needed")
        return found[0]

    # ---- /v1 ----

    async def classify(self, request: Request, principal: int) -> Response:
        begun = self._service.clock()
        timeout_s = self._timeout_s(request)
        body = await self._body(request, ("application/json",))
        answer = await _off_loop(body, lambda: _dump(self._service.classify(principal, body, begun, timeout_s)))
        return Response(answer, media_type="application/json")

    async def flow(self, request: Request, principal: int) -> Response:
        return _json(self._service.describe_flow(principal, self._flow_of(request)))

    async def forget_flow(self, request: Request, principal: int) -> Response:
        self._service.forget_flow(principal, self._flow_of(request))
        return Response(status_code=204)

    async def feedback(self, _request: Request, _principal: int) -> Response:
        raise Problem("log-off", "this router has no log: send feedback to the edge server")

    async def models(self, _request: Request, _principal: int) -> Response:
        return _json(self._service.describe_models())

    def _flow_of(self, request: Request) -> str:
        return flow_name(request.path_params["flow"], "flow", self._service.limits.flow_name_bytes)

    # ---- /v2 ----

    async def metadata(self, _request: Request, _principal: int) -> Response:
        from reelsense import __version__

        extensions = ["binary_tensor_data", "sequence", "model_repository_index"]
        return _json({"name": "reelsense", "version": __version__, "extensions": extensions})

    async def live(self, _request: Request, _principal: int) -> Response:
        return _json({"live": True})

    async def ready(self, _request: Request, _principal: int) -> Response:
        return _json({"ready": True})

    async def repository_index(self, _request: Request, _principal: int) -> Response:
        return _json([{"name": m.bundle.name, "version": m.bundle.version, "state": "READY", "reason": ""}
                      for m in self._service.models])  # fmt: skip

    async def model_metadata(self, request: Request, _principal: int) -> Response:
        served, _ = self._model_of(request)
        versions = [m.bundle.version for m in self._service.models if m.bundle.name == served.bundle.name]
        return _json({
            "name": served.bundle.name, "versions": versions, "platform": "reelsense_core",
            "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, served.features]}],
            "outputs": [{"name": name, "datatype": kind, "shape": [-1, 1]} for name, kind in inference.OUTPUTS.items()],
        })  # fmt: skip

    async def model_ready(self, request: Request, _principal: int) -> Response:
        return _json({"name": self._model_of(request)[0].bundle.name, "ready": True})

    async def infer(self, request: Request, principal: int) -> Response:
        begun = self._service.clock()
        served, exact = self._model_of(request)
        timeout_s = self._timeout_s(request, default=0.0)
        body = await self._body(request, _TENSORS)
        json_bytes = _json_length(request, len(body))

        def work() -> tuple[bytes, int]:
            asked = inference.read(body, json_bytes, served, self._service.limits.windows_per_request)
            limit = timeout_s or asked.timeout_us / 1e6 or self._service.limits.request_timeout_s
            if self._service.clock() - begun > limit:
                raise Problem("deadline", "not answered in time")
            decisions: Decisions = inference.run(self._service, principal, served, asked, exact=exact)
            return inference.write(asked, served, decisions)

        answer, head = await _off_loop(body, work)
        if not head:
            return Response(answer, media_type="application/json")
        return Response(answer, media_type="application/octet-stream",
                        headers={"Inference-Header-Content-Length": str(head)})  # fmt: skip

    async def openapi(self, _request: Request, _principal: int) -> Response:
        return _json(openapi_document())

    def _model_of(self, request: Request) -> tuple[Served, bool]:
        """The model that the path names, and whether it names its version."""
        reference = request.path_params["model"]
        if version := request.path_params.get("version"):
            reference = f"{reference}@{version}"
        return self._service.model(reference), "@" in reference

    # ---- requests ----

    def _timeout_s(self, request: Request, default: float | None = None) -> float:
        given = request.headers.get("x-timeout-ms") or request.query_params.get("timeout_ms")
        if given is None:
            return self._service.limits.request_timeout_s if default is None else default
        if not (given.isascii() and given.isdigit() and 1 <= int(given[:10]) <= 600_000):
            raise Problem.at("timeout_ms", "an integer from 1 to 600000 is expected")
        return int(given) / 1000

    async def _body(self, request: Request, types: tuple[str, ...]) -> bytes:
        most = self._service.limits.max_body_bytes
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > most:
            raise Problem("too-large", f"{length} bytes; at most {most} are taken")
        encoding = request.headers.get("content-encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise Problem("unsupported-media-type", "Content-Encoding is not supported; send the body as it is")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type and media_type not in types:
            raise Problem("unsupported-media-type", "Content-Type: application/json is expected")
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise Problem("too-large", f"over {most} bytes")
            parts.append(part)
        return b"".join(parts)


def _json_length(request: Request, size: int) -> int:
    given = request.headers.get("inference-header-content-length")
    if given is None:
        return size
    if not (given.isascii() and given.isdigit() and int(given[:20]) <= size):
        raise Problem.at("Inference-Header-Content-Length", "an integer from 0 to the body's length is expected")
    return int(given)


async def _off_loop(body: bytes, work: Callable[[], Any]) -> Any:
    """Small requests at once, large ones in a thread, so that they do not hold up the others."""
    return work() if len(body) <= _INLINE_BYTES else await run_in_threadpool(work)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _json(value: Any) -> Response:
    return Response(_dump(value), media_type="application/json")
