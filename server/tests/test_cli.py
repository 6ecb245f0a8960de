"""The command's remote side: `classify --server`, `tail`, `bench-server`."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import CAPTURES, CLI, ROOT, Server, run_cli, wait_until
from traffic import CAPTURE_NAMES, ue_golden, window


@pytest.mark.parametrize("name", CAPTURE_NAMES)
@pytest.mark.parametrize("scope", ["flow", "session"])
def test_remote_labels_are_the_local_ones_byte_for_byte(server: Server, name: str, scope: str) -> None:
    options = ("--scope", scope, "--format", "csv", "--model", "reelsense-ue")
    local = run_cli("classify", CAPTURES / name, *options)
    remote = run_cli("classify", CAPTURES / name, *options, "--server", server.grpc_target)
    assert (local.returncode, remote.returncode) == (0, 0), remote.stderr
    assert local.stdout.count(b"\n") > 10
    assert remote.stdout == local.stdout


def test_the_servers_own_default_labels_when_no_model_is_named(server: Server) -> None:
    remote = run_cli("classify", CAPTURES / "reels-h3.pcap", "--server", f"grpc://{server.grpc_target}")
    rows = list(csv.DictReader(io.StringIO(remote.stdout.decode())))
    assert {row["model"] for row in rows} == {"reelsense-edge@1.0.0"}
    assert sum(row["label"] == "video" for row in rows) > len(rows) / 2


def test_flows_of_a_capture_are_forgotten_after_it(server: Server) -> None:
    before = server.metric("reelsense_server_live_flows")
    for _ in range(3):
        assert run_cli("classify", CAPTURES / "feed-h2.pcap", "--server", server.grpc_target).returncode == 0
    wait_until(lambda: server.metric("reelsense_server_live_flows") == before, "their flows are gone")


@pytest.mark.parametrize(
    ("options", "code", "complaint"),
    [
        (("--server", "127.0.0.1:1"), 5, b"127.0.0.1:1"),
        (("--server", "no url at all"), 1, b"URL"),
        (("--server", "{server}", "--model", "nobody"), 5, b"nobody"),
        (("--server", "grpcs://{server}"), 5, b""),
    ],
)
def test_what_goes_wrong_is_told(server: Server, options: tuple[str, ...], code: int, complaint: bytes) -> None:
    given = [option.replace("{server}", server.grpc_target) for option in options]
    done = run_cli("classify", CAPTURES / "feed-h2.pcap", *given)
    assert done.returncode == code and complaint in done.stderr and done.stderr.count(b"\n") <= 3, done.stderr


@contextmanager
def tailing(server: Server, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [CLI, "tail", "--server", server.grpc_target, *options]
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield tail
    finally:
        if tail.poll() is None:
            tail.kill()
        tail.communicate()


def lines_of(server: Server, tail: subprocess.Popen[bytes], flow: str, wanted: int) -> list[str]:
    """Asks for labels until the tail, which takes a moment to begin, has shown as many."""
    assert tail.stdout is not None
    os.set_blocking(tail.stdout.fileno(), False)
    golden = ue_golden()
    text = b""
    second = 1_700_000_000

    def shown() -> list[str] | None:
        nonlocal text, second
        second += 1
        row = golden.rows[second % len(golden.rows)]
        server.classify(model="reelsense-ue", windows=[window(flow, second, row)])
        text += tail.stdout.read() or b""
        whole = text.decode().split("\n")[:-1]
        return whole if len(whole) >= wanted else None

    return wait_until(shown, f"{wanted} lines of the tail")


def test_tail_shows_labels_as_they_are_given(server: Server) -> None:
    flow = "tailed"
    with tailing(server, "--model", "reelsense-ue", "--format", "csv") as tail:
        lines = lines_of(server, tail, flow, 6)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=30) == 0
    rows = list(csv.DictReader(lines))
    digest = server.get(f"/v1/flows/{flow}").json()["hash"]
    assert {row["flow"] for row in rows} == {digest}
    assert {row["model"] for row in rows} == {"reelsense-ue@1.0.0"}
    seconds = [int(row["time"]) for row in rows]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))  # none is missed
    assert all(row["label"] in ("video", "non-video") and 0.5 <= float(row["confidence"]) <= 1 for row in rows)


def test_tail_filters(server: Server) -> None:
    with tailing(
        server, "--model", "reelsense-ue", "--label", "video", "--max-confidence", "0.9", "--format", "jsonl"
    ) as tail:
        rows = [json.loads(line) for line in lines_of(server, tail, "tailed-too", 3)]
    assert all(row["label"] == "video" and row["confidence"] <= 0.9 for row in rows)


def test_tail_ends_with_the_server(start_server) -> None:
    server: Server = start_server()
    with tailing(server) as tail:
        wait_until(lambda: server.metric("reelsense_server_connections", api="grpc") == 1, "the tail watches")
        server.stop()
        assert tail.wait(timeout=30) == 5
        assert tail.stderr is not None and b"drain" in tail.stderr.read()


def test_a_classification_is_told_when_the_server_goes_away(start_server, tmp_path: Path) -> None:
    server: Server = start_server()
    command = [CLI, "classify", "-", "--server", server.grpc_target, "-o", tmp_path / "labels.csv"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    data = (CAPTURES / "reels-h3.pcap").read_bytes()
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    wait_until(lambda: server.metric("reelsense_server_windows_total") > 0, "it labels")
    server.kill()
    _, errors = process.communicate(data[len(data) // 2 :], timeout=60)
    assert process.returncode == 5 and server.grpc_target.encode() in errors, errors


@pytest.mark.parametrize("mode", ["stream", "unary", "rest"])
def test_bench_server_measures(server: Server, mode: str) -> None:
    target = server.url if mode == "rest" else server.grpc_target
    done = run_cli(
        "bench-server", "--server", target, "--mode", mode, "--model", "reelsense-ue", "--duration", "0.5",
        "--warmup", "0.1", "--clients", "2", "--json", ROOT / "tests/captures/reels-h3.pcap",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["windows"] > 0 and report["failed"] == {}
