"""The end of a process: drained with its flows kept, or killed with nothing lost that was acknowledged."""

from __future__ import annotations

import contextlib
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import requests
from bundles import tiny_row
from grpc_health.v1 import health_pb2, health_pb2_grpc
from harness import MODELS, Server, run_server_command, wait_until
from traffic import capture_windows, decimal_seconds, edge_golden, udp_flows, window

START = 1_700_000_000
EDGE = ("--scheduler.max-batch", "1")  # every window is computed alone, so that answers can be compared bit for bit


def one_by_one(server: Server, windows: list[dict[str, Any]]) -> list[tuple[float, bool]]:
    labels = [server.classify(windows=[one])[0] for one in windows]
    assert not any(label.get("repeated") or label.get("restarted") for label in labels)
    return [(label["probability"], label["uncertain"]) for label in labels]


def test_labels_go_on_after_a_restart_as_if_nothing_had_happened(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    golden = edge_golden()
    windows = [window(f"golden-{q}", START + t, golden.windows[q, t]) for t in range(8) for q in range(4)]
    windows += [window(f"capture-{w.flow}", w.second, w.row) for w in capture_windows("reels-h3.pcap")]
    half = len(windows) // 2
    snapshot = tmp_path / "flows"
    flags = (*EDGE, "--flows.snapshot", snapshot)
    uninterrupted = start_server(*EDGE, models=MODELS)
    expected = one_by_one(uninterrupted, windows)

    first = start_server(*flags, models=MODELS)
    got = one_by_one(first, windows[:half])
    first.stop()
    saved = first.wait_for("snapshot_saved")
    assert snapshot.stat().st_mode & 0o077 == 0  # nobody else reads it
    second = start_server(*flags, models=MODELS)
    restored = next(line for line in second.lines if line["event"] == "snapshot_restored")
    assert restored["flows"] == saved["flows"] == len({one["flow"] for one in windows[:half]})
    assert not snapshot.exists()  # it is for one start
    got += one_by_one(second, windows[half:])
    assert got == expected
    assert second.get("/v1/flows/golden-0").json()["windows"] == 8


def test_a_second_that_was_open_goes_on_after_a_restart(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    packets = [
        [decimal_seconds(p.time_us), p.size, "up" if p.up else "down"]
        for p in next(iter(udp_flows("reels-h3.pcap").values()))
    ]
    cut = len(packets) // 2
    assert int(packets[cut - 1][0]) == int(packets[cut][0])  # inside a second
    parts = [{"flow": "f", "packets": packets[:cut]}, {"flow": "f", "packets": packets[cut:], "end": True}]
    uninterrupted = start_server(*EDGE, models=MODELS)
    expected = [label["probability"] for part in parts for label in uninterrupted.classify(flows=[part])]
    snapshot = tmp_path / "flows"
    got = []
    for part in parts:
        server = start_server(*EDGE, "--flows.snapshot", snapshot, models=MODELS)
        got += [label["probability"] for label in server.classify(flows=[part])]
        server.stop()
    assert got == expected and len(got) > 3


def test_a_truth_for_a_label_before_the_restart_is_matched(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    flags = ("--flows.snapshot", tmp_path / "flows")
    first = start_server(*flags, folder=tmp_path / "a")
    first.classify(windows=[{"flow": "f", "second": 1, "features": tiny_row(9.0)}])
    first.stop()
    second = start_server(*flags, folder=tmp_path / "a")
    truths = {"truths": [{"flow": "f", "second": 1, "truth": "video"}]}
    assert second.post("/v1/feedback", truths).json() == {"stored": 1, "matched": 1}
    rows = second.get("/v1/logs?misclassified=true").json()["rows"]
    assert len(rows) == 1 and rows[0]["truth"] == "video"


@pytest.mark.parametrize("damage", ["cut", "flipped", "another file", "other key"])
def test_a_snapshot_that_cannot_be_used_is_told_and_passed_over(
    tmp_path: Path, start_server: Callable[..., Server], damage: str
) -> None:
    snapshot = tmp_path / "flows"
    key = ("--flows.hash-key", "0" * 32) if damage == "other key" else ()
    first = start_server("--flows.snapshot", snapshot, *key)
    first.classify(windows=[{"flow": "f", "second": 1, "features": tiny_row(9.0)}])
    first.stop()
    data = bytearray(snapshot.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    if damage == "another file":
        data = bytearray(b"something else\n" * 10)
    snapshot.write_bytes(data)
    other = ("--flows.hash-key", "1" * 32) if damage == "other key" else ()
    second = start_server("--flows.snapshot", snapshot, *other)
    refused = [line for line in second.lines if line["event"] == "snapshot_refused"]
    assert refused and refused[0]["reason"]
    second.check_serving()


def test_sigterm_answers_what_was_taken_and_takes_nothing_new(
    start_server: Callable[..., Server], stubs: SimpleNamespace
) -> None:
    # Windows wait for a second for others, so that there is something to drain.
    server = start_server("--scheduler.max-wait-ms", "1000")
    answers: dict[str, Any] = {}

    def over_rest() -> None:
        body = {"windows": [{"flow": "rest", "second": 1, "features": tiny_row(9.0)}]}
        answers["rest"] = requests.post(f"{server.url}/v1/classify", json=body, timeout=30)

    channel = grpc.insecure_channel(server.grpc_target)
    stub = stubs.rpc.FlowClassifierStub(channel)
    row = stubs.pb.Window(flow=b"grpc", second=1, features=tiny_row(9.0))
    stream_row = stubs.pb.Window(flow=b"stream", second=1, features=tiny_row(9.0))
    release = threading.Event()

    def requests_of_the_stream() -> Iterator[Any]:  # it stays open until the test ends
        yield stubs.pb.ClassifyRequest(windows=[stream_row])
        release.wait(30)

    health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert next(health).status == health_pb2.HealthCheckResponse.SERVING
    thread = threading.Thread(target=over_rest)
    thread.start()
    unary = stub.Classify.future(stubs.pb.ClassifyRequest(windows=[row]))
    stream = stub.ClassifyStream(requests_of_the_stream())
    idle = server.raw()
    wait_until(lambda: server.metric("reelsense_server_queue_depth") == 3, "three windows wait")
    server.terminate()
    assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
    thread.join()
    assert answers["rest"].status_code == 200 and answers["rest"].json()["labels"][0]["label"] == "non-video"
    assert answers["rest"].headers["Connection"] == "close"
    assert unary.result().labels[0].flow == b"grpc"
    assert next(stream).labels[0].flow == b"stream"
    with pytest.raises(grpc.RpcError) as ended:
        next(stream)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    release.set()
    assert idle.recv(100) == b""  # closed
    assert server.wait() == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.http_port), timeout=5)
    assert server.lines[-1]["event"] == "stopped"


@pytest.mark.parametrize("attempt", range(5))  # the connection is met at another moment each time
def test_a_client_that_holds_on_does_not_hold_the_end_up(start_server: Callable[..., Server], attempt: int) -> None:
    server = start_server("--server.drain-timeout-s", "0.3")
    with server.raw() as holding:
        holding.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
        time.sleep(attempt * 0.002)
        server.terminate()
        assert server.wait() == 0


def test_streams_of_others_do_not_hold_the_end_up(start_server: Callable[..., Server]) -> None:
    server = start_server("--server.drain-timeout-s", "600")
    with grpc.insecure_channel(server.grpc_target) as channel, server.raw():
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        server.terminate()
        assert server.wait() == 0


def acknowledged_feedback(server: Server, stub: Any, pb: Any, over_rest: bool, seconds: range, done: set[int],
                          stop: threading.Event) -> None:  # fmt: skip
    """Sends truths until the server is gone; `done` gets those that it said were stored."""
    flow, values = ("rest" if over_rest else "grpc"), iter(seconds)
    with contextlib.suppress(requests.RequestException, grpc.RpcError), requests.Session() as session:
        while not stop.is_set():
            some = [next(values) for _ in range(random.randint(1, 20))]
            if over_rest:
                truths = [{"flow": flow, "second": s, "truth": "video" if s % 3 else "non-video"} for s in some]
                answer = session.post(f"{server.url}/v1/feedback", json={"truths": truths}, timeout=10)
                stored = answer.status_code == 200 and answer.json()["stored"] == len(some)
            else:
                truths = [pb.Truth(flow=flow.encode(), second=s, truth=2 if s % 3 else 1) for s in some]
                stored = stub.Feedback(pb.FeedbackRequest(truths=truths), timeout=10).stored == len(some)
            if stored:
                done.update(some)


def test_ten_kills_lose_nothing_that_was_acknowledged(
    tmp_path: Path, start_server: Callable[..., Server], stubs: SimpleNamespace
) -> None:
    folder = tmp_path / "killed"
    acknowledged: dict[bool, set[int]] = {True: set(), False: set()}
    for turn in range(10):
        server = start_server(folder=folder)
        stop = threading.Event()
        with grpc.insecure_channel(server.grpc_target) as channel:
            stub = stubs.rpc.FlowClassifierStub(channel)
            threads = [
                threading.Thread(
                    target=acknowledged_feedback,
                    args=(server, stub, stubs.pb, rest, range(turn * 100_000 + part * 50_000, (turn + 1) * 100_000),
                          acknowledged[rest], stop),
                )
                for rest in (True, False)
                for part in (0, 1)
            ]  # fmt: skip
            for thread in threads:
                thread.start()
            # Labels for the log meanwhile, so that its transactions are cut, too.
            end = time.monotonic() + random.uniform(0.2, 0.6)
            second = turn * 1000
            while time.monotonic() < end:
                second += 1
                server.classify(
                    windows=[{"flow": f"load-{i}", "second": second, "features": tiny_row(9.0)} for i in range(50)]
                )
            server.kill()
            stop.set()
            for thread in threads:
                thread.join()
    total = sum(len(seconds) for seconds in acknowledged.values())
    assert total > 200
    survivor = start_server(folder=folder)
    survivor.check_serving()
    survivor.stop()
    with contextlib.closing(sqlite3.connect(folder / "log.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored: dict[int, set[tuple[int, int]]] = {}
        # The hash key is a new one at each start: flows are told apart by it only within a run.
        for second, truth in database.execute("SELECT second, truth FROM feedback"):
            stored.setdefault(second, set()).add((second, truth))
    for seconds in acknowledged.values():
        lost = {s for s in seconds if (s, int(s % 3 != 0)) not in stored.get(s, set())}
        assert not lost, f"{len(lost)} of {total} acknowledged truths are lost"


def test_two_servers_do_not_share_a_port(
    start_server: Callable[..., Server], tmp_path: Path, tiny_models: Path
) -> None:
    server = start_server()
    for flag, port in (("--http.listen", server.http_port), ("--grpc.listen", server.grpc_port)):
        other = "--grpc.listen" if flag == "--http.listen" else "--http.listen"
        done = run_server_command(flag, f"127.0.0.1:{port}", other, "127.0.0.1:0", "--log.file",
                                  tmp_path / "other.sqlite", "--models.path", tiny_models,
                                  "--models.default-model", "tiny-ue")  # fmt: skip
        assert done.returncode == 2
        assert flag[2:] in done.stderr
    server.check_serving()
