"""Clients that are slow, idle or many cost the server neither its memory nor its other clients."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from bundles import tiny_row
from harness import Server, wait_until

MIB = 1 << 20


def closed(raw: socket.socket) -> bool:
    """The server has ended this connection; what it still sent is read."""
    raw.setblocking(False)
    try:
        while raw.recv(1 << 16):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def connections(server: Server) -> float:
    return server.metric("reelsense_server_connections", api="rest")


def test_a_header_that_never_ends_is_408(start_server) -> None:
    server: Server = start_server("--http.read-timeout-s", "0.5")
    with server.raw() as raw:
        raw.sendall(b"GET /v2 HTTP/1.1\r\n")
        received = b""
        for i in range(200):  # a byte now and then does not extend it
            try:
                raw.sendall(b"X-%d: y\r\n" % i)
                raw.settimeout(0.05)
                received = raw.recv(4096)
                break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        assert received.startswith(b"HTTP/1.1 408 "), received
        assert b"/problems/request-timeout" in received
    server.check_serving()


def test_a_body_that_never_ends_is_408(start_server) -> None:
    server: Server = start_server("--http.read-timeout-s", "0.5")
    with server.raw() as raw:
        raw.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
        assert raw.recv(4096).startswith(b"HTTP/1.1 408 ")
    server.check_serving()


def test_idle_connections_are_closed(start_server) -> None:
    server: Server = start_server("--http.idle-timeout-s", "0.5")
    with server.raw() as idle, server.raw() as used:
        used.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert used.recv(4096).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: closed(idle) and closed(used), "both connections are closed")
    server.check_serving()


def test_a_client_that_pipelines_and_does_not_read_is_cut_off(start_server) -> None:
    server: Server = start_server("--http.write-timeout-s", "1")
    before = server.rss_bytes()
    raws = []
    for _ in range(8):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((server.host, server.http_port))
        raw.setblocking(False)
        raws.append(raw)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    end = time.monotonic() + 60
    left = set(raws)
    while left and time.monotonic() < end:
        for raw in list(left):
            try:
                raw.send(request * 100)
            except BlockingIOError:
                time.sleep(0.01)  # the server reads no further
            except OSError:
                left.discard(raw)  # it has given up on us
    assert not left, "a client that reads nothing is still connected"
    assert server.rss_bytes() - before < 40 * MIB
    wait_until(lambda: connections(server) <= 1, "their connections are gone")
    assert server.metric("reelsense_server_refused_total", api="rest", reason="timeout") >= 8
    server.check_serving()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    paths = [b"/v2/health/live", b"/v1/nothing", b"/v2", b"/v2/health/ready"] * 50
    with server.raw() as raw:
        for i, path in enumerate(paths):
            raw.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nX-Request-Id: n-%d\r\n\r\n" % (path, i))
        received = b""
        while received.count(b"X-Request-Id: n-") < len(paths):
            part = raw.recv(65_536)
            assert part, received[-500:]
            received += part
    ids = [int(part.split(b"\r\n")[0]) for part in received.split(b"X-Request-Id: n-")[1:]]
    assert ids == list(range(len(paths)))


def test_a_stream_that_is_not_read_is_read_no_further(start_server, stubs: SimpleNamespace) -> None:
    server: Server = start_server("--grpc.stream-windows", "256")
    sent = 0
    stop = threading.Event()
    blocked = threading.Event()

    def requests() -> Iterator[Any]:
        nonlocal sent
        second = 0
        while not stop.is_set():
            windows = [stubs.pb.Window(flow=b"f%d" % i, second=second, features=tiny_row(9.0)) for i in range(64)]
            second += 1
            sent += 64
            yield stubs.pb.ClassifyRequest(windows=windows)

    before = server.rss_bytes()
    options = [("grpc.http2.lookahead_bytes", 16_384), ("grpc.http2.bdp_probe", 0)]
    with grpc.insecure_channel(server.grpc_target, options=options) as channel:
        call = stubs.rpc.FlowClassifierStub(channel).ClassifyStream(requests(), timeout=120)

        def stalled() -> bool:
            was = sent
            time.sleep(0.7)
            if sent == was and was > 0:
                blocked.set()
            return blocked.is_set()

        wait_until(stalled, "the writer is held up", 60)
        # What the server labelled is bounded by its own limit and what fits into the sockets' buffers.
        labelled = server.metric("reelsense_server_windows_total")
        assert labelled < sent
        assert server.rss_bytes() - before < 60 * MIB
        server.check_serving()
        first = next(iter(call))  # reading goes on where it was
        assert first.labels
        stop.set()
        call.cancel()
    server.check_serving()


def test_connections_over_the_limit_are_told_and_no_more(start_server) -> None:
    server: Server = start_server("--http.max-connections", "20")
    held = [server.raw() for _ in range(20)]
    try:
        with server.raw() as one_more:
            one_more.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = one_more.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503 ") and b"/problems/busy" in answer
    finally:
        for raw in held:
            raw.close()
    wait_until(lambda: server.get("/v2").status_code == 200, "room again")
    server.check_serving()


def test_ten_thousand_idle_connections(start_server) -> None:
    wanted = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 1000:
        pytest.skip(f"RLIMIT_NOFILE is at most {hard} here; {wanted + 1000} file handles are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[socket.socket] = []
    try:
        server: Server = start_server()
        before = server.rss_bytes()
        for _ in range(wanted):
            held.append(server.raw())
        wait_until(lambda: connections(server) >= wanted, f"{wanted} connections", 60)
        assert server.rss_bytes() - before < 100 * MIB  # 10 kB each
        for _ in range(20):
            server.check_serving()
        for raw in held[::500]:  # they are served, too
            raw.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        for raw in held:
            raw.close()
        wait_until(lambda: connections(server) <= 2, "they are gone", 60)
    finally:
        for raw in held:
            raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.check_serving()
