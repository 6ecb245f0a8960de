"""The Open Inference Protocol's infer: a request's tensors to rows, decisions to tensors, JSON or binary."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelsense.fastapi import reading
from reelsense.fastapi.problems import Problem
from reelsense.fastapi.service import Served, Service, shortest
from reelsense.types import Decisions

OUTPUTS = {"probability": "FP32", "label": "BYTES", "confidence": "FP32"}
_MOST_INT32 = 2**31 - 1
_MOST_INT64 = 2**63 - 1
_MOST_ID = 1024
_MOST_SEQUENCE = 128
_MOST_TIMEOUT_US = 600_000_000


@dataclass
class InferRequest:
    rows: NDArray[np.float32]
    id: str = ""
    sequence: str = ""
    sequence_start: bool = False
    sequence_end: bool = False
    timeout_us: int = 0
    binary_all: bool = False
    outputs: list[tuple[str, bool | None]] = field(default_factory=list)


def read(body: bytes, json_bytes: int, served: Served, most_rows: int) -> InferRequest:
    """Raises Problem with the place of what is wrong."""
    root = reading.parse(body[:json_bytes], exact_times=False)
    reading.members(root, "")
    request = InferRequest(np.empty((0, served.features), np.float32))
    if "id" in root:
        request.id = _short(root["id"], "id", _MOST_ID)
    if "parameters" in root:
        _read_parameters(reading.members(root["parameters"], "parameters"), request)
    left = body[json_bytes:]
    seen = False
    for i, element in enumerate(reading.elements(root.get("inputs", []), "inputs")):
        where = f"inputs[{i}]"
        tensor = reading.members(element, where, required=("name", "datatype", "shape"))
        if seen:
            raise Problem.at(where, 'tensor "features" is given twice')
        request.rows, left = _read_tensor(tensor, where, left, served, most_rows)
        seen = True
    if "outputs" in root:
        _read_outputs(root["outputs"], served, request)
    if not seen:
        raise Problem.at("inputs", 'tensor "features" is missing')
    if left:
        raise Problem.at("", f"{len(left)} bytes follow the last binary tensor")
    _check_sequence(request)
    return request


def _short(value: Any, where: str, most: int) -> str:
    text = reading.string(value, where)
    if len(text.encode()) > most:
        raise Problem.at(where, f"longer than {most} bytes")
    return text


def _read_parameters(parameters: reading.Members, request: InferRequest) -> None:
    if "sequence_id" in parameters:
        where = "parameters.sequence_id"
        value = parameters["sequence_id"]
        if isinstance(value, str):
            request.sequence = _short(value, where, _MOST_SEQUENCE)
        elif type(value) is int and 0 <= value < 2**64:
            request.sequence = str(value) if value else ""
        else:
            raise reading.unexpected(where, value, "a string or a non-negative integer")
    for name in ("sequence_start", "sequence_end"):
        if name in parameters:
            setattr(request, name, reading.boolean(parameters[name], f"parameters.{name}"))
    if "binary_data_output" in parameters:
        request.binary_all = reading.boolean(parameters["binary_data_output"], "parameters.binary_data_output")
    if "timeout" in parameters:
        request.timeout_us = reading.integer(parameters["timeout"], "parameters.timeout", 0, _MOST_TIMEOUT_US)


def _read_tensor(
    tensor: reading.Members, where: str, left: bytes, served: Served, most_rows: int
) -> tuple[NDArray[np.float32], bytes]:
    """A tensor's rows, and the binary bytes that are left behind it."""
    name = reading.string(tensor["name"], f"{where}.name")
    named = f'tensor "{name[:64]}"'
    if name != "features":
        raise Problem.at(f"{where}.name", f'{named} is not an input of {served.id}; it takes "features"')
    datatype = reading.string(tensor["datatype"], f"{where}.datatype")
    if datatype not in ("FP32", "FP64"):
        what = f"{named} is of {datatype[:16]}; FP32 (or FP64, which is rounded) is expected"
        raise Problem.at(f"{where}.datatype", what)
    sizes = reading.elements(tensor["shape"], f"{where}.shape")
    shape = [reading.integer(n, f"{where}.shape[{i}]", 0, _MOST_INT32) for i, n in enumerate(sizes[:2])]
    if len(sizes) > 2:
        raise Problem.at(f"{where}.shape", "a tensor of rank 2, [batch, values], is expected")
    if len(shape) != 2 or shape[1] != served.features or shape[0] < 1:
        raise Problem.at(f"{where}.shape", f"{named} has shape {shape}; [batch, {served.features}] is expected")
    if shape[0] > most_rows:
        raise Problem.at(f"{where}.shape", f"{named} has {shape[0]} rows; at most {most_rows} are taken")
    parameters = reading.members(tensor.get("parameters", reading.Members()), f"{where}.parameters")
    if "shared_memory_region" in parameters:
        raise Problem.at(f"{where}.parameters.shared_memory_region", "shared memory is not supported")
    if "binary_data_size" not in parameters:
        return _json_rows(tensor, where, named, shape), left
    if "data" in tensor:
        raise Problem.at(where, f"{named} has both data and parameters.binary_data_size")
    size = reading.integer(parameters["binary_data_size"], f"{where}.parameters.binary_data_size", 0, _MOST_INT64)
    return _binary_rows(size, datatype, f"{where}.parameters", named, shape, left)


