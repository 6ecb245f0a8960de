"""Anonymised windows from devices: stored once, never lost, read back with their features in their units."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import secrets
import threading
from typing import Any

import pytest
import requests
from harness import MODELS, Server
from traffic import FEATURES

ROUNDS = 5  # of each device before the server is killed
SCHEMA_HASH = json.loads((MODELS / "reelsense-ue/1.0.0/manifest.json").read_text())["schema_hash"]


def batch(n: int, *, batch_id: str | None = None, codes: list[int] | None = None, **members: Any) -> dict[str, Any]:
    """A body as a device's library makes it."""
    observations = [
        {
            "features": codes or [(i + j) % 40 for j in range(FEATURES)],
            "label": "video" if i % 2 else "non-video",
            "confidence": 0.9,
            "uncertain": i % 5 == 0,
            "truth": (None, "video", "non-video")[i % 3],
        }
        for i in range(n)
    ]
    return {
        "batch": batch_id or secrets.token_hex(16),
        "model": "reelsense-ue@1.0.0",
        "view": "packet",
        "schema_hash": SCHEMA_HASH,
        "epsilon": 1.0,
        "sdk": "0.4.0",
        "observations": observations,
        **members,
    }


def stored(server: Server, body: dict[str, Any]) -> int:
    answer = server.post("/v1/observations", body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"stored"}
    return answer.json()["stored"]


def rows(server: Server, query: str = "") -> list[dict[str, Any]]:
    """Every page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = server.get(f"/v1/observations?limit=500{query}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["rows"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny_models):
    """A server whose observations are this module's alone."""
    one = Server(
        tmp_path_factory.mktemp("kept"), "--models.default-model", "tiny-ue",
        "--limits.observations-per-request", "100", models=tiny_models,
    )  # fmt: skip
    yield one
    one.stop()


def test_the_same_batch_is_answered_alike_and_stored_once(kept: Server) -> None:
    body = batch(7, model="once@1.0.0")
    assert [stored(kept, body) for _ in range(3)] == [7, 7, 7]
    assert len(rows(kept, "&model=once")) == 7


def test_json_and_csv_have_the_same_rows_in_the_features_units(kept: Server) -> None:
    codes = [3 * i - 40 for i in range(FEATURES)]
    assert stored(kept, batch(5, model="units@1.0.0", codes=codes)) == 5
    page = kept.get("/v1/observations?model=units").json()
    assert len(page["features"]) == FEATURES
    assert page["schema_hash"] == SCHEMA_HASH
    table = list(csv.DictReader(io.StringIO(kept.get("/v1/observations?model=units&format=csv").text)))
    assert len(table) == len(page["rows"]) == 5
    for row, line in zip(page["rows"], table, strict=True):
        assert row["features"] == [code * step for code, step in zip(codes, page["steps"], strict=True)]
        assert [float(line[name]) for name in page["features"]] == row["features"]
        assert line["truth"] == (row["truth"] or "")
        assert line["uncertain"] == str(row["uncertain"]).lower()
        for name in ("day", "model", "sdk", "label"):
            assert line[name] == row[name]


