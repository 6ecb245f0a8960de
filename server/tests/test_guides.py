"""What the guides show is run, as it stands, in its order."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import MODELS, ROOT, SERVER, Server

GUIDES = ["README.md", "docs/how-to/server-api.md"]
PORTS = {"localhost:8080": "http", "localhost:8081": "grpc"}


@dataclass
class Block:
    language: str
    text: str
    line: int
    shown: str | None = None  # the output that the guide shows


def blocks_of(guide: str) -> list[Block]:
    """Fenced sh and python blocks that ask a server; a json block behind one is its output."""
    found: list[Block] = []
    text = (ROOT / guide).read_text()
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        language, body = match.groups()
        if language == "json" and found:
            found[-1].shown = body
        if language in ("sh", "python"):
            found.append(Block(language, body, text[: match.start()].count("\n") + 1))
    return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As `make serve` starts it."""
    server = Server(tmp_path_factory.mktemp("guides"), models=MODELS)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree as a user sees it from its root, but what examples write stays here."""
    folder = tmp_path_factory.mktemp("tree")
    for entry in ROOT.iterdir():
        (folder / entry.name).symlink_to(entry)
    return folder


def agrees(shown: Any, got: Any, where: str = "$") -> None:
    """The same members and types; values differ from run to run."""
    if isinstance(shown, dict):
        assert isinstance(got, dict) and shown.keys() == got.keys(), f"{where}: {shown} is shown, {got} is answered"
        for key, value in shown.items():
            agrees(value, got[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert isinstance(got, list) and bool(shown) == bool(got), where
        for a, b in zip(shown, got, strict=False):
            agrees(a, b, where + "[]")
    elif isinstance(shown, bool) or shown is None or isinstance(shown, str):
        assert type(shown) is type(got), where
        if isinstance(shown, str) and re.fullmatch(r"[a-z_@/.0-9-]*[a-z][a-z_@/.0-9-]*", shown):
            assert shown == got or re.search(r"\d{4}|[0-9a-f]{12}", shown), f"{where}: {shown!r} is shown, not {got!r}"
    else:
        assert isinstance(got, (int, float)), where


CASES = [pytest.param(block, id=f"{Path(guide).name}:{block.line}") for guide in GUIDES for block in blocks_of(guide)]


@pytest.mark.parametrize("block", CASES)
def test_example_works_as_shown(block: Block, asked: Server, tree: Path) -> None:
    if "grpcurl" in block.text and shutil.which("grpcurl") is None:
        pytest.skip("grpcurl is not installed")
    text = block.text
    for written, kind in PORTS.items():
        port = asked.http_port if kind == "http" else asked.grpc_port
        text = text.replace(written, f"localhost:{port}")
    command = ["bash", "-euc", text] if block.language == "sh" else [sys.executable, "-c", text]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if block.shown is not None:
        agrees(json.loads(block.shown), json.loads(done.stdout))
    else:
        assert '"/problems/' not in done.stdout, done.stdout
    asked.check_serving()


def test_the_guides_have_examples() -> None:
    assert len(CASES) >= 20 and SERVER.exists()


def test_every_problem_type_and_grpc_code_is_on_the_page_of_errors(asked: Server) -> None:
    page = (ROOT / "docs/reference/server-errors.md").read_text()
    slugs = set(re.findall(r"problem-([a-z-]+)", asked.get("/docs").text))
    assert len(slugs) > 15
    for slug in slugs:
        assert f"`{slug}`" in page, slug
    codes = (
        "INVALID_ARGUMENT NOT_FOUND RESOURCE_EXHAUSTED DEADLINE_EXCEEDED UNAVAILABLE UNAUTHENTICATED PERMISSION_DENIED "
        "UNIMPLEMENTED ABORTED INTERNAL CANCELLED"
    )
    for code in codes.split():
        assert f"`{code}`" in page, code
