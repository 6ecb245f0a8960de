"""The three engines agree on 10,000 rows: real ones from the shipped captures, and seeded realistic ones."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import reelsense
from reelsense import ReelsenseArgumentError, ReelsenseMismatchError

ROWS = 10_000
# As docs/reference/model-bundle.md: how far an engine may be off.
TOLERANCE = {"onnxruntime": 1e-5, "litert": 1e-4}
MODULES = {"onnxruntime": "onnxruntime", "litert": "ai_edge_litert"}
MODELS = ("reelsense-ue", "reelsense-ue-linear", "reelsense-ue-socket")


def socket_rows() -> np.ndarray:
    """Windows of made-up connections of many kinds: reads of a few sizes, in bursts and steadily."""
    random = np.random.default_rng(11)
    found = []
    for _ in range(60):
        n = int(random.integers(50, 1500))
        gaps = random.choice([10**5, 10**6, 10**7, 4 * 10**8, 2 * 10**9], n, p=[0.5, 0.2, 0.2, 0.08, 0.02])
        times = 1_700_000_000 * 10**9 + np.cumsum(gaps * random.uniform(0.5, 1.5, n)).astype(np.int64)
        sizes = random.choice([40, 700, 1400, 16_384, 262_144], n).astype(np.uint32)
        directions = (random.random(n) < random.uniform(0.5, 0.99)).astype(np.uint8)
        found.append(reelsense.extract(times, sizes, directions, view="socket").values)
    return np.concatenate(found)


def realistic(bundle: reelsense.Bundle, real: np.ndarray, count: int) -> np.ndarray:
    """Rows whose features lie in, between and a little beyond the bins of the model's reference histograms, a part of
    them exactly on an edge, mixed with real values column by column."""
    random = np.random.default_rng(5)
    names = reelsense.feature_names(bundle.view)
    histograms = bundle.manifest()["reference_histograms"]["features"]
    rows = real[random.integers(0, len(real), count)]
    for name in bundle.features:
        edges = np.array(histograms[name]["edges"], np.float64)
        step = max(float(np.ptp(edges)), 1.0)
        between = random.uniform(edges.min() - 0.2 * step, edges.max() + 0.2 * step, count)
        drawn = np.where(random.random(count) < 0.3, random.choice(edges, count), between)
        column = names.index(name)
        keep = random.random(count) < 0.4
        rows[:, column] = np.where(keep, rows[:, column], drawn).astype(np.float32)
    return rows


@pytest.fixture(scope="module", params=MODELS)
def case(request, real_rows) -> tuple[reelsense.Bundle, np.ndarray]:
    bundle = reelsense.find(request.param)
    real = real_rows if bundle.view == "packet" else socket_rows()
    real = real[: ROWS // 2]
    assert len(real) > 250
    return bundle, np.concatenate([real, realistic(bundle, real, ROWS - len(real))])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_backend_gives_the_native_decisions(case, name):
    pytest.importorskip(MODULES[name])
    bundle, rows = case
    native = bundle.load("native")
    other = bundle.load(name)
    assert isinstance(other, reelsense.Backend) and isinstance(native, reelsense.Backend)
    assert (other.backend, other.view) == (name, bundle.view)
    wanted, got = native.classify(rows), other.classify(rows)
    assert len(got) == len(rows) == ROWS
    assert np.abs(wanted.probability - got.probability).max() <= TOLERANCE[name]
    # Labels and marks are equal wherever the probability is not on the border itself.
    for border, column in ((bundle.threshold, "video"), *((edge, "uncertain") for edge in bundle.uncertain)):
        clear = np.abs(wanted.probability - border) > TOLERANCE[name]
        if column == "uncertain":
            clear &= np.abs(wanted.probability - bundle.threshold) > TOLERANCE[name]
            clear &= np.all([np.abs(wanted.probability - edge) > TOLERANCE[name] for edge in bundle.uncertain], axis=0)
        assert np.array_equal(getattr(wanted, column)[clear], getattr(got, column)[clear])
    assert np.abs(wanted.confidence - got.confidence).max() <= TOLERANCE[name]
    assert 0.02 < wanted.video.mean() < 0.98, "rows of one class show nothing"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_backend_takes_any_number_of_rows(real_rows, name):
    pytest.importorskip(MODULES[name])
    backend = reelsense.find("reelsense-ue").load(name)
    wanted = backend.classify(real_rows[:7]).probability
    for n in (1, 7, 3, 0, 7):
        assert np.array_equal(backend.classify(real_rows[:n]).probability, wanted[:n])
    assert len(backend.classify(real_rows[0])) == 1
    with pytest.raises(ReelsenseArgumentError, match=r"\[n, 48\]"):
        backend.classify(np.zeros((2, 3)))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_backend_serves_many_threads(real_rows, name):
    pytest.importorskip(MODULES[name])
    backend = reelsense.find("reelsense-ue").load(name)
    wanted = {n: backend.classify(real_rows[:n]).probability for n in (5, 64)}
    wrong = []

    def work(n: int) -> None:
        for _ in range(30):
            if not np.array_equal(backend.classify(real_rows[:n]).probability, wanted[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in (5, 64, 5, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_backend_labels_a_classifiers_windows(reels):
    pytest.importorskip("onnxruntime")
    backend = reelsense.find("reelsense-ue").load("onnxruntime")
    labels: list[str] = []
    with (
        reelsense.Capture(reels) as capture,
        reelsense.Classifier(
            view="packet", on_windows=lambda windows: labels.extend(backend.classify(windows.features).labels)
        ) as classifier,
    ):
        classifier.add_capture(capture)
    assert labels == reelsense.classify_capture(reels).windows.labels


def test_unknown_backends_and_other_schemas_are_refused(tmp_path, root):
    bundle = reelsense.find("reelsense-ue")
    with pytest.raises(ReelsenseArgumentError, match="native, onnxruntime, litert"):
        bundle.load("tflite")
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "1.0.0"
    folder.mkdir()
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"schema_hash": "0" * 64}))
    with pytest.raises(ReelsenseMismatchError, match="schema"):
        reelsense.read_bundle(folder).load("onnxruntime")
