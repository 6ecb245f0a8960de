"""An HTTP server that answers as a test tells it: in process, on loopback, with every request kept."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """hang_up: "before" the request is read (as far as a client sees: a connection that breaks), or "after" it was."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] | None = None
    hang_up: str = ""
    wait: threading.Event | None = None


Answer = Reply | Callable[[Received], Reply]


class StubServer:
    """Gives `replies` in their order, then `otherwise` for ever."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.replies: deque[Answer] = deque()
        self.otherwise: Answer = Reply(404, {"type": "/problems/not-found", "title": "-", "status": 404, "detail": "-",
                                             "request_id": "r"})  # fmt: skip
        self.connections = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                stub.connections += 1
                super().setup()

            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                received = Received(self.command, self.path, dict(self.headers), self.rfile.read(size))
                stub.received.append(received)
                answer = stub.replies.popleft() if stub.replies else stub.otherwise
                reply = answer(received) if callable(answer) else answer
                if reply.wait is not None:
                    reply.wait.wait(30)
                if reply.hang_up:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                try:
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **(reply.headers or {})}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the client gave up

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http{'' if context is None else 's'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def problem(status: int, slug: str, detail: str = "because", **headers: str) -> Reply:
    body = {"type": f"/problems/{slug}", "title": "-", "status": status, "detail": detail, "request_id": "r-1"}
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
