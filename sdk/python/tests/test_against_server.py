"""The clients and the router against the C++ edge server. Skipped, and said so, where none is built."""

from __future__ import annotations

import copy
import json
import socket
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from requests_of import BAD_CLASSIFY, BAD_INFER, PACKETS, UE, classify, infer, tensor, window

import reelsense
from reelsense.client import (
    DeadlineError,
    FlowPackets,
    FlowWindow,
    InvalidRequestError,
    NotFoundError,
    RestClient,
    RetryPolicy,
    Truth,
    UnreachableError,
)
from reelsense.client.retry import NO_RETRY
from reelsense.escalation import Escalator
from reelsense.feedback import FeedbackQueue

JSON = {"Content-Type": "application/json"}
SECOND = 1_700_000_000


@pytest.fixture(scope="module")
def rest(edge_server):
    with RestClient(edge_server.url) as client:
        yield client


@pytest.fixture(scope="module")
def windows(root) -> reelsense.Windows:
    return reelsense.classify_capture(root / "tests/captures/reels-h3.pcap").windows


def flow_windows(windows: reelsense.Windows, prefix: str) -> list[FlowWindow]:
    return [FlowWindow(f"{prefix}/{at.flow}", at.second, at.features, at.bins) for at in windows]


# ---- REST ----


def test_rest_windows_get_the_device_models_labels(rest, windows):
    labels = rest.classify_windows(flow_windows(windows, "rest"), model=UE)
    assert [at.label for at in labels] == windows.labels
    assert np.array_equal(np.array([at.probability for at in labels], np.float32), windows.probability)
    assert {at.model for at in labels} == {f"{UE}@1.0.0"}
    again = rest.classify_windows(flow_windows(windows[-3:], "rest"), model=UE)
    assert all(at.repeated for at in again)


def test_rest_edge_model_labels_too(rest, windows):
    labels = rest.classify_windows(flow_windows(windows, "edge"), model="reelsense-edge")
    assert all(at.label in ("video", "non-video") for at in labels) and len(labels) == len(windows)


def test_rest_packets_flows_feedback_models(rest):
    packets = [(int(t * 10**9), size, "down" if way == 1 else way) for t, size, way in PACKETS]
    labels = rest.classify_packets([FlowPackets("client/1", packets, until_ns=(SECOND + 2) * 10**9)], model=UE)
    assert [at.second for at in labels] == [SECOND, SECOND + 1]
    assert rest.flow("client/1")["windows"] == 2
    assert rest.feedback([Truth("client/1", SECOND, "non-video")]) == 1
    rest.forget_flow("client/1")
    with pytest.raises(NotFoundError, match="unknown-flow"):
        rest.flow("client/1")
    assert {model.name for model in rest.models()} >= {UE, "reelsense-edge"}
    assert rest.is_ready()


def test_rest_infer_with_binary_tensors(rest, windows):
    answer = rest.infer(UE, windows.features, outputs=("probability", "label", "confidence"))
    assert np.array_equal(answer["probability"][:, 0], windows.probability)
    assert answer["label"][:, 0].tolist() == windows.labels
    assert np.array_equal(answer["confidence"][:, 0], windows.confidence)


def test_rest_errors_are_typed(rest):
    with pytest.raises(InvalidRequestError) as caught:
        rest.classify_windows([FlowWindow("a", -1, np.zeros(48))], model=UE)
    assert caught.value.errors[0]["where"] == "windows[0].second" and caught.value.request_id
    with pytest.raises(NotFoundError, match="nobody"):
        rest.classify_windows([], model="nobody")


def test_escalated_windows_come_back_from_the_edge_model(edge_server, windows):
    got = []
    with (
        RestClient(edge_server.url, retry=NO_RETRY) as client,
        Escalator(client, got.extend, enabled=True, burst=100, model="reelsense-edge") as escalator,
    ):
        assert escalator.offer(windows) == 10
        assert escalator.wait(30)
        assert escalator.counters().answered == 10
    assert [at.second for at in got] == windows[windows.uncertain].second.tolist()


def test_feedback_is_stored_once(edge_server, tmp_path, windows, model):
    with RestClient(edge_server.url) as client, FeedbackQueue(tmp_path / "q", model, opt_in=True, sample=1.0) as queue:
        paths = client.request("GET", "/openapi.json").json()["paths"]
        if "/v1/observations" not in paths:
            pytest.skip("this reelsense-server has no /v1/observations: build it anew (make server)")
        queue.add(windows, truth="video")
        body, records = queue.peek()
        assert client.send_observations(body) == records == len(windows)
        assert queue.send(client) == records and len(queue) == 0
        page = client.request("GET", "/v1/observations?limit=1000").json()
        assert len(page["rows"]) == records


# ---- gRPC ----


