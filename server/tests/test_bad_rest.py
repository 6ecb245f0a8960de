"""Bad requests over REST: each row is a documented status and message (docs/reference/server-errors.md)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from bundles import tiny_row
from harness import Server, wait_until
from traffic import edge_golden, new_flow, ue_golden, window

START = 1_700_000_000
UE_ROW = [0.0] * 48


@pytest.fixture(autouse=True)
def still_serving(server: Server) -> Iterator[None]:
    yield
    server.check_serving()


def problem(answer: requests.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["type"] == f"/problems/{slug}"
    assert told["status"] == status and told["title"] and told["detail"]
    assert told["request_id"] == answer.headers["X-Request-Id"]
    return told


def post(server: Server, path: str, body: bytes | str, **headers: str) -> requests.Response:
    data = body.encode() if isinstance(body, str) else body
    return server.request("POST", path, data=data, headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "{", "}", "[]", "null", "nul", '"text"', '{"windows":[}', '{"windows":[],}', '{"windows":[]} x',
        "{'windows':[]}", '{"windows":[]', '{"windows" []}', b'{"windows":[],"model":"\xff\xfe"}', b"\x00\x01\x02",
        '{"windows":[{"flow":"a","second":1,"features":[1,2', "[" * 100_000,
        '{"windows":' + "[" * 5000 + "]" * 5000 + "}",
    ],
    ids=range(19),
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/feedback", "/v2/models/reelsense-ue/infer"])
def test_malformed_json(server: Server, path: str, body: bytes | str) -> None:
    problem(post(server, path, body), 400, "invalid-request")


def one(**changes: Any) -> str:
    """A request of one window with `changes`; None leaves the member out."""
    members: dict[str, Any] = {"flow": "f", "second": START, "features": UE_ROW, **changes}
    present = {key: value for key, value in members.items() if value is not None}
    return json.dumps({"model": "reelsense-ue", "windows": [present]})


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (one(flow=None), "windows[0].flow"),
        (one(flow=""), "windows[0].flow"),
        (one(flow=7), "windows[0].flow"),
        (one(flow="x" * 257), "windows[0].flow"),
        (one(flow="x" * (1 << 20)), "windows[0].flow"),
        (one(second=None), "windows[0].second"),
        (one(second=-1), "windows[0].second"),
        (one(second=1.5), "windows[0].second"),
        (one(second="1"), "windows[0].second"),
        (one(second=10**12), "windows[0].second"),
        (one(second=10**30), "windows[0].second"),
        (one(features=None), "windows[0].features"),
        (one(features=[]), "windows[0].features"),
        (one(features=UE_ROW[:-1]), "windows[0].features"),
        (one(features=[*UE_ROW, 0.0]), "windows[0].features"),
        (one(features=[UE_ROW]), "windows[0].features[0]"),
        (one(features=[*UE_ROW[:-1], "0"]), "windows[0].features[47]"),
        (one(features=[*UE_ROW[:-1], 1e39]), "windows[0].features[47]"),
        (one(features="AAAA"), "windows[0].features"),
        (one(bins=[1] * 39), "windows[0].bins"),
        (one(end="yes"), "windows[0].end"),
        (one(colour="blue"), "windows[0].colour"),
        ('{"windows":[7]}', "windows[0]"),
        ('{"windows":{}}', "windows"),
        ('{"windows":[],"windows":[]}', "windows"),
        ('{"model":5,"windows":[]}', "model"),
        ('{"extra":1,"windows":[]}', "extra"),
        ("{}", ""),
        ('{"flows":[{"packets":[]}]}', "flows[0].flow"),
        ('{"flows":[{"flow":"a"}]}', "flows[0].packets"),
        ('{"flows":[{"flow":"a","packets":[[1,2]]}]}', "flows[0].packets[0]"),
        ('{"flows":[{"flow":"a","packets":[[1,2,"up",4]]}]}', "flows[0].packets[0]"),
        ('{"flows":[{"flow":"a","packets":[[-1,2,"up"]]}]}', "flows[0].packets[0][0]"),
        ('{"flows":[{"flow":"a","packets":[[1,-2,"up"]]}]}', "flows[0].packets[0][1]"),
        ('{"flows":[{"flow":"a","packets":[[1,2,"sideways"]]}]}', "flows[0].packets[0][2]"),
        ('{"flows":[{"flow":"a","packets":[[1,2,2]]}]}', "flows[0].packets[0][2]"),
        ('{"flows":[{"flow":"a","packets":[],"until":1e300}]}', "flows[0].until"),
    ],
)
def test_wrong_classify_bodies_name_the_place(server: Server, body: str, where: str) -> None:
    told = problem(post(server, "/v1/classify", body), 400, "invalid-request")
    assert told["errors"][0]["where"] == where
    assert told["errors"][0]["problem"]
    assert len(json.dumps(told)) < 2000  # what was sent is not sent back


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e400", "0x10", "01", "+1", ".5", "1."])
def test_numbers_that_json_or_float32_does_not_have(server: Server, number: str) -> None:
    body = one(features=[*UE_ROW[:-1], "here"]).replace('"here"', number)
    problem(post(server, "/v1/classify", body), 400, "invalid-request")


def test_edge_windows_need_their_bins(server: Server) -> None:
    body = {"windows": [{"flow": "a", "second": 1, "features": UE_ROW}]}
    told = problem(server.post("/v1/classify", body), 400, "invalid-request")
    assert told["errors"][0]["where"] == "windows[0].bins"


def test_packets_need_a_model_of_their_view(server: Server) -> None:
    body = {"model": "reelsense-ue-socket", "flows": [{"flow": "a", "packets": []}]}
    assert "view" in problem(server.post("/v1/classify", body), 400, "invalid-request")["detail"]


def test_nothing_of_a_bad_request_is_taken(server: Server) -> None:
    flow = new_flow("untouched")
    good = window(flow, START, ue_golden().rows[0])
    body = {"model": "reelsense-ue", "windows": [good, {**good, "second": START + 1, "features": []}]}
    problem(server.post("/v1/classify", body), 400, "invalid-request")
    assert server.get(f"/v1/flows/{flow}").status_code == 404


@pytest.mark.parametrize(
    "reference", ["nobody", "reelsense-ue@9.9.9", "reelsense-ue@", "@", "../../etc/passwd", "x" * 5000]
)
def test_unknown_models_and_versions(server: Server, reference: str) -> None:
    told = problem(server.post("/v1/classify", {"model": reference, "windows": []}), 404, "unknown-model")
    assert "reelsense-ue@1.0.0" in told["detail"] and len(told["detail"]) < 1000
    if "/" not in reference:
        problem(server.get(f"/v2/models/{reference.replace('@', '%40')}"), 404, "unknown-model")


def test_unknown_versions_in_paths(server: Server) -> None:
    for path in ("/v2/models/reelsense-ue/versions/7", "/v2/models/reelsense-ue/versions/7/ready"):
        problem(server.get(path), 404, "unknown-model")
    problem(server.post("/v2/models/nobody/infer", {"inputs": []}), 404, "unknown-model")
    problem(server.post("/v1/models/reelsense-ue/versions/7/load"), 404, "not-found")
    problem(server.post("/v1/models/reelsense-ue/versions/7/unload"), 404, "not-found")


def test_repeated_and_late_windows_are_told_apart(server: Server) -> None:
    golden = edge_golden()
    flow = new_flow("order")
    windows = [window(flow, START + t, golden.windows[7, t % 8]) for t in range(12)]
    first = server.classify(windows=windows)
    again = server.classify(windows=[windows[11], windows[4]])  # the last eight are remembered
    assert [label["repeated"] for label in again] == [True, True]
    assert [label["probability"] for label in again] == [first[11]["probability"], first[4]["probability"]]
    late, gap, on_time = server.classify(
        windows=[
            windows[3],
            window(flow, START - 5, golden.windows[0, 0]),
            window(flow, START + 12, golden.windows[0, 0]),
        ]
    )
    assert late == {"flow": flow, "second": START + 3, "error": "out_of_order"}
    assert gap == {"flow": flow, "second": START - 5, "error": "out_of_order"}
    assert on_time["label"] in ("video", "non-video")


def test_twice_in_one_request_is_answered_twice(server: Server) -> None:
    one_window = window(new_flow("twice"), START, edge_golden().windows[0, 0])
    a, b = server.classify(windows=[one_window, one_window])
    assert b["repeated"] and a["probability"] == b["probability"]


def tensor(**changes: Any) -> dict[str, Any]:
    members = {"name": "features", "datatype": "FP32", "shape": [1, 48], "data": UE_ROW, **changes}
    return {key: value for key, value in members.items() if value is not None}


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [tensor(name="features"), tensor(name="features")],
        [tensor(name=None)],
        [tensor(name="window")],
        [tensor(datatype="INT32")],
        [tensor(datatype="BYTES", data=["a"] * 48)],
        [tensor(datatype=None)],
        [tensor(shape=[48])],
        [tensor(shape=[1, 1, 48])],
        [tensor(shape=[0, 48], data=[])],
        [tensor(shape=[-1, 48])],
        [tensor(shape=[2, 48])],
        [tensor(shape=[1, 47], data=UE_ROW[1:])],
        [tensor(shape=[2**31 - 1, 48])],
        [tensor(shape=[10**30, 48])],
        [tensor(shape=None)],
        [tensor(data=None)],
        [tensor(data=UE_ROW[1:])],
        [tensor(data=["x"] * 48)],
        [tensor(data=[[UE_ROW]])],
        [tensor(data=None, parameters={"binary_data_size": 192})],
        [tensor(parameters={"shared_memory_region": "r"})],
    ],
)
def test_wrong_tensors(server: Server, inputs: list[dict[str, Any]]) -> None:
    told = problem(server.post("/v2/models/reelsense-ue/infer", {"inputs": inputs}), 400, "invalid-request")
    assert told["error"] == told["detail"]  # where the protocol's clients look


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("9999", b"{}"), ("-1", b"{}"), ("x", b"{}"), ("0", b"{}"),
        (None, b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,48],'
               b'"parameters":{"binary_data_size":192}}]}' + bytes(191)),
        (None, b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,48],'
               b'"parameters":{"binary_data_size":192}}]}' + bytes(193)),
        (None, b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,48],'
               b'"parameters":{"binary_data_size":191}}]}' + bytes(191)),
        (None, b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,48],'
               b'"parameters":{"binary_data_size":9223372036854775807}}]}' + bytes(192)),
    ],
)  # fmt: skip
def test_wrong_binary_tensors(server: Server, header: str | None, body: bytes) -> None:
    if header is None:
        header = str(body.index(b"]}") + 2)
    headers = {"Inference-Header-Content-Length": header, "Content-Type": "application/octet-stream"}
    answer = server.request("POST", "/v2/models/reelsense-ue/infer", data=body, headers=headers)
    problem(answer, 400, "invalid-request")


def test_nan_in_a_binary_tensor(server: Server) -> None:
    nan = b"\x00\x00\xc0\x7f" * 48
    head = json.dumps({"inputs": [tensor(data=None, parameters={"binary_data_size": 192})]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    answer = server.request("POST", "/v2/models/reelsense-ue/infer", data=head + nan, headers=headers)
    assert "NaN" in problem(answer, 400, "invalid-request")["detail"]


@pytest.mark.parametrize("truth", [{}, {"flow": "a", "second": 1}, {"flow": "a", "second": 1, "truth": "reel"},
                                   {"flow": "a", "second": -1, "truth": "video"}])  # fmt: skip
def test_wrong_feedback(server: Server, truth: dict[str, Any]) -> None:
    problem(server.post("/v1/feedback", {"truths": [truth]}), 400, "invalid-request")


def test_more_than_one_request_may_carry(server: Server) -> None:
    few = {"flow": "many", "second": 1, "features": UE_ROW}
    body = {"model": "reelsense-ue", "windows": [few] * 4097}
    assert "4096" in problem(server.post("/v1/classify", body), 400, "invalid-request")["detail"]
    packets = {"flows": [{"flow": "many", "packets": [[1, 100, 0]] * 200_001}]}
    assert "200000" in problem(server.post("/v1/classify", packets), 400, "invalid-request")["detail"]


def test_paths_and_methods(server: Server) -> None:
    problem(server.get("/v1/nothing"), 404, "not-found")
    answer = server.get("/v1/classify")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "POST"
    problem(server.get("/v1/analyses/nothing"), 404, "not-found")
    problem(server.get("/v1/flows/" + "x" * 257), 400, "invalid-request")
    answer_to = exchange(server, b"GET /v1/flows/%zz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer_to.startswith(b"HTTP/1.1 400 ") and b"percent-encoding" in answer_to


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_types_that_a_web_page_may_send_are_refused(server: Server, kind: str) -> None:
    problem(post(server, "/v1/classify", '{"windows":[]}', **{"Content-Type": kind}), 415, "unsupported-media-type")
    problem(post(server, "/v1/analyses", "x", **{"Content-Type": kind}), 415, "unsupported-media-type")


def test_compressed_bodies_are_refused(server: Server) -> None:
    answer = post(server, "/v1/classify", b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    problem(answer, 415, "unsupported-media-type")


def test_a_body_over_the_limit(server: Server) -> None:
    body = b" " * (16 << 20) + b"x"
    problem(post(server, "/v1/classify", body), 413, "too-large")
    parts = (body[at : at + (1 << 20)] for at in range(0, len(body), 1 << 20))
    answer = server.request("POST", "/v1/classify", data=parts, headers={"Content-Type": "application/json"})
    problem(answer, 413, "too-large")


def test_a_header_over_the_limit(server: Server) -> None:
    problem(server.get("/v1/flows/" + "x" * (1 << 20)), 431, "header-too-large")
    problem(server.get("/v2", headers={"X-Junk": "x" * 20_000}), 431, "header-too-large")


def exchange(server: Server, data: bytes) -> bytes:
    with server.raw() as raw:
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
        received = b""
        while part := raw.recv(65_536):
            received += part
        return received


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n{}",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"\r\n\r\n\0\0\0\0", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ],
    ids=range(14),
)  # fmt: skip
def test_malformed_http_is_400_and_the_connection_closes(server: Server, data: bytes) -> None:
    answer = exchange(server, data)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert b"Connection: close" in answer and b"application/problem+json" in answer


def test_a_request_cut_short_is_no_request(server: Server) -> None:
    for data in (b"", b"GE", b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"):
        assert exchange(server, data) == b""


def test_a_page_in_a_browser_cannot_read_the_answers(server: Server) -> None:
    answer = server.get("/v2", headers={"Origin": "http://evil.example"})
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)


def test_a_full_queue_is_429_and_says_when_to_come_back(start_server) -> None:
    # Eight windows wait for others to join their batch; there is no room for more meanwhile.
    small: Server = start_server("--scheduler.queue-windows", "8", "--scheduler.max-wait-ms", "1000")
    windows = [{"flow": f"f{i}", "second": 1, "features": tiny_row(9.0)} for i in range(9)]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(requests.post, f"{small.url}/v1/classify", json={"windows": windows[:8]}, timeout=30)
        wait_until(lambda: small.metric("reelsense_server_queue_depth") == 8, "eight windows in the queue")
        answer = small.post("/v1/classify", {"windows": windows[8:]})
        assert len(waiting.result().json()["labels"]) == 8
    problem(answer, 429, "queue-full")
    assert int(answer.headers["Retry-After"]) >= 1 and int(answer.headers["Retry-After-Ms"]) >= 1
    small.check_serving()


def test_a_deadline_that_has_passed_is_504(start_server) -> None:
    slow: Server = start_server("--scheduler.max-wait-ms", "1000")
    windows = [{"flow": "f", "second": 1, "features": tiny_row(9.0)}]
    for how in ({"headers": {"X-Timeout-Ms": "20"}}, {"params": {"timeout_ms": "20"}}):
        problem(slow.post("/v1/classify", {"windows": windows}, **how), 504, "deadline")
    problem(slow.post("/v1/classify?timeout_ms=never", {"windows": windows}), 400, "invalid-request")
    slow.check_serving()
