"""What tests share: the checkout's files, models, rows, and the edge server where one is built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from edge_server import EdgeServer, find_server

import reelsense

ROOT = Path(__file__).resolve().parents[3]
CAPTURES = ROOT / "tests/captures"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def reels() -> Path:
    """Half a minute of a reels app over HTTP/3, with its truth beside it."""
    return CAPTURES / "reels-h3.pcap"


@pytest.fixture(scope="session")
def model() -> reelsense.Model:
    return reelsense.load("reelsense-ue")


@pytest.fixture(scope="session")
def socket_model() -> reelsense.Model:
    return reelsense.load("reelsense-ue-socket")


@pytest.fixture(scope="session")
def real_rows() -> np.ndarray:
    """Feature vectors of every window of the shipped captures, view packet."""
    found = [reelsense.featurise_capture(path).windows.features
             for path in sorted(CAPTURES.iterdir()) if ".pcap" in path.suffixes]  # fmt: skip
    return np.concatenate(found)


@pytest.fixture(scope="session")
def edge_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeServer]:
    """The C++ server with the shipped models; skips, and says so, where none is built."""
    binary = find_server(ROOT, os.environ)
    if binary is None:
        pytest.skip("no reelsense-server is built (make server) and REELSENSE_SERVER names none")
    server = EdgeServer(binary, ROOT / "models", tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
