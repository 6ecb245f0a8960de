"""Versions that come, go, fail and are asked for by name, number and alias, while the server serves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import requests
from bundles import probability, tiny_row, write_bundle
from harness import Server, run_server_command, wait_until
from traffic import new_flow

ROW = tiny_row(13.0)  # 0.73 by 12 bits, 0.27 by 14


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_bundle(folder)
    return folder


@pytest.fixture
def server(models: Path, start_server: Callable[..., Server]) -> Server:
    return start_server("--models.default-model", "tiny-ue", "--models.poll-s", "0.1", models=models)


def states(server: Server) -> dict[str, str]:
    return {model["id"]: model["state"] for model in server.get("/v1/models").json()["models"]}


def ask(server: Server, model: str = "", flow: str = "", second: int = 1) -> dict[str, Any]:
    windows = [{"flow": flow or new_flow(), "second": second, "features": ROW}]
    answer = server.post("/v1/classify", {"model": model, "windows": windows})
    assert answer.status_code == 200, answer.text
    return {"answered_by": answer.json()["model"], **answer.json()["labels"][0]}


def test_a_version_that_appears_is_served(server: Server, models: Path) -> None:
    assert ask(server)["probability"] == pytest.approx(probability(13, 12))
    write_bundle(models, "1.1.0", bits=14)
    wait_until(lambda: states(server).get("tiny-ue@1.1.0") == "ready", "the new version is served")
    newest = ask(server)
    assert newest["answered_by"] == "tiny-ue@1.1.0"
    assert newest["probability"] == pytest.approx(probability(13, 14))
    old = ask(server, "tiny-ue@1.0.0")
    assert old["probability"] == pytest.approx(probability(13, 12))


def test_a_flow_keeps_the_version_it_began_with(server: Server, models: Path) -> None:
    flow = new_flow()
    ask(server, flow=flow)
    write_bundle(models, "2.0.0", bits=14)
    wait_until(lambda: states(server).get("tiny-ue@2.0.0") == "ready", "the new version is served")
    kept = ask(server, flow=flow, second=2)
    assert (kept["model"], kept["probability"]) == ("tiny-ue@1.0.0", pytest.approx(probability(13, 12)))
    assert server.post("/v1/models/tiny-ue/versions/1.0.0/unload").status_code == 200
    moved = ask(server, flow=flow, second=3)
    assert moved["restarted"] and moved["probability"] == pytest.approx(probability(13, 14))
    assert "restarted" not in ask(server, flow=flow, second=4)


@contextmanager
def asking(server: Server) -> Iterator[list[int]]:
    """Requests without a pause meanwhile; their statuses."""
    statuses: list[int] = []
    stop = Event()

    def run() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                body = {"windows": [{"flow": new_flow(), "second": 1, "features": ROW}]}
                statuses.append(session.post(f"{server.url}/v1/classify", json=body, timeout=30).status_code)

    thread = Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def test_swaps_under_load_lose_no_request(server: Server, models: Path) -> None:
    with asking(server) as statuses:
        for version in range(2, 7):
            write_bundle(models, f"{version}.0.0", bits=12 + version % 2)
            name = f"tiny-ue@{version}.0.0"
            wait_until(lambda name=name: states(server).get(name) == "ready", f"{name} is served")
            answered = len(statuses)
            wait_until(lambda answered=answered: len(statuses) > answered + 1, "it is asked")
    assert set(statuses) == {200}


@pytest.mark.parametrize("how", ["other bytes", "no manifest", "other schema", "wrong golden", "cut onnx", "empty"])
def test_a_broken_version_that_appears_is_refused_with_the_reason(server: Server, models: Path, how: str) -> None:
    beside = models.parent / "making"
    golden_bits = 15.0 if how == "wrong golden" else None
    more = {"schema_hash": "0" * 64} if how == "other schema" else {}
    folder = write_bundle(beside, "3.0.0", bits=14, golden_bits=golden_bits, **more)
    if how == "other bytes":
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0")
    if how == "no manifest":
        (folder / "manifest.json").write_text("{")
    if how == "cut onnx":
        shutil.rmtree(folder)
        folder = write_bundle(beside, "3.0.0", files={"model.onnx": "0" * 64, "golden.json": "0" * 64})
    if how == "empty":
        for file in folder.iterdir():
            file.write_bytes(b"")
    with asking(server) as statuses:
        folder.rename(models / "tiny-ue" / "3.0.0")
        wait_until(lambda: states(server).get("tiny-ue@3.0.0") == "failed", "it is listed as failed")
    assert set(statuses) == {200}
    (broken,) = (m for m in server.get("/v1/models").json()["models"] if m["version"] == "3.0.0")
    assert broken["reason"]
    assert ask(server)["answered_by"] == "tiny-ue@1.0.0"
    assert server.post("/v1/classify", {"model": "tiny-ue@3.0.0", "windows": []}).status_code == 404
    refused = server.post("/v1/models/tiny-ue/versions/3.0.0/load")
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/model-refused")
    index = {m["version"]: m for m in server.post("/v2/repository/index").json()}
    assert index["3.0.0"]["state"] == "UNAVAILABLE" and index["3.0.0"]["reason"]
    assert server.wait_for("model_refused")["model"] == "tiny-ue@3.0.0"
    server.check_serving()


def test_a_broken_version_that_is_mended_is_loaded_on_demand(server: Server, models: Path) -> None:
    folder = write_bundle(models.parent / "making", "3.0.0", bits=14)
    good = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(b"")
    folder.rename(models / "tiny-ue" / "3.0.0")
    wait_until(lambda: states(server).get("tiny-ue@3.0.0") == "failed", "it is listed as failed")
    (models / "tiny-ue/3.0.0/model.onnx").write_bytes(good)
    assert server.post("/v1/models/tiny-ue/versions/3.0.0/load").status_code == 200
    assert ask(server)["answered_by"] == "tiny-ue@3.0.0"


def test_a_model_that_vanishes_while_loaded_is_served_on(server: Server, models: Path) -> None:
    flow = new_flow()
    ask(server, flow=flow)
    with asking(server) as statuses:
        shutil.rmtree(models / "tiny-ue")
        wait_until(lambda: states(server)["tiny-ue@1.0.0"] == "vanished", "it is listed as vanished")
    assert set(statuses) == {200}
    assert ask(server, flow=flow, second=2)["probability"] == pytest.approx(probability(13, 12))
    assert server.get("/v2/health/ready").status_code == 200
    server.wait_for("model_vanished")
    write_bundle(models)
    wait_until(lambda: states(server)["tiny-ue@1.0.0"] == "ready", "it is back")
    server.check_serving()


def test_the_last_of_the_default_model_is_not_unloaded(server: Server) -> None:
    answer = server.post("/v1/models/tiny-ue/versions/1.0.0/unload")
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-request")
    server.check_serving()


def test_an_unloaded_version_stays_away_until_it_is_loaded(server: Server, models: Path) -> None:
    write_bundle(models, "1.1.0", bits=14)
    wait_until(lambda: states(server).get("tiny-ue@1.1.0") == "ready", "the new version is served")
    assert server.post("/v1/models/tiny-ue/versions/1.1.0/unload").status_code == 200
    assert server.post("/v1/models/rescan").status_code == 200
    assert states(server)["tiny-ue@1.1.0"] == "unloaded"
    assert ask(server)["answered_by"] == "tiny-ue@1.0.0"
    assert server.post("/v1/models/tiny-ue/versions/1.1.0/load").status_code == 200
    assert ask(server)["answered_by"] == "tiny-ue@1.1.0"


def test_an_alias_moves_from_version_to_version(server: Server, models: Path) -> None:
    write_bundle(models, "2.0.0", bits=14)
    wait_until(lambda: states(server).get("tiny-ue@2.0.0") == "ready", "the new version is served")
    for version, bits in (("1.0.0", 12), ("2.0.0", 14)):
        body = {"model": f"tiny-ue@{version}"}
        assert server.request("PUT", "/v1/aliases/champion", json=body).status_code == 200
        assert ask(server, "champion")["probability"] == pytest.approx(probability(13, bits))
    for wrong in ("tiny-ue@9.9.9", "champion", ""):
        assert server.request("PUT", "/v1/aliases/other", json={"model": wrong}).status_code in (400, 404)
    assert server.request("PUT", "/v1/aliases/tiny-ue", json={"model": "tiny-ue"}).status_code == 400
    assert server.request("DELETE", "/v1/aliases/nothing").status_code == 404


def test_only_the_highest_versions_are_loaded(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    models = tmp_path / "models"
    for version in ("1.0.0", "1.9.0", "1.10.0", "2.0.0"):
        write_bundle(models, version)
    server = start_server("--models.default-model", "tiny-ue", "--models.versions-per-name", "2", models=models)
    served = [name for name, state in states(server).items() if state == "ready"]
    assert served == ["tiny-ue@2.0.0", "tiny-ue@1.10.0"]


def test_the_first_folder_that_has_a_version_wins(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    write_bundle(tmp_path / "a", bits=14)
    write_bundle(tmp_path / "b", bits=12)
    path = f"{tmp_path / 'a'}:{tmp_path / 'b'}"
    server = start_server("--models.path", path, "--models.default-model", "tiny-ue")
    assert ask(server)["probability"] == pytest.approx(probability(13, 14))


def test_a_missing_default_model_is_told_at_the_start(tmp_path: Path, models: Path) -> None:
    where = ("--log.file", tmp_path / "log.sqlite", "--http.listen", "127.0.0.1:0", "--grpc.listen", "127.0.0.1:0")
    done = run_server_command("--models.path", models, "--models.default-model", "nobody", *where)
    assert done.returncode == 2
    assert "nobody" in done.stderr and "tiny-ue@1.0.0" in done.stderr
