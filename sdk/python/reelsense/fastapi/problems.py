"""Errors as the server's: application/problem+json (RFC 9457), the types of docs/reference/server-errors.md."""

from __future__ import annotations

import json
import math
from typing import Any

# slug: (status, title). tests/test_fastapi.py holds it to server/http/openapi.json.
PROBLEMS = {
    "invalid-request": (400, "The request is not valid"),
    "unauthorized": (401, "Who you are is not known"),
    "forbidden": (403, "Your key may not do this"),
    "not-found": (404, "There is nothing here"),
    "unknown-model": (404, "The model is not served"),
    "unknown-flow": (404, "The flow is not known"),
    "method-not-allowed": (405, "The path has no such method"),
    "conflict": (409, "The present state does not allow this"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body's type is not taken"),
    "internal": (500, "The server failed"),
    "log-off": (501, "The inference log is off"),
    "not-ready": (503, "The server is not ready"),
    "deadline": (504, "No answer before the deadline"),
}


class Problem(Exception):  # noqa: N818
    """What is wrong with a request. where: of invalid-request, the place in the body."""

    def __init__(self, slug: str, detail: str = "", *, where: str | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = f"{where}: {detail}" if where else detail
        self.errors = [] if where is None else [{"where": where, "problem": detail}]
        self.retry_after_s = retry_after_s

    @classmethod
    def at(cls, where: str, what: str) -> Problem:
        return cls("invalid-request", what, where=where)

    @property
    def status(self) -> int:
        return PROBLEMS[self.slug][0]

    def body(self, request_id: str, *, open_inference: bool) -> bytes:
        status, title = PROBLEMS[self.slug]
        out: dict[str, Any] = {"type": f"/problems/{self.slug}", "title": title, "status": status}
        out["detail"] = self.detail
        if open_inference:
            out["error"] = self.detail or title
        if self.errors:
            out["errors"] = self.errors
        out["request_id"] = request_id
        return json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(self) -> dict[str, str]:
        out = {}
        if self.slug == "unauthorized":
            out["WWW-Authenticate"] = "Bearer"
        if self.retry_after_s > 0:
            out["Retry-After"] = str(math.ceil(self.retry_after_s))
            out["Retry-After-Ms"] = str(math.ceil(self.retry_after_s * 1000))
        return out
