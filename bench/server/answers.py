"""Every server must answer the bundle's golden sequences before it is timed, by the protocol it is timed by."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import grpc
import numpy as np
from edge_model import FEATURES
from servers import MODEL, Server

TOLERANCE = 1e-5
FIRST_SECOND = 1_700_000_000
DEADLINE_S = 30

_run = itertools.count()


@cache
def golden() -> tuple[np.ndarray, np.ndarray]:
    """Windows [Q, T, 88] and their probabilities [Q, T]."""
    document = json.loads((MODEL / "golden.json").read_text())
    return np.asarray(document["windows"], np.float32), np.asarray(document["probability"], np.float64)


def _steps() -> Iterator[tuple[int, int, np.ndarray]]:
    """(t, q, window): the sequences interleaved, as flows are."""
    windows, _ = golden()
    for t, q in itertools.product(range(windows.shape[1]), range(windows.shape[0])):
        yield t, q, windows[q, t]


def _post(connection: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> dict[str, Any]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: HTTP {response.status}: {text[:500]!r}")
    return json.loads(text)


def by_rest(server: Server, together: int) -> np.ndarray:
    """POST /v1/classify, `together` windows a request."""
    _, want = golden()
    got = np.full(want.shape, np.nan)
    run = next(_run)
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=DEADLINE_S)
    steps = list(_steps())
    for start in range(0, len(steps), together):
        part = steps[start : start + together]
        windows = [
            {
                "flow": f"golden-{run}-{q}",
                "second": FIRST_SECOND + t,
                "features": row[:FEATURES].tolist(),
                "bins": [int(v) for v in row[FEATURES:]],
            }
            for t, q, row in part
        ]
        labels = _post(connection, "/v1/classify", {"windows": windows})["labels"]
        places = {(window["flow"], window["second"]): (q, t) for window, (t, q, _) in zip(windows, part, strict=True)}
        for label in labels:
            got[places.pop((label["flow"], label["second"]))] = label["probability"]
    connection.close()
    return got


def by_oip(server: Server) -> np.ndarray:
    """POST /v2/models/…/infer, one window a request, the state kept by sequence_id."""
    windows, want = golden()
    got = np.full(want.shape, np.nan)
    run = next(_run)
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=DEADLINE_S)
    for t, q, row in _steps():
        ends = {"sequence_start": t == 0, "sequence_end": t == windows.shape[1] - 1}
        window = {"name": "window", "datatype": "FP32", "shape": [1, len(row)], "data": row.tolist()}
        body = {"parameters": {"sequence_id": 1000 * (run + 1) + q, **ends}, "inputs": [window]}
        answer = _post(connection, "/v2/models/reelsense-edge/infer", body)
        got[q, t] = next(o["data"][0] for o in answer["outputs"] if o["name"] == "probability")
    connection.close()
    return got


def _requests(run: int, together: int) -> tuple[list[Any], dict[tuple[bytes, int], tuple[int, int]]]:
    from reelsense.v1 import flow_classifier_pb2 as pb

    requests, places = [], {}
    steps = list(_steps())
    for start in range(0, len(steps), together):
        request = pb.ClassifyRequest(request_id=start)
        for t, q, row in steps[start : start + together]:
            flow, second = f"golden-{run}-{q}".encode(), FIRST_SECOND + t
            request.windows.add(
                flow=flow,
                second=second,
                features=row[:FEATURES].tolist(),
                bins=[int(v) for v in row[FEATURES:]],
            )
            places[flow, second] = q, t
        requests.append(request)
    return requests, places


def by_grpc(server: Server, together: int, *, stream: bool) -> np.ndarray:
    """ClassifyStream or Classify, `together` windows a message."""
    from reelsense.v1 import flow_classifier_pb2_grpc as rpc

    _, want = golden()
    got = np.full(want.shape, np.nan)
    requests, places = _requests(next(_run), together)
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = rpc.FlowClassifierStub(channel)
        if stream:
            responses = stub.ClassifyStream(iter(requests), timeout=DEADLINE_S, wait_for_ready=True)
        else:
            responses = (stub.Classify(r, timeout=DEADLINE_S, wait_for_ready=True) for r in requests)
        for response in responses:
            if response.error:
                raise RuntimeError(f"error {response.error_code}: {response.error}")
            for label in response.labels:
                got[places.pop((label.flow, label.second))] = label.probability
    return got


Asker = Callable[[Server], np.ndarray]

ASKERS: dict[str, list[Asker]] = {
    # 13 a request: some have a flow twice.
    "rest": [partial(by_rest, together=n) for n in (1, 13, 64)],
    "oip": [by_oip],
    "stream": [partial(by_grpc, together=n, stream=True) for n in (1, 13, 16)],
    "unary": [partial(by_grpc, together=1, stream=False)],
}


def check(server: Server, modes: set[str]) -> float:
    """The largest difference from golden.json. Raises if it is more than TOLERANCE or an answer is missing."""
    _, want = golden()
    worst = 0.0
    for mode in sorted(modes):
        for ask in ASKERS[mode]:
            try:
                difference = float(np.max(np.abs(ask(server) - want)))
            except (RuntimeError, KeyError, OSError, grpc.RpcError) as error:
                raise RuntimeError(f"{server.name}, {mode}: no answer to a golden sequence: {error!r}") from error
            if not difference <= TOLERANCE:  # also for NaN: an answer that never came
                raise RuntimeError(
                    f"{server.name}, {mode}: answers differ from golden.json by {difference:.2e} > {TOLERANCE}"
                )
            worst = max(worst, difference)
    return worst
