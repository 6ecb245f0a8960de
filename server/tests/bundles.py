"""Model bundles made for a test: `tiny-ue`, video is what receives more than about 2 to the `bits` bytes a second."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from harness import MODELS, ROOT

sys.path.append(str(ROOT / "tests/cli"))
from onnx_bytes import linear_model  # the CLI's tests make theirs with it too

SCHEMA_HASH: str = json.loads((MODELS / "reelsense-ue/1.0.0/manifest.json").read_text())["schema_hash"]


def write_bundle(
    models: Path, version: str = "1.0.0", *, bits: float = 12.0, golden_bits: float | None = None, **manifest: Any
) -> Path:
    """Writes models/tiny-ue/VERSION as a whole: beside, then renamed, so that a scan never sees a part."""
    onnx = linear_model({"down_bytes_log2": 1.0}, -bits, SCHEMA_HASH, metadata={"reelsense.version": version})
    truth = bits if golden_bits is None else golden_bits
    rows = [float(value) for value in range(4, 24)]
    golden = {
        "note": "made by a test",
        "schema_hash": SCHEMA_HASH,
        "features": ["down_bytes_log2"],
        "rows": [[value] for value in rows],
        "probability": [1 / (1 + math.exp(truth - value)) for value in rows],
    }
    files = {"model.onnx": onnx, "golden.json": json.dumps(golden).encode()}
    content = {
        "format": 1, "name": "tiny-ue", "version": version, "tier": "ue", "view": "packet",
        "schema_hash": SCHEMA_HASH, "features": ["down_bytes_log2"], "labels": ["non-video", "video"],
        "threshold": 0.5, "uncertain": [0.3, 0.7], "calibration": {}, "metrics": {"worst_cell": 0.5},
        "training_data": {"digest": "0" * 64}, "reference_histograms": {}, "source_commit": "",
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }  # fmt: skip
    content.update(manifest)
    folder = models / "tiny-ue" / version
    beside = models.parent / f".{models.name}-{version}"
    beside.mkdir(parents=True)
    for name, data in files.items():
        (beside / name).write_bytes(data)
    (beside / "manifest.json").write_text(json.dumps(content))
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(folder)
    return folder


def probability(down_bytes_log2: float, bits: float = 12.0) -> float:
    return 1 / (1 + math.exp(bits - down_bytes_log2))


def tiny_row(down_bytes_log2: float) -> list[float]:
    """A row of the packet view whose first feature is down_bytes_log2."""
    return [down_bytes_log2] + [0.0] * 47
