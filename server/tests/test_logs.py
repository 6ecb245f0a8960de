"""The inference log as /v1/logs shows it."""

from __future__ import annotations

import csv
import io
import re

import pytest
from harness import Server, wait_until
from traffic import edge_golden, new_flow, window

START = 1_700_000_000


@pytest.fixture(scope="module")
def logged(server: Server) -> tuple[str, list[dict[str, object]]]:
    """A flow of eight windows, each in the log, the first two with their truth: one right, one wrong."""
    golden = edge_golden()
    flow = new_flow("logged")
    labels = server.classify(windows=[window(flow, START + t, golden.windows[3, t]) for t in range(8)])
    other = {"video": "non-video", "non-video": "video"}
    truths = [
        {"flow": flow, "second": START, "truth": labels[0]["label"]},
        {"flow": flow, "second": START + 1, "truth": other[labels[1]["label"]]},
    ]
    assert server.post("/v1/feedback", {"truths": truths}).status_code == 200
    wait_until(lambda: len(server.get(f"/v1/logs?flow={flow}").json()["rows"]) == 8, "eight rows in the log")
    return flow, labels


def rows(server: Server, query: str) -> list[dict[str, object]]:
    answer = server.get(f"/v1/logs?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def test_rows_are_the_labels_newest_first(server: Server, logged: tuple[str, list[dict[str, object]]]) -> None:
    flow, labels = logged
    found = rows(server, f"flow={flow}")
    assert [row["second"] for row in found] == [START + t for t in reversed(range(8))]
    for row, label in zip(found, reversed(labels), strict=True):
        assert row["label"] == label["label"]
        assert row["uncertain"] == label["uncertain"]
        assert row["confidence"] == pytest.approx(label["confidence"], abs=1e-4)
        assert (row["model"], row["version"], row["tier"]) == ("reelsense-edge", "1.0.0", "server")
        assert row["principal"] == 0


def test_a_flow_is_a_hash_and_may_be_asked_for_by_it(
    server: Server, logged: tuple[str, list[dict[str, object]]]
) -> None:
    flow, _ = logged
    digest = server.get(f"/v1/flows/{flow}").json()["hash"]
    assert re.fullmatch("[0-9a-f]{16}", digest)
    found = rows(server, f"flow=hash:{digest}")
    assert len(found) == 8 and {row["flow"] for row in found} == {digest}


def test_misclassified_windows_are_a_query_away(server: Server, logged: tuple[str, list[dict[str, object]]]) -> None:
    flow, labels = logged
    (wrong,) = rows(server, f"flow={flow}&misclassified=true")
    assert wrong["second"] == START + 1
    assert wrong["label"] == labels[1]["label"] != wrong["truth"]
    assert [row["second"] for row in rows(server, f"flow={flow}&with_truth=true")] == [START + 1, START]


def test_filters(server: Server, logged: tuple[str, list[dict[str, object]]]) -> None:
    flow, labels = logged
    for label in ("video", "non-video"):
        expected = sum(one["label"] == label for one in labels)
        assert len(rows(server, f"flow={flow}&label={label}")) == expected
    for uncertain in (True, False):
        expected = sum(one["uncertain"] == uncertain for one in labels)
        assert len(rows(server, f"flow={flow}&uncertain={str(uncertain).lower()}")) == expected
    confidences = sorted(float(str(one["confidence"])) for one in labels)
    at_most = (confidences[3] + confidences[4]) / 2
    assert len(rows(server, f"flow={flow}&max_confidence={at_most}")) == 4
    assert len(rows(server, f"flow={flow}&model=reelsense-edge@1.0.0")) == 8
    assert rows(server, f"flow={flow}&model=reelsense-ue") == []
    assert rows(server, f"flow={flow}&to=2001-01-01T00:00:00Z") == []
    assert len(rows(server, f"flow={flow}&from=2001-01-01T00:00:00Z")) == 8


def test_pages_follow_one_another(server: Server, logged: tuple[str, list[dict[str, object]]]) -> None:
    flow, _ = logged
    seconds: list[object] = []
    query = f"flow={flow}&limit=3"
    cursor = ""
    for _ in range(100):
        page = server.get(f"/v1/logs?{query}{cursor}").json()
        assert len(page["rows"]) <= 3
        seconds += [row["second"] for row in page["rows"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seconds == [START + t for t in reversed(range(8))]


@pytest.mark.parametrize("by", ["parameter", "header"])
def test_csv_has_the_same_rows(server: Server, logged: tuple[str, list[dict[str, object]]], by: str) -> None:
    flow, _ = logged
    if by == "parameter":
        answer = server.get(f"/v1/logs?flow={flow}&format=csv")
    else:
        answer = server.get(f"/v1/logs?flow={flow}", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    expected = rows(server, f"flow={flow}")
    assert len(table) == len(expected) == 8
    for got, row in zip(table, expected, strict=True):
        assert set(got) == {*row, "truth"}
        assert got["label"] == row["label"] and got["flow"] == row["flow"]
        assert int(got["second"]) == row["second"]
        assert float(got["confidence"]) == pytest.approx(row["confidence"], abs=1e-4)
        assert got["truth"] == row.get("truth", "")


@pytest.mark.parametrize(
    "query", ["from=yesterday", "label=reel", "uncertain=maybe", "max_confidence=2", "limit=0", "limit=10001",
              "cursor=x", "format=xml", "flow=hash:zz", "flow=", "model="]
)  # fmt: skip
def test_a_wrong_parameter_is_named(server: Server, query: str) -> None:
    answer = server.get(f"/v1/logs?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()["errors"][0]["where"]


def test_without_a_log_feedback_and_logs_are_501(start_server) -> None:
    server = start_server("--log.file", "")
    truth = {"truths": [{"flow": "a", "second": 1, "truth": "video"}]}
    for answer in (server.get("/v1/logs"), server.post("/v1/feedback", truth)):
        assert answer.status_code == 501
        assert answer.json()["type"] == "/problems/log-off"
    server.check_serving()


def test_no_address_and_no_flow_name_is_kept(server: Server, logged: tuple[str, list[dict[str, object]]]) -> None:
    flow, _ = logged
    files = list(server.folder.glob("log.sqlite*"))
    assert files
    for file in files:
        assert flow.encode() not in file.read_bytes(), file
    assert all(flow not in str(line) and "127.0.0.1" not in str(line) for line in server.lines)
