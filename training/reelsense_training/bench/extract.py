"""``reelsense features --bins``: feature rows with the 50 ms byte bins beside them."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.windows import BINS
from reelsense_training.data.extractor import Extractor, ExtractorError, FeatureRows
from reelsense_training.data.series import PacketSeries


def _run(extractor: Extractor, source: Path, *more: str) -> tuple[NDArray[np.float32], str]:
    with tempfile.TemporaryDirectory(prefix="reelbench-") as folder:
        npy, index = Path(folder) / "rows.npy", Path(folder) / "rows.csv"
        command = [str(extractor.program), "features", str(source), "--bins", "--format", "npy", *more]
        command += ["--output", str(npy), "--index", str(index)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ExtractorError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        rows, text = np.load(npy), index.read_text()
    expected = (text.count("\n") - 1, len(extractor.schema.names) + BINS)
    if rows.shape != expected:
        raise ExtractorError(f"{source}: rows of shape {rows.shape}, expected {expected}")
    if not np.isfinite(rows).all():
        raise ExtractorError(f"{source}: a feature is not finite")
    return rows, text


def capture_rows(extractor: Extractor, trace: Path) -> tuple[NDArray[np.float32], list[dict[str, str]]]:
    """Rows float32 [W, F + 40] of a capture, and what each is."""
    rows, text = _run(extractor, trace)
    return rows, list(csv.DictReader(text.splitlines()))


def series_rows(extractor: Extractor, series: PacketSeries, phase_us: int) -> FeatureRows:
    """Rows [W, F + 40] of a packet series; ``phase_us`` is where in a second each flow's first packet falls."""
    with tempfile.TemporaryDirectory(prefix="reelbench-") as folder:
        npz = Path(folder) / "series.npz"
        series.save(npz)
        rows, text = _run(extractor, npz, "--phase-us", str(phase_us))
    columns = {name: np.array(values, np.int64) for name, values in _columns(text).items()}
    packets = columns["packets_up"] + columns["packets_down"]
    counts = (packets, columns["bytes_down"], columns["bytes_up"])
    return FeatureRows(rows, columns["flow"], columns["second"], *counts)


def _columns(text: str) -> dict[str, list[int]]:
    rows = list(csv.reader(text.splitlines()))
    return {name: [int(row[i]) for row in rows[1:]] for i, name in enumerate(rows[0])}