@pytest.fixture(scope="module")
def grpc_client(edge_server):
    pytest.importorskip("grpc")
    from reelsense.client import GrpcClient

    with GrpcClient(edge_server.target) as client:
        yield client


def test_grpc_windows_get_the_device_models_labels(grpc_client, windows):
    labels = grpc_client.classify_windows(flow_windows(windows, "grpc"), model=UE)
    assert [at.label for at in labels] == windows.labels
    assert np.array_equal(np.array([at.probability for at in labels], np.float32), windows.probability)
    assert [at.flow for at in labels] == [f"grpc/{flow}" for flow in windows.flow]
    assert all(at.repeated for at in grpc_client.classify_windows(flow_windows(windows[-3:], "grpc"), model=UE))


def test_grpc_packets_feedback_errors(grpc_client):
    packets = [(SECOND * 10**9, 120, "up"), (SECOND * 10**9 + 5, 1400, "down")]
    labels = grpc_client.classify_packets([FlowPackets("grpc/p", packets, end=True)], model=UE)
    assert [(at.flow, at.second, at.error) for at in labels] == [("grpc/p", SECOND, None)]
    assert grpc_client.feedback([Truth("grpc/p", SECOND, "video")]) == 1
    with pytest.raises(NotFoundError, match="NOT_FOUND"):
        grpc_client.classify_windows([], model="nobody")
    with pytest.raises(InvalidRequestError, match="features"):
        grpc_client.classify_windows([FlowWindow("a", 1, [1.0])], model=UE)
    nan = grpc_client.classify_windows([FlowWindow("grpc/nan", 1, [np.nan] * 48)], model=UE)
    assert (nan[0].label, nan[0].error) == (None, "invalid")


def test_grpc_stream_labels_every_window_in_order(grpc_client, windows):
    parts = flow_windows(windows, "stream")
    labels = list(grpc_client.stream(([part] for part in parts), model="reelsense-edge"))
    assert len(labels) == len(windows)
    for flow in {part.flow for part in parts}:
        assert [at.second for at in labels if at.flow == flow] == [p.second for p in parts if p.flow == flow]
    assert {at.model for at in labels} == {"reelsense-edge@1.0.0"}
    with pytest.raises(InvalidRequestError, match="request 1"):
        list(grpc_client.stream([[window_of(1)], [FlowWindow("a", 2, [1.0])]], model=UE))


def window_of(second: int) -> FlowWindow:
    return FlowWindow("stream/x", second, np.zeros(48))


def test_grpc_watch_sees_the_labels_of_others(grpc_client, rest):
    mine = [SECOND + 100_000 + i for i in range(3)]  # the server may still label what an earlier test sent and left
    seen = []
    done = threading.Event()
    watch = grpc_client.watch(model=UE)

    def follow() -> None:
        for label in watch:
            if label.second in mine:
                seen.append(label)
            if len(seen) == 3:
                break
        watch.close()
        done.set()

    threading.Thread(target=follow, daemon=True).start()
    rest.classify_windows([FlowWindow("watched", second, np.zeros(48)) for second in mine], model=UE)
    assert done.wait(30)
    assert [at.second for at in seen] == mine
    assert {at.model for at in seen} == {f"{UE}@1.0.0"} and all(at.missed == 0 for at in seen)


def test_grpc_unreachable_and_late():
    pytest.importorskip("grpc")
    from stub_server import closed_port

    from reelsense.client import GrpcClient, UnavailableError

    waits: list[float] = []
    with GrpcClient(f"127.0.0.1:{closed_port()}", retry=RetryPolicy(attempts=3, sleep=waits.append)) as client:
        with pytest.raises(UnavailableError) as caught:
            client.classify_packets([FlowPackets("a", [])])
        assert caught.value.not_taken and len(waits) == 2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        with GrpcClient(target, timeout_s=0.3, retry=NO_RETRY) as client, pytest.raises(DeadlineError):
            client.classify_windows([])


def test_stopped_servers_are_unreachable(root, tmp_path, edge_server):
    from edge_server import EdgeServer

    server = EdgeServer(edge_server.binary, root / "models", tmp_path)
    client = RestClient(server.url, retry=NO_RETRY)
    assert client.is_ready()
    server.stop()
    with pytest.raises(UnreachableError):
        client.models()


# ---- the router ----


