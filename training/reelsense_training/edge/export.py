"""The edge model's files: model.pt (TorchScript), model.onnx, golden.json, model_card.md, manifest.json."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from reelsense_training.edge.card import write_card
from reelsense_training.edge.contract import TIER, EdgeContract
from reelsense_training.edge.layout import BIN_VALUES
from reelsense_training.edge.model import EdgeModel
from reelsense_training.model.metadata import LABELS
from reelsense_training.release.bundle import CARD, MANIFEST_FORMAT, golden_rows
from reelsense_training.release.provenance import source_commit

OPSET = 13
INPUTS, OUTPUTS = ("window", "state"), ("probability", "next_state")
EXTRA_FILE = "contract.json"  # inside model.pt
GOLDEN_SEQUENCES, GOLDEN_SECONDS, GOLDEN_SEED = 8, 8, 20
GOLDEN_CANDIDATES = 512  # of which those are kept that spread evenly from the surest non-video to the surest video
GOLDEN_CHANGE = 0.2
GOLDEN_NOTE = (
    "Generated windows, not taken from any data: each feature lies between or beyond the edges of its reference "
    "histogram, bins are drawn. Every sequence starts from a zero state and carries it; probability [Q, T] is "
    "PyTorch's after each window, state [Q, S] its last. An engine agrees within 1e-5."
)


@dataclass(frozen=True)
class EdgeRelease:
    """All that an edge bundle holds; the model is calibrated."""

    contract: EdgeContract
    model: EdgeModel
    description: str
    calibration: dict
    metrics: dict
    training_data: dict
    histograms: dict


def golden_windows(histograms: dict, names: tuple[str, ...], sequences: int, seconds: int, seed: int) -> NDArray:
    """Windows [Q, T, W] float32: features through every bin of their histograms, byte bins drawn, some empty.

    A sequence keeps most of its first window's features, as flows do, so that sequences differ from each other.
    """
    rng = np.random.default_rng(seed)
    first = golden_rows(histograms, names, sequences, seed)[:, None]
    later = golden_rows(histograms, names, sequences * seconds, seed + 1).reshape(sequences, seconds, -1)
    features = np.where(rng.random(later.shape) < GOLDEN_CHANGE, later, first)
    bins = np.floor(np.exp2(rng.uniform(4, 17, (sequences, seconds, BIN_VALUES))))
    bins[rng.random(bins.shape) < rng.random((sequences, 1, 1))] = 0
    return np.concatenate([features, bins], axis=2, dtype=np.float32)


def to_torchscript(model: EdgeModel, contract: EdgeContract) -> bytes:
    """The step module as TorchScript, without the source paths that PyTorch would leave in it.

    A process's first export of a model gives the same bytes each time; in later ones the type names count on.
    """
    given = torch.zeros(2, contract.window), torch.zeros(2, contract.state)
    traced = torch.jit.freeze(torch.jit.trace(model.network.eval(), given, check_trace=False))
    whole = io.BytesIO()
    torch.jit.save(traced, whole, _extra_files={EXTRA_FILE: json.dumps(contract.props(), indent=1)})
    reader = torch._C.PyTorchFileReader(io.BytesIO(whole.getvalue()))
    clean = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(clean)
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name != "version":
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return clean.getvalue()


def to_onnx(model: EdgeModel, contract: EdgeContract) -> bytes:
    """Opset 13, both batch dimensions open and alike."""
    given = torch.zeros(2, contract.window), torch.zeros(2, contract.state)
    raw = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The shape inference of prim::Constant")  # harmless, in 1.13 only
        torch.onnx.export(
            model.network.eval(), given, raw, opset_version=OPSET, input_names=list(INPUTS),
            output_names=list(OUTPUTS), dynamic_axes={name: {0: "batch"} for name in (*INPUTS, *OUTPUTS)},
        )  # fmt: skip
    graph = onnx.load_model_from_string(raw.getvalue())
    for key, value in contract.props().items():
        graph.metadata_props.add(key=key, value=value)
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(graph)
    return graph.SerializeToString(deterministic=True)


def run_steps(model: EdgeModel, windows: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Step by step from zero: windows [Q, T, W] → probability [Q, T] and the last state [Q, S]."""
    network = model.network.eval()
    state = torch.zeros(len(windows), network.state_width)
    said = []
    with torch.no_grad():
        for second in range(windows.shape[1]):
            probability, state = network(torch.from_numpy(windows[:, second].copy()), state)
            said.append(probability[:, 0].numpy())
    return np.stack(said, 1), state.numpy()


def _json(value: object, indent: int | None = 1) -> bytes:
    return (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _golden(release: EdgeRelease) -> bytes:
    contract = release.contract
    windows = golden_windows(
        release.histograms, contract.features, GOLDEN_CANDIDATES, GOLDEN_SECONDS, GOLDEN_SEED
    )  # fmt: skip
    rank = np.argsort(run_steps(release.model, windows)[0].mean(1))
    windows = windows[rank[np.linspace(0, GOLDEN_CANDIDATES - 1, GOLDEN_SEQUENCES).round().astype(int)]]
    probability, state = run_steps(release.model, windows)
    golden = {
        "note": GOLDEN_NOTE,
        "schema_hash": contract.schema_hash,
        "features": list(contract.features),
        "bins": contract.props()["reelsense.bins"],
        "windows": windows.astype(float).tolist(),
        "probability": [[float(f"{p:.9g}") for p in row] for row in probability],
        "state": [[float(f"{v:.9g}") for v in row] for row in state],
    }
    return _json(golden, indent=None)


def _manifest(release: EdgeRelease, files: dict[str, bytes]) -> dict:
    contract = release.contract
    low, high = (float(v) for v in contract.props()["reelsense.uncertain"].split(","))
    return {
        "format": MANIFEST_FORMAT,
        "name": contract.name,
        "version": contract.version,
        "description": release.description,
        "tier": TIER,
        "view": contract.view,
        "schema_hash": contract.schema_hash,
        "features": list(contract.features),
        "labels": list(LABELS),
        "threshold": float(contract.props()["reelsense.threshold"]),
        "uncertain": [low, high],
        "calibration": release.calibration,
        "metrics": release.metrics,
        "training_data": release.training_data,
        "reference_histograms": release.histograms,
        "source_commit": "",
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }


def write_bundle(release: EdgeRelease, models: Path, repository: Path) -> Path:
    """Writes ``models/<name>/<version>/`` and returns it; the manifest is written last."""
    contract = release.contract
    files = {
        "model.pt": to_torchscript(release.model, contract),
        "model.onnx": to_onnx(release.model, contract),
        "golden.json": _golden(release),
    }
    files[CARD] = write_card(
        contract, release.description, release.calibration, release.metrics, release.training_data,
        {name: len(data) for name, data in files.items()},
    ).encode()  # fmt: skip
    manifest = json.loads(_json(_manifest(release, files)))
    released = repository / "models" / contract.name / contract.version / "manifest.json"
    manifest["source_commit"] = source_commit(
        manifest, json.loads(released.read_text()) if released.is_file() else None, repository
    )
    folder = models / contract.name / contract.version
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        if stale.name not in files:
            stale.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(_json(manifest))
    return folder
