#!/usr/bin/env python3
"""Mixed load on one server for SOAK_SECONDS (default 600): its memory must stay flat. `make soak` runs it.

Streams over gRPC, requests over REST, ground truth, whole captures, watchers, clients that come and go, flows that are
left to expire. Resident memory is sampled every 5 s. Fails if the median of the last fifth is above that of the second
fifth by more than 10 % and 10 MB, if an answer is wrong, or if the server does not end with 0.
"""

from __future__ import annotations

import importlib
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import requests
from grpc_tools import protoc
from harness import CAPTURES, MODELS, ROOT, Server
from traffic import CLOSE, edge_golden, window

SAMPLE_S = 5.0
LARGEST_GROWTH = 1.10
LARGEST_GROWTH_BYTES = 10 << 20
START = 1_700_000_000
STEPS = edge_golden().probability.shape[1]
# Bounded here so that they are reached within the soak, and memory with them.
FLAGS = ("--flows.max", "20000", "--flows.idle-timeout-s", "5", "--log.max-mib", "16", "--analyses.kept", "4",
         "--log.flush-ms", "100")  # fmt: skip


def make_stubs(folder: str) -> tuple[Any, Any]:
    proto = "reelsense/v1/flow_classifier.proto"
    code = protoc.main(["", f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}", proto])
    if code != 0:
        raise SystemExit("the stubs could not be made")
    sys.path.insert(0, folder)
    return (
        importlib.import_module("reelsense.v1.flow_classifier_pb2"),
        importlib.import_module("reelsense.v1.flow_classifier_pb2_grpc"),
    )


def patiently(send: Callable[[], requests.Response], full: int = 200) -> requests.Response:
    """What `send` gets, sent again for as long as the server says when to (a disk that others keep busy)."""
    while True:
        answer = send()
        if answer.status_code not in (429, 503) or "Retry-After" not in answer.headers:
            if answer.status_code != full:
                answer.raise_for_status()
            return answer
        time.sleep(float(answer.headers["Retry-After"]))


class Load:
    """Each member is one client's turn; it is called until the end and raises if an answer is wrong."""

    def __init__(self, server: Server, pb: Any, rpc: Any) -> None:
        self.server, self.pb, self.rpc = server, pb, rpc
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self.done[what] += number

    def stream(self, name: str) -> None:
        """A connection with one stream: golden sequences on interleaved flows, then it hangs up."""
        golden = edge_golden()
        flows = [(f"{name}-{i}", random.randrange(len(golden.windows))) for i in range(200)]

        def messages() -> Iterator[Any]:
            for t in range(STEPS):
                for flow, q in flows:
                    row = golden.windows[q, t]
                    last = t == STEPS - 1 and random.random() < 0.5  # the others are left to expire
                    yield self.pb.ClassifyRequest(
                        windows=[
                            self.pb.Window(flow=flow.encode(), second=START + t, features=row[:48],
                                           bins=[int(v) for v in row[48:]], end=last)
                        ]
                    )  # fmt: skip

        sequence = dict(flows)
        with grpc.insecure_channel(self.server.grpc_target) as channel:
            got = 0
            for answer in self.rpc.FlowClassifierStub(channel).ClassifyStream(messages(), timeout=120):
                for label in answer.labels:
                    expected = golden.probability[sequence[label.flow.decode()], label.second - START]
                    if label.error or abs(label.probability - expected) > CLOSE:
                        raise AssertionError(f"a stream's label is {label}, {expected} was expected")
                got += len(answer.labels)
                if random.random() < 0.0005:
                    self.count("streams broken off")
                    return  # without a goodbye
        if got != len(flows) * STEPS:
            raise AssertionError(f"{got} labels for {len(flows) * STEPS} windows")
        self.count("windows streamed", got)

    def rest(self, name: str) -> None:
        golden = edge_golden()
        with requests.Session() as session:
            for t in range(STEPS):
                windows = [
                    window(f"{name}-{q}", START + t, golden.windows[q, t], end=t == STEPS - 1)
                    for q in range(len(golden.windows))
                ]
                answer = session.post(f"{self.server.url}/v1/classify", json={"windows": windows}, timeout=60)
                answer.raise_for_status()
                got = [label["probability"] for label in answer.json()["labels"]]
                np.testing.assert_allclose(got, golden.probability[:, t], atol=CLOSE)
                self.count("windows over REST", len(got))
            for path in ("/metrics", "/v1/models", f"/v1/flows/{name}-0", "/v1/logs?limit=50"):
                session.get(self.server.url + path, timeout=60)
            bad = session.post(f"{self.server.url}/v1/classify", data=b'{"windows":[{]', timeout=60)
            if bad.status_code not in (400, 415):
                raise AssertionError(f"malformed JSON was answered with {bad.status_code}")

    def feedback(self, name: str) -> None:
        truths = [{"flow": name, "second": START + i, "truth": "video"} for i in range(50)]
        url = f"{self.server.url}/v1/feedback"
        answer = patiently(lambda: requests.post(url, json={"truths": truths}, timeout=60), full=507)
        if answer.status_code == 507:  # half of log.max-mib is feedback
            self.count("truths refused", len(truths))
        else:
            self.count("truths", answer.json()["stored"])

    def analysis(self, name: str) -> None:
        capture = random.choice([p for p in CAPTURES.iterdir() if ".pcap" in p.name])
        headers = {"Content-Type": "application/octet-stream"}
        url, body = f"{self.server.url}/v1/analyses?name={name}", capture.read_bytes()
        answer = patiently(lambda: requests.post(url, data=body, headers=headers, timeout=60))
        path = f"{self.server.url}{answer.headers['Location']}"
        while not self.stop.is_set():
            state = requests.get(path, timeout=60).json().get("state")
            if state == "done":
                self.count("captures")
                return
            if state != "waiting" and state != "running":
                raise AssertionError(f"the analysis of {capture.name} is {state}")
            time.sleep(0.05)

    def watch(self, name: str) -> None:
        with grpc.insecure_channel(self.server.grpc_target) as channel:
            watch = self.rpc.FlowClassifierStub(channel).Watch(self.pb.WatchRequest(), timeout=60)
            for number, answer in enumerate(watch):
                self.count("labels watched", len(answer.labels))
                if number == 20 or self.stop.is_set():
                    break
            watch.cancel()

    def connections(self, name: str) -> None:
        raws = [self.server.raw() for _ in range(50)]
        for raw in raws[::2]:
            raw.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: soak\r\n\r\n")
        for raw in raws:
            raw.close()
        self.count("connections", len(raws))

    def run(self, turn: Callable[[str], None], pause_s: float) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            try:
                turn(f"{turn.__name__}-{threading.get_ident()}-{number}")
            except Exception as failure:
                self.failures.append(f"{turn.__name__}: {failure!r}")
                return
            self.stop.wait(pause_s)


def soak(seconds: float) -> int:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder, "server"), *FLAGS, models=MODELS)
        load = Load(server, *make_stubs(folder))
        turns = [(load.stream, 0.0), (load.stream, 0.2), (load.rest, 0.05), (load.feedback, 0.2), (load.analysis, 1.0),
                 (load.watch, 0.5), (load.connections, 0.5)]  # fmt: skip
        threads = [threading.Thread(target=load.run, args=turn) for turn in turns]
        for thread in threads:
            thread.start()
        samples = sample_memory(server, load, seconds)
        load.stop.set()
        for thread in threads:
            thread.join()
        server.check_serving()
        server.stop()
        errors = [line for line in server.lines if line["level"] == "error"]
    return tell(samples, load, errors)


