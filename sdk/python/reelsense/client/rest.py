"""The REST client: http.client with kept connections, so that the package needs no other."""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reelsense.client.errors import DeadlineError, ServerError, ServerFaultError, UnreachableError, kind_of
from reelsense.client.messages import FlowPackets, FlowWindow, ServedModel, Truth, WindowLabel
from reelsense.client.retry import RetryPolicy
from reelsense.client.tls import Tls, check_key_is_safe
from reelsense.errors import ReelsenseArgumentError

_MOST_IDLE = 8  # connections that wait for the next request
_MOST_ANSWER_BYTES = 64 << 20
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ServerFaultError(f"the answer is not JSON: {error}", http_status=self.status) from error


class RestClient:
    """Asks an edge server, or a `reelsense.fastapi` router, over HTTP.

    url: "http://localhost:8080", "https://edge.example/reelsense". timeout_s: of one attempt, connecting and each wait
    for bytes; the server is told it too. api_key: sent as a bearer token, only over TLS or to this machine unless
    insecure=True. retry: see `RetryPolicy`.

    Any number of threads may use it at once. Raises `ServerError` and its kinds.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tls: Tls | None = None,
        timeout_s: float = 10.0,
        retry: RetryPolicy | None = None,
        insecure: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ReelsenseArgumentError(f"url {url!r}: http://HOST[:PORT][/PATH] or https://… is expected")
        check_key_is_safe(api_key, encrypted=parts.scheme == "https", host=parts.hostname, insecure=insecure)
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._context: ssl.SSLContext | None = (tls or Tls()).context() if parts.scheme == "https" else None
        self._timeout_s = timeout_s
        self._retry = retry or RetryPolicy()
        self._headers = {"Accept": "application/json", "User-Agent": "reelsense-python"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    # ---- what a server offers ----

    def is_ready(self) -> bool:
        """It takes requests. False too where it cannot be reached."""
        try:
            return self._once("GET", "/v2/health/ready").status == 200
        except ServerError:
            return False

    def models(self) -> list[ServedModel]:
        """Every version it knows, by name, falling version."""
        return [_served_model(model) for model in self.request("GET", "/v1/models").json()["models"]]

    def classify_windows(self, windows: Iterable[FlowWindow], *, model: str = "") -> list[WindowLabel]:
        """Labels in the order of the windows. Sent again after a lost connection: the server gives a second that it
        labelled before the label it gave then."""
        body: dict[str, Any] = {"windows": [_window(window) for window in windows]}
        if model:
            body = {"model": model} | body
        return self._labels(json.dumps(body).encode(), idempotent=True)

    def classify_packets(self, flows: Iterable[FlowPackets], *, model: str = "") -> list[WindowLabel]:
        """Labels of the seconds that are over. Not sent again once it may have arrived: packets would count twice."""
        parts = ",".join(_flow(flow) for flow in flows)
        named = f'"model":{json.dumps(model)},' if model else ""
        return self._labels(f'{{{named}"flows":[{parts}]}}'.encode(), idempotent=False)

    def flow(self, name: str) -> dict[str, Any]:
        """What the server remembers of a flow. Raises NotFoundError."""
        return self.request("GET", f"/v1/flows/{quote(name, safe='')}").json()

    def forget_flow(self, name: str) -> None:
        """Raises NotFoundError."""
        self.request("DELETE", f"/v1/flows/{quote(name, safe='')}")

    def feedback(self, truths: Iterable[Truth]) -> int:
        """Ground truth; returns how many are on the server's disk."""
        given = [{"flow": truth.flow, "second": truth.second, "truth": truth.label} for truth in truths]
        return self._post_json("/v1/feedback", {"truths": given}, idempotent=False)["stored"]

    def send_observations(self, body: bytes) -> int:
        """The body that `reelsense.feedback` makes; returns how many records the server stored. A batch has a name, and
        one that the server knows is not stored again: so it is sent again after a lost connection."""
        answer = self.request("POST", "/v1/observations", body, _JSON, idempotent=True).json()
        if not isinstance(answer, dict) or not isinstance(answer.get("stored"), int):
            raise ServerFaultError(f'/v1/observations: {{"stored": n}} is expected, not {answer!r}')
        return answer["stored"]

    def infer(
        self, model: str, rows: ArrayLike, *, version: str = "", outputs: Sequence[str] = ("probability",)
    ) -> dict[str, NDArray[Any]]:
        """Runs a model on rows over the Open Inference Protocol with binary tensors; the answer's arrays are [n, k].

        Without a state: of the edge model each row is a flow's first.
        """
        values = np.ascontiguousarray(rows, dtype="<f4")
        if values.ndim != 2:
            raise ReelsenseArgumentError(f"rows have shape {list(values.shape)}: [n, values] is expected")
        path = f"/v2/models/{quote(model, safe='@')}" + (f"/versions/{quote(version, safe='')}" if version else "")
        name = self.request("GET", path).json()["inputs"][0]["name"]
        head = json.dumps({
            "inputs": [{"name": name, "datatype": "FP32", "shape": list(values.shape),
                        "parameters": {"binary_data_size": values.nbytes}}],
            "outputs": [{"name": output, "parameters": {"binary_data": True}} for output in outputs],
        }).encode()  # fmt: skip
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        answer = self.request("POST", f"{path}/infer", head + values.tobytes(), headers, idempotent=True)
        return _tensors(answer)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> RestClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- requests ----

    def _labels(self, body: bytes, *, idempotent: bool) -> list[WindowLabel]:
        answer = self.request("POST", "/v1/classify", body, _JSON, idempotent=idempotent).json()
        model = answer["model"]
        return [
            WindowLabel(at["flow"], at["second"], at.get("label"), at.get("confidence", 0.5),
                        at.get("probability", 0.5), at.get("uncertain", True), at.get("repeated", False),
                        at.get("restarted", False), at.get("error"), at.get("model", model))
            for at in answer["labels"]
        ]  # fmt: skip

    def _post_json(self, path: str, body: Any, *, idempotent: bool) -> Any:
        return self.request("POST", path, json.dumps(body).encode(), _JSON, idempotent=idempotent).json()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *,
        idempotent: bool | None = None,
    ) -> Answer:  # fmt: skip
        """Any request, with retries. A status of 400 and more raises. idempotent: None: GET and DELETE are."""
        if idempotent is None:
            idempotent = method in ("GET", "HEAD", "DELETE")

        def attempt() -> Answer:
            answer = self._once(method, path, body, headers)
            if answer.status >= 400:
                raise _error_of(answer)
            return answer

        return self._retry.run(attempt, idempotent=idempotent)

    def _once(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = self._take()
        sent = False
        try:
            if connection.sock is None:
                connection.connect()
            sent = True
            told = {"X-Timeout-Ms": str(max(1, min(600_000, int(self._timeout_s * 1000))))}
            connection.request(method, self._path + path, body, {**self._headers, **told, **(headers or {})})
            response = connection.getresponse()
            content = response.read(_MOST_ANSWER_BYTES + 1)
            if len(content) > _MOST_ANSWER_BYTES:
                connection.close()
                raise ServerFaultError(f"{path}: the answer is over {_MOST_ANSWER_BYTES} bytes")
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise UnreachableError(f"{self._where()}: {error.verify_message}", type="certificate") from error
        except TimeoutError as error:
            connection.close()
            raise DeadlineError(f"{self._where()}: no answer in {self._timeout_s:g} s", not_taken=not sent) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise UnreachableError(f"{self._where()}: {error or type(error).__name__}", not_taken=not sent) from error
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._give_back(connection)
        return Answer(response.status, response.headers, content)

    def _where(self) -> str:
        return f"{self._host}:{self._port}" if self._port else self._host

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._closed:
                raise ReelsenseArgumentError("the client was closed")
            while self._idle:
                connection = self._idle.pop()
                if not _has_ended(connection):
                    return connection
                connection.close()
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._context)

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """The server closed it meanwhile: it is readable though nobody asked."""
    sock: socket.socket | None = connection.sock
    if sock is None:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _served_model(about: dict[str, Any]) -> ServedModel:
    given = {key: value for key, value in about.items() if key in ServedModel.__dataclass_fields__}
    return ServedModel(**given | {"features": tuple(about.get("features", ()))})


