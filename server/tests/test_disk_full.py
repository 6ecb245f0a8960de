"""SQLite's disk is full: labels go on, feedback says so, and all is well when there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from bundles import tiny_row
from harness import CAPTURES, Server, wait_until
from test_observations import batch

MIB = 1 << 20


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small tmpfs")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    junk = folder / "junk"
    with junk.open("wb", buffering=0) as out:
        for size in (65_536, 4096):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                continue
    return junk


def test_a_full_disk_under_the_log(
    tiny_disk: Path, start_server: Callable[..., Server], stubs: SimpleNamespace
) -> None:
    server = start_server("--log.file", tiny_disk / "log.sqlite", "--log.flush-ms", "20")
    truths = [{"flow": "f", "second": s, "truth": "video"} for s in range(500)]
    assert server.post("/v1/feedback", {"truths": truths[:1]}).status_code == 200
    junk = fill(tiny_disk)

    # What still fits into its files may be stored; then it is told, and nothing was.
    answer = None
    for attempt in range(100):
        some = [{**truth, "second": 1000 * attempt + int(str(truth["second"]))} for truth in truths]
        answer = server.post("/v1/feedback", {"truths": some})
        if answer.status_code != 200:
            break
    assert answer is not None and answer.status_code == 507, answer.text if answer else ""
    assert answer.json()["type"] == "/problems/disk-full"
    with grpc.insecure_channel(server.grpc_target) as channel, pytest.raises(grpc.RpcError) as refused:
        stub = stubs.rpc.FlowClassifierStub(channel)
        more = [stubs.pb.Truth(flow=b"f", second=s, truth=2) for s in range(4000)]
        stub.Feedback(stubs.pb.FeedbackRequest(truths=more))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE and "full" in refused.value.details()

    # Observations likewise: the same batch is taken as soon as there is room.
    body = batch(500)
    observed = [server.post("/v1/observations", {**body, "batch": f"{n:032x}"}) for n in range(20)]
    assert {answer.status_code for answer in observed} <= {200, 507}
    assert observed[-1].status_code == 507 and observed[-1].json()["type"] == "/problems/disk-full"
    assert server.metric("reelsense_server_observation_batches_total", outcome="disk_full") > 0

    # Labels are given, and those that the log missed are counted.
    def dropped() -> float:
        server.classify(
            windows=[{"flow": f"f{i}", "second": 1, "features": tiny_row(9.0), "end": True} for i in range(1000)]
        )
        return server.metric("reelsense_server_log_dropped_total")

    wait_until(dropped, "labels are dropped from the log", 60)
    assert server.metric("reelsense_server_log_failures_total") > 0
    server.check_serving()

    junk.unlink()
    wait_until(lambda: server.post("/v1/feedback", {"truths": truths}).status_code == 200, "room again")
    assert server.post("/v1/observations", {**body, "batch": f"{19:032x}"}).json() == {"stored": 500}
    logged = server.metric("reelsense_server_log_rows_total")

    def rows_again() -> bool:
        server.classify(windows=[{"flow": "again", "second": 1, "features": tiny_row(9.0), "end": True}])
        return server.metric("reelsense_server_log_rows_total") > logged

    wait_until(rows_again, "labels are logged again")
    server.check_serving()


def test_a_full_disk_under_the_analyses(tiny_disk: Path, start_server: Callable[..., Server]) -> None:
    server = start_server("--analyses.folder", tiny_disk)
    junk = fill(tiny_disk)
    data = (CAPTURES / "reels-h3.pcap").read_bytes()
    headers = {"Content-Type": "application/octet-stream"}
    answer = server.request("POST", "/v1/analyses", data=data, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (507, "/problems/disk-full")
    server.check_serving()
    junk.unlink()
    assert [file for file in tiny_disk.rglob("*") if file.is_file()] == []  # nothing of it was left
    answer = server.request("POST", "/v1/analyses", data=data, headers=headers)
    assert answer.status_code == 202, answer.text
    path = f"/v1/analyses/{answer.json()['id']}"
    wait_until(lambda: server.get(path).json()["state"] == "done", "it is done")


def test_a_log_that_cannot_be_opened_is_told_at_the_start(start_server: Callable[..., Server], tmp_path: Path) -> None:
    for name, content in (
        ("nothing/log.sqlite", None),
        ("text.sqlite", b"not a database, whatever its name says\n" * 50),
    ):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(AssertionError, match="log") as told:
            start_server("--log.file", file)
        assert "not_started" in str(told.value)
