"""Captures in, labels out."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from harness import CAPTURES, CLI, ROOT, Server, run_cli, wait_until
from traffic import CAPTURE_NAMES

CAPTURE_TYPE = {"Content-Type": "application/vnd.tcpdump.pcap"}


def submit(server: Server, data: bytes, query: str = "") -> str:
    answer = server.request("POST", f"/v1/analyses{query}", data=data, headers=CAPTURE_TYPE)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/analyses/{answer.json()['id']}"
    return answer.json()["id"]


def finished(server: Server, analysis: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        view = server.get(f"/v1/analyses/{analysis}").json()
        assert 0 <= view["progress"] <= 1
        return view if view["state"] in ("done", "failed", "cancelled") else None

    return wait_until(look, f"analysis {analysis} finished", 120)


@pytest.mark.parametrize("name", CAPTURE_NAMES)
def test_a_capture_is_labelled_as_by_the_command(server: Server, name: str) -> None:
    analysis = submit(server, (CAPTURES / name).read_bytes(), f"?model=reelsense-ue&name={name}")
    view = finished(server, analysis)
    assert view["state"] == "done", view
    assert (view["name"], view["model"], view["progress"]) == (name, "reelsense-ue@1.0.0", 1)

    labels = server.get(f"/v1/analyses/{analysis}/labels")
    assert labels.headers["Content-Type"].startswith("text/csv")
    got = list(csv.DictReader(io.StringIO(labels.text)))
    local = run_cli("classify", CAPTURES / name, "--format", "csv")
    assert local.returncode == 0, local.stderr
    expected = list(csv.DictReader(io.StringIO(local.stdout.decode())))
    same = ("protocol", "label", "confidence", "uncertain", "packets_up", "packets_down", "bytes_up", "bytes_down")
    assert [(row["second"], *(row[key] for key in same)) for row in got] == [
        (row["time"], *(row[key] for key in same)) for row in expected
    ]

    summary = view["summary"]
    assert summary["windows"] == len(got)
    assert summary["video_windows"] == sum(row["label"] == "video" for row in got)
    assert summary["bytes_down"] == sum(int(row["bytes_down"]) for row in got)
    assert summary["flows"] == len({row["flow"] for row in got})


def test_the_deep_model_labels_captures_too(server: Server) -> None:
    analysis = submit(server, (CAPTURES / "reels-h3.pcap").read_bytes())
    view = finished(server, analysis)
    assert (view["state"], view["model"]) == ("done", "reelsense-edge@1.0.0")
    assert view["summary"]["video_windows"] > view["summary"]["windows"] / 2  # it is a capture of reels


def test_a_chunked_upload_is_taken(server: Server) -> None:
    data = (CAPTURES / "feed-h2.pcap").read_bytes()
    parts = (data[at : at + 100_000] for at in range(0, len(data), 100_000))
    answer = server.request("POST", "/v1/analyses", data=parts, headers=CAPTURE_TYPE)
    assert answer.status_code == 202, answer.text
    assert finished(server, answer.json()["id"])["state"] == "done"


def test_analyses_are_listed_newest_first_and_forgotten_when_deleted(server: Server) -> None:
    data = (CAPTURES / "feed-h2.pcap").read_bytes()
    first, second = submit(server, data), submit(server, data)
    finished(server, first), finished(server, second)
    listed = [view["id"] for view in server.get("/v1/analyses").json()["analyses"]]
    assert listed.index(second) < listed.index(first)
    assert server.request("DELETE", f"/v1/analyses/{first}").status_code == 204
    for path in (f"/v1/analyses/{first}", f"/v1/analyses/{first}/labels"):
        assert server.get(path).status_code == 404
    assert server.get(f"/v1/analyses/{second}/labels").status_code == 200


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "tests/bad").glob("*.pcap*")))
def test_a_bad_capture_is_told_as_the_command_tells_it(server: Server, name: str) -> None:
    data = (ROOT / "tests/bad" / name).read_bytes()
    if not data:
        answer = server.request("POST", "/v1/analyses", data=data, headers=CAPTURE_TYPE)
        assert answer.status_code == 400
        return
    view = finished(server, submit(server, data))
    local = run_cli("classify", ROOT / "tests/bad" / name)
    if local.returncode == 2:
        assert view["state"] == "failed" and view["error"]
        assert str(CLI.parent) not in view["error"] and "/tmp" not in view["error"]
        assert server.get(f"/v1/analyses/{view['id']}/labels").status_code == 409
    else:
        assert local.returncode in (0, 3)
        assert view["state"] == "done"
        assert bool(view.get("warning")) == (local.returncode == 3)


def test_a_capture_over_the_limit_is_413(start_server) -> None:
    server = start_server("--analyses.max-capture-mib", "1")
    data = b"\0" * (1 << 20) + b"\0"
    answer = server.request("POST", "/v1/analyses", data=data, headers=CAPTURE_TYPE)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    parts = (data[at : at + 65_536] for at in range(0, len(data), 65_536))
    answer = server.request("POST", "/v1/analyses", data=parts, headers=CAPTURE_TYPE)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    server.check_serving()


def test_a_model_of_another_view_is_refused(server: Server) -> None:
    data = (CAPTURES / "feed-h2.pcap").read_bytes()
    answer = server.request("POST", "/v1/analyses?model=reelsense-ue-socket", data=data, headers=CAPTURE_TYPE)
    assert answer.status_code == 422, answer.text
    answer = server.request("POST", "/v1/analyses?model=nobody", data=data, headers=CAPTURE_TYPE)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-model")