def _window(window: FlowWindow) -> dict[str, Any]:
    out: dict[str, Any] = {
        "flow": window.flow,
        "second": int(window.second),
        "features": np.asarray(window.features, dtype=np.float32).tolist(),
    }
    if window.bins is not None:
        out["bins"] = np.asarray(window.bins).tolist()
    if window.end:
        out["end"] = True
    return out


_DIRECTIONS = {"up": 0, "down": 1}


def _flow(flow: FlowPackets) -> str:
    """As JSON. Times are written digit by digit: a float would lose nanoseconds."""
    try:
        packets = ",".join(f"[{t // 10**9}.{t % 10**9:09d},{size},{_DIRECTIONS[way]}]" for t, size, way in flow.packets)
    except KeyError as error:
        raise ReelsenseArgumentError(f'direction {error}: "up" or "down" is expected') from None
    until = "" if flow.until_ns is None else f',"until":{flow.until_ns // 10**9}.{flow.until_ns % 10**9:09d}'
    end = ',"end":true' if flow.end else ""
    return f'{{"flow":{json.dumps(flow.flow)},"packets":[{packets}]{until}{end}}}'


def _error_of(answer: Answer) -> ServerError:
    problem: dict[str, Any] = {}
    try:
        parsed = json.loads(answer.body)
        problem = parsed if isinstance(parsed, dict) else {}
    except ValueError:
        pass  # a proxy's page
    slug = str(problem.get("type", "")).rpartition("/")[2]
    kind = kind_of(slug, answer.status)
    detail = problem.get("detail") or problem.get("title") or answer.body[:200].decode(errors="replace")
    return kind(
        str(detail), slug, answer.status, problem.get("request_id", answer.headers.get("X-Request-Id", "")),
        problem.get("errors", []), answer.status in (429, 503), _retry_after_s(answer.headers),
    )  # fmt: skip


