"""The C++ feature extractor, run as a program: ``reelsense features``."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.series import PacketSeries, file_sha256


class ExtractorError(Exception):
    """The extractor is absent, failed or answered with another shape; the message names the command."""


@dataclass(frozen=True)
class FeatureSchema:
    """What ``reelsense features --describe`` says."""

    view: str
    version: int
    schema_hash: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    robust: tuple[bool, ...]

    def indices(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        return np.array([self.names.index(name) for name in names], np.int64)


@dataclass(frozen=True)
class FeatureRows:
    """One row a flow and non-empty window: ``rows`` float32 [W, F] and its index columns [W]."""

    rows: NDArray[np.float32]
    flow: NDArray[np.int64]
    second: NDArray[np.int64]
    packets: NDArray[np.int64]
    bytes_down: NDArray[np.int64]
    bytes_up: NDArray[np.int64]


class Extractor:
    """Thread safety: none needed; each call runs a process of its own.

    ``view`` is packet, socket or record; ``options`` are further arguments of every extraction, such as
    ``--active-timeout 5`` of the exporter that view record models.
    """

    def __init__(self, program: Path, view: str = "packet", options: tuple[str, ...] = ()) -> None:
        if not program.is_file():
            raise ExtractorError(
                f"{program}: not built; run `make release`, or pass the program with --reelsense"
            )
        self.program = program
        # The command's default is the packet view.
        self.options = (*(() if view == "packet" else ("--view", view)), *options)
        # What rows depend on beside their packets.
        self.digest = "/".join((file_sha256(program), *self.options))
        text = self._run("features", "--describe", "--format", "json", *self.options)
        described = json.loads(text)
        features = described["features"]
        self.schema = FeatureSchema(
            view=described["view"],
            version=int(described["version"]),
            schema_hash=described["schema_hash"],
            names=tuple(f["name"] for f in features),
            units=tuple(f["unit"] for f in features),
            robust=tuple(bool(f["robust"]) for f in features),
        )

    def _run(self, *arguments: str) -> str:
        command = [str(self.program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ExtractorError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def extract(self, series: PacketSeries, phase_us: int) -> FeatureRows:
        """Features of every window; ``phase_us`` is where in a second each flow's first packet falls."""
        with tempfile.TemporaryDirectory(prefix="reelsense-train-") as folder:
            npz, npy, index = (Path(folder) / name for name in ("series.npz", "rows.npy", "index.csv"))
            series.save(npz)
            self._run(
                "features", str(npz), "--format", "npy", "--output", str(npy), "--index", str(index),
                "--phase-us", str(phase_us), *self.options,
            )  # fmt: skip
            rows = np.load(npy)
            columns = np.atleast_1d(np.genfromtxt(index, delimiter=",", names=True, dtype=np.int64))
        if rows.shape != (len(columns), len(self.schema.names)):
            raise ExtractorError(f"{self.program}: {rows.shape} rows for an index of {len(columns)}")
        if not np.isfinite(rows).all():
            raise ExtractorError(f"{self.program}: a feature is not finite")
        packets = columns["packets_up"] + columns["packets_down"]
        counts = (packets, columns["bytes_down"], columns["bytes_up"])
        return FeatureRows(rows, columns["flow"], columns["second"], *counts)

    def predict(self, model: Path, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities [N] that the native engine gives full feature rows [N, F]."""
        with tempfile.TemporaryDirectory(prefix="reelsense-train-") as folder:
            given, answer = Path(folder) / "rows.npy", Path(folder) / "p.npy"
            np.save(given, rows)
            self._run("predict", str(model), str(given), "--output", str(answer))
            return np.load(answer).reshape(-1).astype(np.float32)