def test_filters(kept: Server) -> None:
    assert stored(kept, batch(30, model="filters@1.0.0")) == 30
    every = rows(kept, "&model=filters")
    for query, kept_if in {
        "label=video": lambda row: row["label"] == "video",
        "uncertain=true": lambda row: row["uncertain"],
        "truth=non-video": lambda row: row["truth"] == "non-video",
        "with_truth=false": lambda row: row["truth"] is None,
        "model=filters@1.0.0": lambda _: True,
        f"from={every[0]['day']}&to={every[-1]['day']}": lambda _: True,
        "to=2001-01-01": lambda _: False,
        "view=socket": lambda _: False,
    }.items():
        model = "" if query.startswith("model") else "&model=filters"
        assert len(rows(kept, f"{model}&{query}")) == sum(kept_if(row) for row in every), query


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"batch": "12"}, "batch"),
        ({"model": "reelsense-ue"}, "model"),
        ({"view": "frame"}, "view"),
        ({"schema_hash": "0" * 64}, "schema_hash"),
        ({"epsilon": 0}, "epsilon"),
        ({"sdk": 4}, "sdk"),
        ({"observations": None}, "observations"),
        ({"device": "mine"}, "device"),
    ],
)
def test_a_wrong_member_is_named_and_nothing_is_stored(kept: Server, change: dict[str, Any], where: str) -> None:
    body = batch(1) | change
    answer = kept.post("/v1/observations", body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["where"] == where
    assert answer.json()["errors"][0]["problem"]


def test_one_wrong_observation_refuses_the_whole_batch(kept: Server) -> None:
    body = batch(5, model="whole@1.0.0")
    body["observations"][3]["features"][9] = 0.5
    answer = kept.post("/v1/observations", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["where"] == "observations[3].features[9]"
    assert rows(kept, "&model=whole") == []
    body["observations"][3]["features"][9] = 1
    assert stored(kept, body) == 5  # the same batch, mended


def test_more_than_the_limit_are_refused(kept: Server) -> None:
    answer = kept.post("/v1/observations", batch(101))
    assert answer.status_code == 400
    assert "100" in answer.json()["detail"]
    assert stored(kept, batch(100, model="most@1.0.0")) == 100


def test_metrics_count_batches_and_windows(start_server) -> None:
    server = start_server()
    body = batch(6)
    for _ in range(2):
        stored(server, body)
    assert server.post("/v1/observations", batch(1, epsilon=0)).status_code == 400
    batches, windows = "reelsense_server_observation_batches_total", "reelsense_server_observations_total"
    for outcome, n in {"stored": 1, "repeated": 1, "invalid": 1, "disk_full": 0}.items():
        assert server.metric(batches, outcome=outcome) == n
    assert server.metric(windows) == 6
    assert server.metric(windows, label="video") == 3
    assert server.metric(windows, truth="none") == 2


def test_nothing_of_the_sender_and_no_time_but_the_day_is_kept(start_server) -> None:
    server = start_server()
    body = batch(3)
    answer = server.post("/v1/observations", body, headers={"X-Request-Id": "who-asks", "User-Agent": "phone-of-mine"})
    assert answer.status_code == 200
    server.stop()
    text = b"".join(file.read_bytes() for file in server.folder.glob("log.sqlite*"))
    assert b"reelsense-ue@1.0.0" in text
    for private in (b"127.0.0.1", b"who-asks", b"phone-of-mine"):
        assert private not in text


def test_what_was_acknowledged_survives_kill_9(start_server, tmp_path) -> None:
    """Ten rounds of four devices that send while the server is killed; what they did not hear of they send again."""
    folder = tmp_path / "killed"
    sent: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    for _ in range(10):
        server = start_server(folder=folder)
        enough = threading.Event()

        def device(url: str = server.url, enough: threading.Event = enough) -> None:
            with requests.Session() as session:
                for n in range(10_000):
                    body = batch(1 + n % 4)
                    sent[body["batch"]] = len(body["observations"])
                    try:
                        answer = session.post(f"{url}/v1/observations", json=body, timeout=30)
                    except requests.RequestException:
                        return
                    assert answer.status_code == 200
                    acknowledged[body["batch"]] = answer.json()["stored"]
                    if n >= ROUNDS:
                        enough.set()

        devices = [threading.Thread(target=device) for _ in range(4)]
        for one in devices:
            one.start()
        assert enough.wait(60)
        server.kill()
        for one in devices:
            one.join(timeout=60)
    assert len(acknowledged) > 100
    server = start_server(folder=folder)
    for batch_id, n in sent.items():
        if batch_id not in acknowledged:
            assert stored(server, batch(n, batch_id=batch_id)) == n
    assert len(rows(server)) == sum(sent.values())
    for batch_id, n in random.Random(7).sample(sorted(acknowledged.items()), 50):
        assert stored(server, batch(9, batch_id=batch_id)) == n
    assert len(rows(server)) == sum(sent.values())


def test_randomised_response_is_undone_in_aggregate(kept: Server) -> None:
    """10,000 devices, 30 % of them watch; each turns its truth round with probability 1 - p."""
    epsilon = 1.0
    p = math.exp(epsilon) / (1 + math.exp(epsilon))
    chance = random.Random(20261126)
    n, share = 10_000, 0.3
    truths = [(chance.random() < share) == (chance.random() < p) for _ in range(n)]
    for first in range(0, n, 100):
        body = batch(100, model="privacy@1.0.0", epsilon=epsilon)
        for one, truth in zip(body["observations"], truths[first : first + 100], strict=True):
            one["truth"] = "video" if truth else "non-video"
        stored(kept, body)
    reported = [row["truth"] == "video" for row in rows(kept, "&model=privacy&with_truth=true")]
    q = sum(reported) / len(reported)
    estimate = (q - (1 - p)) / (2 * p - 1)
    standard_error = math.sqrt(q * (1 - q) / len(reported)) / (2 * p - 1)
    assert len(reported) == n
    assert abs(estimate - share) < 4 * standard_error < 0.05