def _retry_after_s(headers: http.client.HTTPMessage) -> float | None:
    """The finer header where the server has it. A date, which proxies may send, is not taken."""
    for name, unit in (("Retry-After-Ms", 0.001), ("Retry-After", 1.0)):
        value = headers.get(name, "")
        if value.isascii() and value.isdigit():
            return min(int(value) * unit, 3600.0)
    return None


def _tensors(answer: Answer) -> dict[str, NDArray[Any]]:
    length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.body)))
    head = json.loads(answer.body[:length])
    at = length
    out: dict[str, NDArray[Any]] = {}
    for tensor in head["outputs"]:
        size = tensor.get("parameters", {}).get("binary_data_size")
        shape = tensor["shape"]
        if size is None:
            out[tensor["name"]] = np.array(tensor["data"]).reshape(shape)
            continue
        raw = answer.body[at : at + size]
        at += size
        read: Callable[[bytes], NDArray[Any]] = _strings if tensor["datatype"] == "BYTES" else _floats
        out[tensor["name"]] = read(raw).reshape(shape)
    return out


def _floats(raw: bytes) -> NDArray[Any]:
    return np.frombuffer(raw, "<f4").copy()


def _strings(raw: bytes) -> NDArray[Any]:
    """Each: 4 bytes of length, then itself."""
    found = []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        found.append(raw[4:end].decode())
        raw = raw[end:]
    return np.array(found)
