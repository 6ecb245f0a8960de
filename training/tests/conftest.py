"""What several tests share: the checkout, the built extractor, generated packet series."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from reelsense_training.data.extractor import Extractor
from reelsense_training.data.series import PacketSeries

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def extractor() -> Extractor:
    """The built `reelsense`, from any preset; tests of it are skipped without one."""
    for preset in ("release", "dev", "asan"):
        program = REPOSITORY / "build" / preset / "bin" / "reelsense"
        if program.is_file():
            return Extractor(program)
    pytest.skip("no build/*/bin/reelsense; run `make release`")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = REPOSITORY.parent / "shared" / "data" / "public"
    if not folder.is_dir():
        pytest.skip(
            "SKIPPED: ../shared/data/public is absent: the public packet series are not in this repository"
        )
    return folder


def make_series(flows: int, seed: int, packets: int = 200) -> PacketSeries:
    """Random flows of different lengths: chunks of full down packets, ACKs, now and then a request."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, packets, flows)
    off = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(off[-1])
    gaps = rng.choice([100, 800, 20_000, 900_000], total, p=[0.6, 0.25, 0.1, 0.05])
    gaps[off[:-1]] = 0
    clock = np.cumsum(gaps)
    t_us = (clock - np.repeat(clock[off[:-1]], lengths)).astype(np.uint32)
    up = rng.random(total) < 0.3
    size = np.where(up, rng.choice([52, 60, 600], total, p=[0.7, 0.2, 0.1]), rng.choice([1400, 300], total))
    return PacketSeries(off, t_us, size.astype(np.uint16), up)
