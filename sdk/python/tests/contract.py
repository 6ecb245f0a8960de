"""Holds answers to the server's OpenAPI document: status, content type, headers and body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).resolve().parents[3] / "server/http/openapi.json").read_text())


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def validate(schema: dict[str, Any], value: Any) -> None:
    """Raises jsonschema_rs.ValidationError, which says where."""
    jsonschema_rs.validator_for({"components": DOCUMENT["components"], **schema}).validate(value)


def check(method: str, pattern: str, status: int, headers: Any, body: bytes) -> None:
    """An answer of the path `pattern` is one that the document has."""
    responses = DOCUMENT["paths"][pattern][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {pattern}: {status} is not in the document: {body[:300]!r}"
    response = resolve(responses[str(status)])
    for name, header in response.get("headers", {}).items():
        if name == "Inference-Header-Content-Length":
            continue  # with binary outputs only
        if name in ("Retry-After", "Retry-After-Ms"):
            assert name in headers or status == 503, f"{pattern} {status}: header {name} is missing"
        elif not resolve(header).get("schema", {}).get("x-optional"):
            assert name in headers, f"{method} {pattern} {status}: header {name} is missing"
    content = response.get("content", {})
    if not content:
        assert body == b""
        return
    media_type = headers["content-type"].partition(";")[0]
    assert media_type in content, f"{method} {pattern} {status}: {media_type} is not in the document"
    if media_type == "application/octet-stream":
        body = body[: int(headers["inference-header-content-length"])]
        validate(content["application/json"]["schema"], json.loads(body))
    else:
        validate(content[media_type]["schema"], json.loads(body))


def operation(method: str, path: str) -> str:
    """The document's pattern of a path."""
    parts = path.partition("?")[0].split("/")
    for pattern, methods in DOCUMENT["paths"].items():
        wanted = pattern.split("/")
        if len(wanted) != len(parts) or method.lower() not in methods:
            continue
        if all(a == b or a.startswith("{") for a, b in zip(wanted, parts, strict=True)):
            return pattern
    raise AssertionError(f"{method} {path} is no operation of the document")