class Both:
    """Asks the server and the router the same, and compares."""

    def __init__(self, url: str) -> None:
        from fastapi.testclient import TestClient

        from reelsense.fastapi import create_app

        self.router = TestClient(create_app())
        self.server = RestClient(url, retry=NO_RETRY)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        """The status and body of both, equal but for times and ids."""
        sent = {**(JSON if body is not None else {}), **(headers or {})}
        one = self.router.request(method, path, content=body, headers=sent)
        other = self.server._once(method, path, body, sent)
        assert one.status_code == other.status, (one.text, other.body)
        assert one.headers.get("content-type") == other.headers.get("Content-Type")
        length = one.headers.get("inference-header-content-length")
        assert length == other.headers.get("Inference-Header-Content-Length")
        if length is not None:
            assert one.content == other.body
            return one.content
        if not one.content and not other.body:
            return None
        mine, theirs = (without_times(json.loads(content)) for content in (one.content, other.body))
        assert_same(mine, theirs)
        return mine


def without_times(answer: Any) -> Any:
    answer = copy.deepcopy(answer)
    if isinstance(answer, dict):
        for key in ("request_id", "hash", "generation", "idle_s"):
            answer.pop(key, None)
        for label in answer.get("labels", []):
            label.pop("queue_us", None)
            label.pop("compute_us", None)
    return answer


# Where the two say the same in other words: a JSON parser's own message. NaN is a parser's matter to one, a value's to
# the other.
MALFORMED = "malformed JSON"


def assert_same(mine: Any, theirs: Any) -> None:
    if isinstance(mine, dict) and str(mine.get("detail", "")).startswith(MALFORMED):
        assert str(theirs["detail"]).startswith((MALFORMED, "windows[0].features[0]: a number is expected, not NaN"))
        assert {k: mine[k] for k in ("type", "title", "status")} == {k: theirs[k] for k in ("type", "title", "status")}
        return
    assert mine == theirs


@pytest.fixture(scope="module")
def both(edge_server):
    pytest.importorskip("fastapi")
    return Both(edge_server.url)


def test_router_labels_windows_as_the_server(both, windows):
    body = [{"flow": f"both/{at.flow}", "second": at.second, "features": at.features.tolist(), "bins": at.bins.tolist()}
            for at in windows]  # fmt: skip
    for model in (UE, "reelsense-ue-linear@1.0.0"):
        labels = both.ask("POST", "/v1/classify", classify(model=model, windows=body))["labels"]
        assert len(labels) == len(windows)
    both.ask("POST", "/v1/classify", classify(windows=[*body[-2:], body[0], body[-1] | {"second": 1}]))


def test_router_labels_packets_as_the_server(both):
    """Random packets, times that step back and jump, offloaded giants, in pieces: the same labels to the last bit."""
    random = np.random.default_rng(17)
    for flow in range(6):
        count = 400
        steps = random.choice([10**4, 10**7, 3 * 10**8, 25 * 10**8, 400 * 10**9, -10**7, -10**9], count,
                              p=[0.5, 0.3, 0.1, 0.04, 0.01, 0.04, 0.01])  # fmt: skip
        times = SECOND * 10**9 + np.maximum.accumulate(np.abs(np.cumsum(steps))) + np.minimum(steps, 0)
        sizes = random.choice([0, 40, 90, 1400, 1500, 1501, 16_000, 65_535, 4_000_000], count,
                              p=[0.02, 0.2, 0.1, 0.5, 0.1, 0.02, 0.03, 0.02, 0.01])  # fmt: skip
        ways = random.integers(0, 2, count)
        cuts = [0, *sorted(random.integers(0, count, 8).tolist()), count]
        for begin, end in pairwise(cuts):
            packets = zip(times[begin:end].tolist(), sizes[begin:end], ways[begin:end], strict=True)
            part = ",".join(f"[{t // 10**9}.{t % 10**9:09d},{s},{w}]" for t, s, w in packets)
            last = str(end == count).lower()
            body = f'{{"model":"{UE}","flows":[{{"flow":"p{flow}","packets":[{part}],"end":{last}}}]}}'
            both.ask("POST", "/v1/classify", body.encode())


def test_router_remembers_flows_as_the_server(both):
    both.ask("POST", "/v1/classify", classify(windows=[window("kept", second) for second in range(3, 15)]))
    assert both.ask("GET", "/v1/flows/kept")["windows"] == 12
    both.ask("POST", "/v1/classify", classify(windows=[window("kept", 20), window("kept", 20), window("kept", 19)]))
    both.ask("POST", "/v1/classify", classify(windows=[window("kept", 21, end=True), window("kept", 22)]))
    both.ask("GET", "/v1/flows/kept")
    both.ask("POST", "/v1/classify", classify(flows=[{"flow": "until", "packets": PACKETS, "until": 1700000001.99}]))
    both.ask("POST", "/v1/classify", classify(flows=[{"flow": "until", "packets": [], "until": 1700000002}]))
    both.ask("POST", "/v1/classify", classify(flows=[{"flow": "until", "packets": [], "end": True}]))
    both.ask("GET", "/v1/flows/until")
    both.ask("DELETE", "/v1/flows/kept")
    both.ask("DELETE", "/v1/flows/kept")


