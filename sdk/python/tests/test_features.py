from __future__ import annotations

import json

import numpy as np
import pytest

import reelsense
from reelsense import ReelsenseArgumentError

NS = 10**9
START = 1_700_000_000 * NS


def flow(packets: int = 400, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, sizes and directions of a made-up flow of some seconds."""
    random = np.random.default_rng(seed)
    times = START + np.sort(random.integers(0, 5 * NS, packets))
    return times, random.integers(40, 1500, packets, dtype=np.uint32), random.integers(0, 2, packets, dtype=np.uint8)


def test_feature_names_are_those_of_the_schema(root):
    header = json.loads((root / "tests/golden/vectors/video_like.jsonl").read_text().splitlines()[0])
    assert list(reelsense.feature_names("packet")) == header["schema"]["features"]
    assert len(reelsense.feature_names("socket")) == 28


def test_schema_hash_is_the_released_models(root):
    for name, view in (("reelsense-ue", "packet"), ("reelsense-ue-socket", "socket")):
        manifest = json.loads((root / f"models/{name}/1.0.0/manifest.json").read_text())
        assert reelsense.schema_hash(view) == manifest["schema_hash"]


def test_extract_gives_the_bits_of_a_classifier():
    times, sizes, directions = flow()
    rows = reelsense.extract(times, sizes, directions)
    client = ["10.0.0.7" if way == 0 else "203.0.113.80" for way in directions]
    server = ["203.0.113.80" if way == 0 else "10.0.0.7" for way in directions]
    ports = np.where(directions == 0, 40_000, 443), np.where(directions == 0, 443, 40_000)
    seen: list[reelsense.Windows] = []
    with reelsense.Classifier(view="packet", on_windows=seen.append) as classifier:
        classifier.add_packets(reelsense.packets(times, client, server, *ports, sizes))
    windows = reelsense.Windows.concat(seen, "packet")
    assert windows.second.tolist() == rows.seconds.tolist()
    assert np.array_equal(windows.features, rows.values)
    assert np.array_equal(windows.bins, rows.bins)
    assert rows.values.shape == (5, 48)
    assert rows.bins.sum() == sizes.sum()


def test_extract_socket_view_gives_the_bits_of_a_classifier():
    times, sizes, directions = flow()
    rows = reelsense.extract(times, sizes, directions, view="socket")
    seen: list[reelsense.Windows] = []
    with reelsense.Classifier(view="socket", on_windows=seen.append) as classifier:
        number = classifier.flow_open(int(times[0]))
        for t, size, way in zip(times.tolist(), sizes.tolist(), directions.tolist(), strict=True):
            (classifier.flow_read if way else classifier.flow_write)(number, size, t)
    assert np.array_equal(reelsense.Windows.concat(seen, "socket").features, rows.values)


def test_extract_takes_lists_and_booleans_and_gives_pandas():
    pandas = pytest.importorskip("pandas")
    rows = reelsense.extract([START, START + NS], [100, 1500], [False, True])
    frame = rows.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.index) == [1_700_000_000, 1_700_000_001]
    assert list(frame.columns) == list(reelsense.feature_names("packet"))


def test_extract_of_nothing_has_no_rows():
    rows = reelsense.extract([], [], [])
    assert rows.values.shape == (0, 48) and rows.bins.shape == (0, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([START], [1, 2], [0]), "bytes has 2 values, times_ns has 1"),
        (([[START]], [1], [0]), "times_ns has shape"),
        (([START], [-1], [0]), "bytes has values from -1"),
        (([START], [2**32], [0]), "bytes has values from 4294967296"),
        (([START], [1.5], [0]), "bytes is of float64"),
        (([-1], [1], [0]), "-1"),
        (([START], [1], [2]), "direction"),
    ],
)
def test_extract_refuses(arguments, message):
    with pytest.raises(ReelsenseArgumentError, match=message):
        reelsense.extract(*arguments)


def test_extract_refuses_an_unknown_view():
    with pytest.raises(ReelsenseArgumentError, match="packet, socket"):
        reelsense.extract([], [], [], view="record")
