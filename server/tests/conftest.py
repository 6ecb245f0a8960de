"""Servers that tests share or start, and the contract's classes, made from proto/ as a client would."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from bundles import write_bundle
from harness import ROOT, SERVER, Server


def pytest_sessionstart() -> None:
    if not SERVER.exists():
        pytest.exit(f"{SERVER} is not built (make server); REELSENSE_SERVER names another", returncode=2)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with the shipped models and an inference log, for every test that leaves it as it was."""
    shared = Server(tmp_path_factory.mktemp("shared"), "--log.flush-ms", "20", "--limits.flow-name-bytes", "256")
    yield shared
    shared.stop()
    errors = [line for line in shared.lines if line["level"] == "error"]
    assert not errors, errors


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one small model, for servers whose model does not matter: they start at once."""
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder)
    return folder


Starter = Callable[..., Server]


@pytest.fixture
def start_server(tmp_path: Path, tiny_models: Path) -> Iterator[Starter]:
    """Starts servers of the test's own: start_server(*flags, models=folder). Each must end with 0 when told to."""
    started: list[Server] = []

    def start(*flags: str | Path, folder: Path | None = None, models: Path | None = None, **options: Any) -> Server:
        if models is None:
            models = tiny_models
        if models == tiny_models and "--models.default-model" not in flags:
            flags += ("--models.default-model", "tiny-ue")
        one = Server(folder or tmp_path / f"server-{len(started)}", *flags, models=models, **options)
        started.append(one)
        return one

    yield start
    failures = []
    for one in started:
        if one.process.poll() is not None:
            continue
        try:
            one.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, failures


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """`pb` and `rpc`: messages and stubs of reelsense.v1."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("stubs")
    proto = "reelsense/v1/flow_classifier.proto"
    code = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", f"--grpc_python_out={out}", proto])
    assert code == 0
    sys.path.insert(0, str(out))
    return SimpleNamespace(
        pb=importlib.import_module("reelsense.v1.flow_classifier_pb2"),
        rpc=importlib.import_module("reelsense.v1.flow_classifier_pb2_grpc"),
    )


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc_target) as opened:
        yield opened


@pytest.fixture
def classifier(channel: grpc.Channel, stubs: SimpleNamespace) -> Any:
    return stubs.rpc.FlowClassifierStub(channel)
