"""The edge network on generated sequences: steps equal the whole, engines agree, one seed gives one model.

Needs PyTorch and OpenVINO (scripts/torch-venv); skipped elsewhere.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, make_series

torch = pytest.importorskip("torch", reason="SKIPPED: no PyTorch in this environment; run scripts/torch-venv")
pytest.importorskip("openvino", reason="SKIPPED: no OpenVINO in this environment; run scripts/torch-venv")

from reelsense_training.data.dataset import VARIANTS  # noqa: E402
from reelsense_training.data.extractor import Extractor  # noqa: E402
from reelsense_training.edge.contract import EdgeContract  # noqa: E402
from reelsense_training.edge.export import run_steps, to_onnx, to_torchscript  # noqa: E402
from reelsense_training.edge.forest import Trees, fit_forest  # noqa: E402
from reelsense_training.edge.layout import width  # noqa: E402
from reelsense_training.edge.model import EdgeModel  # noqa: E402
from reelsense_training.edge.parity import (  # noqa: E402
    PLAN,
    largest_differences,
    onnx_step,
    openvino_step,
    run,
    torch_step,
)
from reelsense_training.edge.predict import logits, probabilities  # noqa: E402
from reelsense_training.edge.sequences import (  # noqa: E402
    Sequences,
    extract,
    join,
    load_public,
    sequences_from_rows,
)
from reelsense_training.edge.settings import Settings  # noqa: E402
from reelsense_training.edge.train import fit  # noqa: E402
from reelsense_training.fit.estimators import TreeParams  # noqa: E402

FEATURES = 48
COLUMNS = tuple(range(4, 40))
NAMES = tuple(f"f{i}" for i in COLUMNS)
TREES = TreeParams(committee=2, rounds=5, min_leaf=20)
SETTINGS = Settings(COLUMNS, NAMES, members=2, steps=3, batch=8, seconds=6, trees=TREES)


def made(flows: int, seed: int, source: int = 0) -> Sequences:
    """Random windows of flows whose label is in feature 4, with bins between empty and 100 kB."""
    rng = np.random.default_rng(seed)
    flow = np.repeat(np.arange(flows), rng.integers(1, 50, flows))
    n = len(flow)
    second = np.concatenate([np.cumsum(rng.integers(1, 4, k)) for k in np.bincount(flow)])
    video = flow % 2 == 0
    rows = rng.normal(0, 3, (n, FEATURES)).astype(np.float32)
    rows[:, 4] += 9 * video
    bins = np.floor(np.exp2(rng.uniform(0, 17, (n, 40)))) * (rng.random((n, 40)) < 0.6)
    return sequences_from_rows(
        rows, bins.astype(np.float32), flow + 10_000 * source, second, video, np.ones(n, bool), source, flow
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model() -> EdgeModel:
    trained = fit(join([made(60, 1), made(60, 2, 1)]), SETTINGS, seed=1)
    trained.calibrate(1.5, -0.2)
    return trained


@pytest.fixture(scope="module")
def contract(model: EdgeModel) -> EdgeContract:
    names = tuple(f"f{i}" for i in range(FEATURES))
    state = model.network.state_width
    return EdgeContract("reelsense-edge", "1.0.0", "packet", "0" * 64, names, 0.5, (0.4, 0.6), state)


def test_steps_with_carried_state_equal_the_whole_sequence(model: EdgeModel) -> None:
    sequences = made(40, 3)
    whole = probabilities(model, sequences)
    for q in range(sequences.count):
        begin, end = sequences.off[q], sequences.off[q + 1]
        stepped, _ = run_steps(model, sequences.rows[None, begin:end])
        assert np.abs(stepped[0] - whole[begin:end]).max() <= 1e-5


def test_state_of_another_flow_changes_the_answer(model: EdgeModel) -> None:
    window = made(1, 4).rows[None, :1]
    fresh, _ = run_steps(model, window)
    _, used = run_steps(model, made(1, 5).rows[None])
    with torch.no_grad():
        leaked, _ = model.network(torch.from_numpy(window[:, 0]), torch.from_numpy(used))
    assert abs(float(leaked) - float(fresh[0, 0])) > 1e-4


def test_engines_on_batches_agree_with_pytorch(model: EdgeModel, contract: EdgeContract, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(to_onnx(model, contract))
    reference = torch_step(to_torchscript(model, contract))
    others = [onnx_step((tmp_path / "model.onnx").read_bytes()), openvino_step(tmp_path / "model.onnx")]
    rng = np.random.default_rng(6)
    for batch, seconds, count in PLAN:
        for _ in range(count):
            pool = made(40, int(rng.integers(1000))).rows
            windows = pool[rng.integers(0, len(pool), (batch, seconds))]
            expected = run(reference, windows, contract.state)
            assert np.abs(expected - run_steps(model, windows)[0]).max() <= 1e-6
            for step in others:
                assert np.abs(run(step, windows, contract.state) - expected).max() <= 1e-5


def test_onnx_made_twice_is_the_same_bytes(model: EdgeModel, contract: EdgeContract) -> None:
    assert to_onnx(model, contract) == to_onnx(model, contract)


def test_torch_script_holds_no_source_path(model: EdgeModel, contract: EdgeContract) -> None:
    script = to_torchscript(model, contract)
    assert str(REPOSITORY).encode() not in script
    assert b"site-packages" not in script
    extra = {"contract.json": ""}
    torch.jit.load(io.BytesIO(script), _extra_files=extra)
    assert b"reelsense.schema_hash" in extra["contract.json"]


def test_fit_with_the_same_seed_gives_the_same_model() -> None:
    sequences = join([made(30, 1), made(30, 2, 1)])
    first, again = (fit(sequences, SETTINGS, seed=5) for _ in range(2))
    other = fit(sequences, SETTINGS, seed=6)
    assert np.array_equal(logits(first, sequences), logits(again, sequences))
    assert not np.array_equal(logits(first, sequences), logits(other, sequences))


def test_fit_on_separable_flows_learns_them() -> None:
    settings = Settings((4,), ("f4",), members=1, steps=60, batch=32, seconds=10, trees=None)
    model = fit(join([made(80, 1), made(80, 2, 1)]), settings, seed=1)
    unseen = made(60, 9)
    assert np.mean((logits(model, unseen) > 0) == unseen.video) > 0.9


def test_trees_in_the_network_are_lightgbms() -> None:
    sequences = join([made(60, 1), made(60, 2, 1)])
    booster = fit_forest(sequences, COLUMNS, NAMES, TREES, seed=3)
    trees = Trees(TREES.committee * TREES.rounds, TREES.leaves - 1, TREES.leaves)
    trees.set(booster, np.array(COLUMNS))
    rows = made(20, 7).rows
    expected = booster.predict(rows[:, list(COLUMNS)], raw_score=True)
    assert np.abs(trees(torch.from_numpy(rows))[:, 0].numpy() - expected).max() <= 1e-5


def test_rows_in_any_order_become_sequences_in_time() -> None:
    rng = np.random.default_rng(0)
    flow, second = np.array([7, 3, 7, 3, 3]), np.array([5, 2, 1, 9, 4])
    shuffled = sequences_from_rows(
        np.arange(5, dtype=np.float32)[:, None], np.zeros((5, 40), np.float32), flow, second,
        flow == 7, rng.random(5) < 2, 4, flow,
    )  # fmt: skip
    assert shuffled.off.tolist() == [0, 3, 5]
    assert shuffled.second.tolist() == [2, 4, 9, 1, 5]
    assert shuffled.rows[:, 0].tolist() == [1, 4, 3, 2, 0]
    assert shuffled.without(frozenset({4})).count == 0


def test_extract_gives_the_bins_of_the_window(extractor: Extractor) -> None:
    series = make_series(5, seed=3)
    found = extract(extractor, series, 0)
    assert found["rows"].shape[1] == width(len(extractor.schema.names))
    bins = found["rows"][:, -40:]
    assert bins[:, :20].sum() == series.size[~series.up].sum()
    assert bins[:, 20:].sum() == series.size[series.up].sum()


def test_released_bundle_on_real_sequences_agrees_in_every_engine(
    data_folder: Path, extractor: Extractor, tmp_path: Path
) -> None:
    folder = sorted(REPOSITORY.glob("models/reelsense-edge/*/manifest.json"))[-1].parent
    recorded, _ = load_public(data_folder, extractor, tmp_path, variants=VARIANTS[:1])
    state = len(json.loads((folder / "golden.json").read_text())["state"][0])
    found = largest_differences(folder, recorded, state)
    assert found.pop("windows") >= 2_000
    assert max(found.values()) <= 1e-5