def sample_memory(server: Server, load: Load, seconds: float) -> list[int]:
    samples: list[int] = []
    print(f"{'s':>6} {'RSS MB':>8} {'windows':>10} {'flows':>7}", flush=True)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds and not load.failures:
        time.sleep(min(SAMPLE_S, max(0.0, seconds - (time.monotonic() - begin))))
        samples.append(server.rss_bytes())
        windows = server.metric("reelsense_server_windows_total")
        flows = server.metric("reelsense_server_live_flows")
        print(f"{time.monotonic() - begin:6.0f} {samples[-1] / 1e6:8.1f} {windows:10.0f} {flows:7.0f}", flush=True)
    return samples


def tell(samples: list[int], load: Load, errors: list[dict[str, Any]]) -> int:
    fifth = len(samples) // 5
    print(", ".join(f"{number:,} {what}" for what, number in sorted(load.done.items())))
    for failure in [*load.failures, *errors]:
        print(f"failed: {failure}", file=sys.stderr)
    if load.failures or errors:
        return 1
    if fifth == 0:
        print("too short to tell whether memory grows: five samples are needed", file=sys.stderr)
        return 1
    early = statistics.median(samples[fifth : 2 * fifth])
    late = statistics.median(samples[-fifth:])
    print(f"memory: {early / 1e6:.1f} MB in the second fifth, {late / 1e6:.1f} MB in the last")
    if late > early * LARGEST_GROWTH + LARGEST_GROWTH_BYTES:
        print("failed: memory grew", file=sys.stderr)
        return 1
    print("memory is flat")
    return 0


if __name__ == "__main__":
    sys.exit(soak(float(os.environ.get("SOAK_SECONDS", "600"))))