def _json_rows(tensor: reading.Members, where: str, named: str, shape: list[int]) -> NDArray[np.float32]:
    """Flat, or nested as the shape."""
    where = f"{where}.data"
    if "data" not in tensor:
        raise Problem.at(where, f"is missing: {named} has neither data nor parameters.binary_data_size")
    flat: list[Any] = []
    for i, element in enumerate(reading.elements(tensor["data"], where)):
        if not isinstance(element, list):
            flat.append(element)
            continue
        for j, value in enumerate(element):
            if isinstance(value, list):
                raise Problem.at(f"{where}[{i}][{j}]", "nested more deeply than [batch, values]")
            flat.append(value)
    count = shape[0] * shape[1]
    if len(flat) != count:
        raise Problem.at(where, f"{named} has {len(flat)} values; its shape {shape} has {count}")
    return reading.floats(flat, where, count, named).reshape(shape)


def _binary_rows(
    size: int, datatype: str, where: str, named: str, shape: list[int], left: bytes
) -> tuple[NDArray[np.float32], bytes]:
    count = shape[0] * shape[1]
    width = 8 if datatype == "FP64" else 4
    if size != count * width:
        what = f"{named} has binary_data_size {size}; its shape {shape} has {count * width} bytes"
        raise Problem.at(where, what)
    if len(left) < size:
        raise Problem.at(where, f"{named} has {len(left)} bytes left behind the JSON; {size} are expected")
    with np.errstate(over="ignore"):
        rows = np.frombuffer(left[:size], f"<f{width}").astype(np.float32).reshape(shape)
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(wrong):
        raise Problem.at(f"inputs[0][{wrong[0]}]", "NaN or infinite values")
    return rows, left[size:]


def _read_outputs(value: Any, served: Served, request: InferRequest) -> None:
    for i, element in enumerate(reading.elements(value, "outputs")):
        where = f"outputs[{i}]"
        output = reading.members(element, where, required=("name",))
        name = reading.string(output["name"], f"{where}.name")
        binary = None
        if "parameters" in output:
            parameters = reading.members(output["parameters"], f"{where}.parameters")
            if "classification" in parameters:
                what = "the classification extension is not supported"
                raise Problem.at(f"{where}.parameters.classification", what)
            if "binary_data" in parameters:
                binary = reading.boolean(parameters["binary_data"], f"{where}.parameters.binary_data")
        if name not in OUTPUTS:
            there = ", ".join(OUTPUTS)
            raise Problem.at(f"{where}.name", f'"{name[:64]}" is not an output of {served.id}; there are {there}')
        if any(name == other for other, _ in request.outputs):
            raise Problem.at(f"{where}.name", f'"{name}" is asked for twice')
        request.outputs.append((name, binary))


def _check_sequence(request: InferRequest) -> None:
    if request.sequence:
        if len(request.rows) != 1:
            raise Problem.at("parameters", f"a request of a sequence has one row, not {len(request.rows)}")
    elif request.sequence_start or request.sequence_end:
        raise Problem.at("parameters", "sequence_start and sequence_end need a sequence_id other than 0")


def run(service: Service, principal: int, served: Served, request: InferRequest, *, exact: bool) -> Decisions:
    """Decisions of the rows; of a sequence the flow is remembered from request to request."""
    with service.lock:
        if request.sequence:
            _enter_sequence(service, principal, served, request, exact=exact)
        return served.backend.classify(request.rows)


def _enter_sequence(
    service: Service, principal: int, served: Served, request: InferRequest, *, exact: bool
) -> None:
    from reelsense.fastapi.flows import Past

    key = (principal, "oip/" + request.sequence, served.id if exact else served.bundle.name)
    now = service.clock()
    if request.sequence_start:
        service.flows.drop(key)
    elif service.flows.find(principal, key[1], [key[2]], now) is None:
        raise Problem.at(
            "parameters",
            f"sequence {request.sequence} is not known: its first request has sequence_start true, and without a "
            "request for flows.idle_timeout_s it is forgotten",
        )
    flow = service.flows.get(key, now)
    flow.remember(Past(flow.last_second + 1))
    if request.sequence_end:
        service.flows.drop(key)


def write(request: InferRequest, served: Served, decisions: Decisions) -> tuple[bytes, int]:
    """The body, and the length of its JSON part where binary tensors follow it; else 0."""
    outputs = request.outputs or [("probability", None)]
    out: dict[str, Any] = {"model_name": served.bundle.name, "model_version": served.bundle.version}
    if request.id:
        out["id"] = request.id
    tensors: list[dict[str, Any]] = []
    binary = b""
    any_binary = False
    for name, asked in outputs:
        tensor: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": [len(request.rows), 1]}
        values = decisions.labels if name == "label" else getattr(decisions, name)
        if request.binary_all if asked is None else asked:
            raw = _binary(values)
            tensor["parameters"] = {"binary_data_size": len(raw)}
            binary += raw
            any_binary = True
        else:
            tensor["data"] = [value if isinstance(value, str) else shortest(value) for value in values]
        tensors.append(tensor)
    out["outputs"] = tensors
    head = json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()
    return head + binary, len(head) if any_binary else 0


def _binary(values: Any) -> bytes:
    """BYTES: each element is its length, 4 bytes, and itself."""
    if isinstance(values, list):
        return b"".join(len(text).to_bytes(4, "little") + text.encode() for text in values)
    return np.asarray(values, "<f4").tobytes()