@pytest.mark.parametrize("wrong", BAD_CLASSIFY)
def test_router_refuses_what_the_server_refuses(both, wrong):
    both.ask("POST", "/v1/classify", BAD_CLASSIFY[wrong])


@pytest.mark.parametrize("wrong", BAD_INFER)
def test_router_refuses_tensors_that_the_server_refuses(both, wrong):
    both.ask("POST", f"/v2/models/{UE}/infer", BAD_INFER[wrong])


TOKENS = [
    *(bytes([byte]) for byte in b'{}[],:"-0 \\\n\xff'), b"null", b"true", b"1e", b"1e400", b"\\u0000", b'"flow"',
    b'"second"', b'"end"', b'"packets"', b'"up"', b"-0", b"0.5", b"1e2", b"01",
]  # fmt: skip


def mutations(body: bytes, count: int, seed: int) -> list[bytes]:
    """The body with a few bytes cut out, doubled, or replaced by a token."""
    random = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        changed = bytearray(body)
        for _ in range(int(random.integers(1, 4))):
            at = int(random.integers(0, len(changed)))
            length = int(random.integers(0, 12))
            token = [b"", bytes(changed[at : at + length]) * 2, TOKENS[random.integers(len(TOKENS))]]
            changed[at : at + length] = token[random.integers(3)]
        out.append(bytes(changed))
    return out


@pytest.mark.parametrize("kind", ["windows", "packets", "tensors"])
def test_router_answers_mutated_requests_with_the_servers_status(both, kind):
    """Six hundred bodies that are nearly right: whoever refuses one, both do, and for the same reason; of a body that
    names an unknown model and is malformed behind it, either may be told."""
    small = {"flow": "m", "second": 7, "features": [0.25] * 28, "bins": [3] * 40, "end": False}
    packets = [{"flow": "m", "packets": [[1.5, 60, "up"], [2.25e0, 1400, 1]], "until": 4.5, "end": True}]
    path, body = {
        "windows": ("/v1/classify", classify(model="reelsense-ue-socket", windows=[small])),
        "packets": ("/v1/classify", classify(flows=packets)),
        "tensors": ("/v2/models/reelsense-ue-socket/infer", infer(
            {"name": "features", "datatype": "FP32", "shape": [1, 28], "data": [0.25] * 28}, id="m",
            outputs=[{"name": "label", "parameters": {"binary_data": False}}], parameters={"timeout": 1_000_000})),
    }[kind]  # fmt: skip
    accepted = 0
    for number, mutated in enumerate(mutations(body, 200, seed=len(kind))):
        one = both.router.request("POST", path, content=mutated, headers=JSON)
        other = both.server._once("POST", path, mutated, JSON)
        if {one.status_code, other.status} == {400, 404}:
            continue
        assert one.status_code == other.status, (number, mutated, one.text, other.body)
        assert one.status_code == 200 or one.json()["type"] == json.loads(other.body)["type"], (mutated, one.text)
        accepted += one.status_code == 200
    assert 0 < accepted < 200


def test_router_infers_as_the_server(both, windows):
    rows = windows.features
    names = [{"name": name} for name in ("confidence", "probability", "label")]
    data = tensor(len(rows), data=rows.tolist())
    both.ask("POST", f"/v2/models/{UE}/infer", infer(data, id="x", outputs=names))
    both.ask("POST", f"/v2/models/{UE}/versions/1.0.0/infer", infer(data))
    for output in ({"binary_data_output": True}, {}):
        about = {"name": "features", "datatype": "FP32", "shape": list(rows.shape),
                 "parameters": {"binary_data_size": rows.nbytes}}  # fmt: skip
        head = infer(about, outputs=names, parameters=output)
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        both.ask("POST", f"/v2/models/{UE}/infer", head + rows.tobytes(), headers)
    for parameters in ({"sequence_start": True}, {}, {"sequence_end": True}, {}):
        both.ask("POST", f"/v2/models/{UE}/infer", infer(tensor(), parameters={"sequence_id": 5, **parameters}))


def test_router_tells_of_itself_as_the_server(both):
    for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{UE}", f"/v2/models/{UE}/versions/1.0.0",
                 f"/v2/models/{UE}/ready", "/v2/models/reelsense-ue-socket"):  # fmt: skip
        both.ask("GET", path)
    both.ask("POST", "/v1/classify", b"{}", {"Content-Type": "text/plain"})
    both.ask("POST", "/v1/classify", classify(windows=[]), {"X-Timeout-Ms": "x"})
    mine = {m["id"]: m for m in both.router.get("/v1/models").json()["models"]}
    theirs = {m["id"]: m for m in both.server.request("GET", "/v1/models").json()["models"]}
    for name, model in mine.items():
        model.pop("engine"), theirs[name].pop("engine")
        assert model == theirs[name]
