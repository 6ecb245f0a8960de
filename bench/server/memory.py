"""Resident memory of a fresh reelsense-server that keeps the state of many flows."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
from answers import FIRST_SECOND, golden
from edge_model import FEATURES
from servers import Server

PER_MESSAGE = 100
PACKETS_EVERY = 10  # one flow in that many comes as packets, whose extractor's state is kept too
DEADLINE_S = 120


def _window_of(window: Any, number: int) -> None:
    windows, _ = golden()
    row = windows[number % windows.shape[0], 0]
    window.flow = f"live-flow-{number:09d}".encode()
    window.second = FIRST_SECOND
    window.features.extend(row[:FEATURES].tolist())
    window.bins.extend(int(v) for v in row[FEATURES:])


def _packets_of(flow: Any, number: int, up: int, down: int) -> None:
    flow.flow = f"live-flow-{number:09d}".encode()
    for i in range(20):
        at = FIRST_SECOND * 1_000_000_000 + i * 40_000_000
        flow.packets.add(time_ns=at, size=1400, direction=down)
        if i % 2:
            flow.packets.add(time_ns=at + 1_000_000, size=52, direction=up)
    flow.until_ns = (FIRST_SECOND + 1) * 1_000_000_000


def _requests(flows: int) -> Iterator[Any]:
    from reelsense.v1 import flow_classifier_pb2 as pb

    for start in range(0, flows, PER_MESSAGE):
        request = pb.ClassifyRequest(request_id=start)
        for number in range(start, min(start + PER_MESSAGE, flows)):
            if number % PACKETS_EVERY == 0:
                _packets_of(request.flows.add(), number, pb.DIRECTION_UP, pb.DIRECTION_DOWN)
            else:
                _window_of(request.windows.add(), number)
        yield request


def _live_flows(server: Server) -> int:
    with urllib.request.urlopen(server.http_url + "/metrics") as response:
        for line in response.read().decode().splitlines():
            if line.startswith("reelsense_server_live_flows"):
                return int(float(line.split()[-1]))
    raise RuntimeError("/metrics does not tell the live flows")


def with_live_flows(server: Server, flows: int) -> dict[str, int]:
    """Opens that many flows, one labelled window each, and says what the server's memory is while all live."""
    from reelsense.v1 import flow_classifier_pb2_grpc as rpc

    before = server.memory_bytes()
    labels = 0
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = rpc.FlowClassifierStub(channel)
        for response in stub.ClassifyStream(_requests(flows), timeout=DEADLINE_S, wait_for_ready=True):
            if response.error:
                raise RuntimeError(f"{server.name}: error {response.error_code}: {response.error}")
            labels += sum(1 for label in response.labels if label.error == 0)
    if labels != flows:
        raise RuntimeError(f"{server.name}: {labels:,} of {flows:,} flows were labelled")
    live = _live_flows(server)
    if live < flows:
        raise RuntimeError(f"{server.name}: {live:,} flows live, {flows:,} were opened")
    after = server.memory_bytes()
    return {"flows": live, "before": before["VmRSS"], **after}
