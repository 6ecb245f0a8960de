"""Requests that the router and the edge server are both asked: right ones and wrong ones."""

from __future__ import annotations

import json
from typing import Any

UE = "reelsense-ue"
ROW = [0.5] * 48
BINS = [0] * 40
PACKETS = [[1700000000.1, 120, "up"], [1700000000.13, 1400, "down"], [1700000001.3, 9000, 1]]


def window(flow: str = "f", second: Any = 5, **more: Any) -> dict[str, Any]:
    return {"flow": flow, "second": second, "features": ROW, **more}


def classify(**body: Any) -> bytes:
    return json.dumps({"model": UE, **body}).encode()


def tensor(rows: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": "features", "datatype": "FP32", "shape": [rows, 48], "data": ROW * rows, **more}


def infer(*inputs: Any, **body: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **body}).encode()


# Bodies of POST /v1/classify that are refused, by what is wrong.
BAD_CLASSIFY: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "trailing": classify(windows=[]) + b"x",
    "not UTF-8": b'{"model": "\xff"}',
    "an array": b"[]",
    "NaN": b'{"windows": [{"flow": "a", "second": 1, "features": [NaN]}]}',
    "half a surrogate": classify(windows=[window("\ud800")]),
    "nothing asked": classify(),
    "unknown key": classify(windows=[], window=[]),
    "windows no array": classify(windows={}),
    "window no object": classify(windows=[1]),
    "unknown key of a window": classify(windows=[window(x=1)]),
    "no flow": classify(windows=[{"second": 1, "features": ROW}]),
    "no second": classify(windows=[{"flow": "a", "features": ROW}]),
    "no features": classify(windows=[{"flow": "a", "second": 1}]),
    "flow a number": classify(windows=[window(7)]),  # type: ignore[arg-type]
    "flow empty": classify(windows=[window("")]),
    "flow too long": classify(windows=[window("x" * 257)]),
    "second negative": classify(windows=[window(second=-1)]),
    "second a float": classify(windows=[window(second=1.5)]),
    "second a boolean": classify(windows=[window(second=True)]),
    "second too late": classify(windows=[window(second=7258118401)]),
    "too few features": classify(windows=[window() | {"features": ROW[:47]}]),
    "too many features": classify(windows=[window() | {"features": [*ROW, 1]}]),
    "a feature is text": classify(windows=[window() | {"features": [*ROW[:47], "1"]}]),
    "a feature is true": classify(windows=[window() | {"features": [*ROW[:47], True]}]),
    "a feature is too large": classify(windows=[window() | {"features": [*ROW[:47], 1e39]}]),
    "a feature is far too large": classify(windows=[window() | {"features": [*ROW[:47], 10**400]}]),
    "too few bins": classify(windows=[window(bins=BINS[:39])]),
    "a negative bin": classify(windows=[window(bins=[-1, *BINS[1:]])]),
    "end is a number": classify(windows=[window(end=1)]),
    "a key twice": b'{"model":"reelsense-ue","windows":[{"flow":"a","flow":"b","second":1,"features":[]}]}',
    "too many windows": classify(windows=[window(second=i) for i in range(4097)]),
    "packets no array": classify(flows=[{"flow": "a", "packets": 1}]),
    "no packets": classify(flows=[{"flow": "a"}]),
    "a packet of two": classify(flows=[{"flow": "a", "packets": [[1, 2]]}]),
    "a packet of four": classify(flows=[{"flow": "a", "packets": [[1, 2, "up", 3]]}]),
    "a negative time": classify(flows=[{"flow": "a", "packets": [[-1, 2, "up"]]}]),
    "a negative time with a point": classify(flows=[{"flow": "a", "packets": [[-0.5, 2, "up"]]}]),
    "a time too late": classify(flows=[{"flow": "a", "packets": [[7258118400.5, 2, "up"]]}]),
    "a time of text": classify(flows=[{"flow": "a", "packets": [["1", 2, "up"]]}]),
    "a negative size": classify(flows=[{"flow": "a", "packets": [[1, -2, "up"]]}]),
    "a size too large": classify(flows=[{"flow": "a", "packets": [[1, 2**32, "up"]]}]),
    "a direction unheard of": classify(flows=[{"flow": "a", "packets": [[1, 2, "left"]]}]),
    "a direction of 2": classify(flows=[{"flow": "a", "packets": [[1, 2, 2]]}]),
    "until is text": classify(flows=[{"flow": "a", "packets": [], "until": "now"}]),
    "packets of too many seconds": classify(flows=[{"flow": "a", "packets": [[i, 2, "up"] for i in range(4098)]}]),
    "packets for the socket view": json.dumps(
        {"model": "reelsense-ue-socket", "flows": [{"flow": "a", "packets": PACKETS}]}
    ).encode(),
}

# Bodies of POST /v2/models/reelsense-ue/infer that are refused.
BAD_INFER: dict[str, bytes] = {
    "empty": b"",
    "no inputs": infer(),
    "another tensor": infer(tensor(name="window")),
    "two tensors": infer(tensor(), tensor()),
    "no name": infer({"datatype": "FP32", "shape": [1, 48], "data": ROW}),
    "INT64": infer(tensor(datatype="INT64")),
    "another width": infer(tensor(shape=[1, 47])),
    "rank 3": infer(tensor(shape=[1, 1, 48])),
    "no rows": infer(tensor(shape=[0, 48])),
    "too many rows": infer(tensor(shape=[4097, 48])),
    "too few values": infer(tensor(data=ROW[:47])),
    "no values": infer({"name": "features", "datatype": "FP32", "shape": [1, 48]}),
    "values of text": infer(tensor(data=["a"] * 48)),
    "nested too deeply": infer(tensor(data=[[[1.0]]])),
    "too large": infer(tensor(data=[1e39, *ROW[1:]])),
    "binary size and values": infer(tensor(parameters={"binary_data_size": 192})),
    "shared memory": infer(tensor(parameters={"shared_memory_region": "x"})),
    "an unknown output": infer(tensor(), outputs=[{"name": "next_state"}]),
    "an output twice": infer(tensor(), outputs=[{"name": "label"}, {"name": "label"}]),
    "classification": infer(tensor(), outputs=[{"name": "label", "parameters": {"classification": 1}}]),
    "a long id": infer(tensor(), id="x" * 1025),
    "sequence start alone": infer(tensor(), parameters={"sequence_start": True}),
    "two rows of a sequence": infer(tensor(2), parameters={"sequence_id": 7, "sequence_start": True}),
    "an unknown sequence": infer(tensor(), parameters={"sequence_id": "nobody's"}),
    "a negative sequence": infer(tensor(), parameters={"sequence_id": -1}),
    "a timeout of text": infer(tensor(), parameters={"timeout": "1"}),
}
