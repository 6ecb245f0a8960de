"""The service behind the router: models, flows, and POST /v1/classify. It knows no HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelsense._core import BINS, LABELS
from reelsense.backends import Backend
from reelsense.bundles import Bundle, shipped
from reelsense.errors import ReelsenseArgumentError
from reelsense.fastapi import reading
from reelsense.fastapi.flows import Flow, Flows, Key, Past
from reelsense.fastapi.problems import Problem
from reelsense.features import feature_names, schema_hash
from reelsense.model import Model


@dataclass(frozen=True)
class Limits:
    """As the server's keys of the same names."""

    windows_per_request: int = 4096
    packets_per_request: int = 200_000
    flow_name_bytes: int = 256
    max_body_bytes: int = 16 << 20
    max_flows: int = 65_536
    idle_timeout_s: float = 120.0
    request_timeout_s: float = 10.0


@dataclass(frozen=True)
class Served:
    """A model version that is served."""

    bundle: Bundle
    backend: Backend

    @property
    def id(self) -> str:
        return self.bundle.id

    @property
    def features(self) -> int:
        return len(feature_names(self.bundle.view))

    @property
    def engine(self) -> str:
        if isinstance(self.backend, Model):
            return f"native, {self.backend.info.kernel}"
        return self.backend.backend


@dataclass
class _Answer:
    """A window of a request: its label comes from `past`, or `error` says why there is none."""

    flow: str
    second: int
    past: Past | None = None
    repeated: bool = False
    error: str | None = None


@dataclass
class _Request:
    """What /v1/classify was asked, read and checked."""

    served: Served
    exact: bool
    windows: list[tuple[str, int, NDArray[np.float32], bool]] = field(default_factory=list)
    flows: list[tuple[str, NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8], int, bool]] = field(
        default_factory=list
    )


@dataclass
class _Placed:
    """A request's windows, in the order of their answers; `rows` are those that are to be scored, into `scored`."""

    answers: list[_Answer] = field(default_factory=list)
    rows: list[NDArray[np.float32]] = field(default_factory=list)
    scored: list[Past] = field(default_factory=list)

    def add(self, flow: Flow, name: str, second: int, row: NDArray[np.float32]) -> None:
        answer = _Answer(name, second)
        self.answers.append(answer)
        if second <= flow.last_second:
            answer.past = flow.recall(second)
            answer.repeated = answer.past is not None
            answer.error = None if answer.repeated else "out_of_order"
            return
        answer.past = Past(second)
        flow.remember(answer.past)
        self.rows.append(row)
        self.scored.append(answer.past)


class Service:
    """Labels windows and packets with the device tier's models. Any number of threads: calls wait for each other."""

    def __init__(
        self, bundles: Iterable[Bundle] | None, default: str, backend: str, limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.limits = limits
        self.clock = clock
        self.lock = threading.Lock()
        self.flows = Flows(limits.max_flows, limits.idle_timeout_s)
        found = shipped().values() if bundles is None else bundles
        self.models = sorted(
            (Served(bundle, bundle.load(backend)) for bundle in found),
            key=lambda served: (served.bundle.name, [-int(part) for part in served.bundle.version.split(".")]),
        )
        self.default = self._find(default)
        if self.default is None:
            raise ReelsenseArgumentError(f"default model {default!r}: there are {', '.join(m.id for m in self.models)}")

    # ---- models ----

    def _find(self, reference: str) -> Served | None:
        """By "name@version", or by name the latest."""
        return next((m for m in self.models if reference in (m.id, m.bundle.name)), None)

    def model(self, reference: str) -> Served:
        """"": the default. Raises unknown-model."""
        served = self._find(reference) if reference else self.default
        if served is None:
            there = ", ".join(sorted(m.id for m in self.models))
            raise Problem("unknown-model", f'model "{reference[:200]}" is not served; there is: {there}')
        return served

    def describe_models(self) -> dict[str, Any]:
        assert self.default is not None
        return {"models": [self._describe(m) for m in self.models], "aliases": {}, "default": self.default.id}

    def _describe(self, served: Served) -> dict[str, Any]:
        bundle = served.bundle
        return {
            "name": bundle.name, "version": bundle.version, "id": bundle.id, "state": "ready",
            "description": bundle.description, "tier": "ue", "view": bundle.view, "engine": served.engine,
            "schema_hash": schema_hash(bundle.view), "bins": 0, "state_width": 0, "threshold": bundle.threshold,
            "uncertain": list(bundle.uncertain), "features": list(feature_names(bundle.view)),
        }  # fmt: skip

    # ---- flows ----

    def lanes(self) -> list[str]:
        """The names a flow may have been asked under: a model's, or a version's where that was named."""
        return [name for m in self.models for name in (m.bundle.name, m.id)]

    def describe_flow(self, principal: int, name: str) -> dict[str, Any]:
        """Raises unknown-flow."""
        with self.lock:
            now = self.clock()
            found = self.flows.find(principal, name, self.lanes(), now)
            if found is None:
                raise Problem("unknown-flow", "no flow of that name is known to your key")
            key, flow = found
            served = self.model(key[2])
            last = [self._past(served, past) for past in reversed(flow.past)]
            return {
                "hash": self.flows.hash(principal, name), "model": served.id, "generation": flow.generation,
                "windows": flow.windows, "first_second": flow.first_second, "last_second": max(flow.last_second, 0),
                "idle_s": max(0.0, now - flow.used), "last": last,
            }  # fmt: skip

    def _past(self, served: Served, past: Past) -> dict[str, Any]:
        return {"second": past.second, **label_members(served.bundle, past.probability)}

    def forget_flow(self, principal: int, name: str) -> None:
        """Raises unknown-flow."""
        with self.lock:
            if not self.flows.forget(principal, name, self.lanes(), self.clock()):
                raise Problem("unknown-flow", "no flow of that name is known to your key")

    # ---- /v1/classify ----

    def classify(self, principal: int, body: bytes, begun: float, timeout_s: float) -> dict[str, Any]:
        """The answer to /v1/classify. begun: when it arrived, by the clock."""
        request = self._read(body)
        with self.lock:
            started = self.clock()
            if started - begun > timeout_s:
                raise Problem("deadline", "no window was answered in time")
            placed = self._place(principal, request, started)
            if placed.scored:
                decisions = request.served.backend.classify(np.stack(placed.rows))
                for past, probability in zip(placed.scored, decisions.probability, strict=True):
                    past.probability = float(probability)
            compute_s = self.clock() - started
        times = {"queue_us": int((started - begun) * 1e6), "compute_us": int(compute_s * 1e6)}
        return {"model": request.served.id, "labels": [self._label(request.served, at, times) for at in placed.answers]}

    def _label(self, served: Served, at: _Answer, times: dict[str, int]) -> dict[str, Any]:
        out: dict[str, Any] = {"flow": at.flow, "second": at.second}
        if at.past is None:
            return out | {"error": at.error}
        out |= label_members(served.bundle, at.past.probability)
        if at.repeated:
            out["repeated"] = True
        return out | times

    def _place(self, principal: int, request: _Request, now: float) -> _Placed:
        """Every window with its flow: what is to be scored, and what is answered already."""
        placed = _Placed()
        ended: list[Key] = []
        lane = request.served.id if request.exact else request.served.bundle.name
        for name, second, row, end in request.windows:
            key = (principal, name, lane)
            placed.add(self.flows.get(key, now), name, second, row)
            if end:
                ended.append(key)
        width = request.served.features
        for name, times, sizes, directions, until_ns, end in request.flows:
            key = (principal, name, lane)
            flow = self.flows.get(key, now)
            for second, row in flow.close_windows(times, sizes, directions, until_ns, end):
                placed.add(flow, name, second, row[:width])
            if end:
                ended.append(key)
        for key in ended:
            self.flows.drop(key)
        return placed

    def _read(self, body: bytes) -> _Request:
        root = reading.parse(body, exact_times=b'"flows"' in body)
        reading.members(root, "", known=("model", "windows", "flows"))
        reference = reading.string(root["model"], "model") if "model" in root else ""
        request = _Request(self.model(reference), "@" in reference)
        if "windows" not in root and "flows" not in root:
            raise Problem.at("", '"windows" or "flows" is expected')
        most = self.limits.windows_per_request

        def read_window(value: Any, where: str) -> None:
            self._read_window(value, where, request)

        if "windows" in root:
            reading.each(root["windows"], "windows", most, "windows", read_window)
        if "flows" in root:
            self._read_flows(root["flows"], request)
        return request

    def _read_window(self, value: Any, where: str, request: _Request) -> None:
        served = request.served
        known = ("flow", "second", "features", "bins", "end")
        window = reading.members(value, where, known, required=("flow", "second", "features"))
        name = reading.flow_name(window["flow"], f"{where}.flow", self.limits.flow_name_bytes)
        second = reading.integer(window["second"], f"{where}.second", 0, reading.LATEST_SECOND)
        row = reading.floats(window["features"], f"{where}.features", served.features, served.id)
        if "bins" in window:
            reading.floats(window["bins"], f"{where}.bins", BINS, served.id, not_negative=True)
        end = reading.boolean(window.get("end", False), f"{where}.end")
        request.windows.append((name, second, row, end))

    def _read_flows(self, value: Any, request: _Request) -> None:
        view = request.served.bundle.view
        packets = 0
        for i, element in enumerate(reading.elements(value, "flows")):
            where = f"flows[{i}]"
            if view != "packet":
                raise Problem.at(where, f"{request.served.id} is of view {view}; packets need one of view packet")
            if i >= self.limits.windows_per_request:
                raise Problem.at("flows", f"more than {self.limits.windows_per_request} flows in one request")
            known = ("flow", "packets", "until", "end")
            flow = reading.members(element, where, known, required=("flow", "packets"))
            name = reading.flow_name(flow["flow"], f"{where}.flow", self.limits.flow_name_bytes)
            given = reading.elements(flow["packets"], f"{where}.packets")
            packets += len(given)
            if packets > self.limits.packets_per_request:
                most = self.limits.packets_per_request
                raise Problem.at(f"{where}.packets", f"more than {most} packets in one request")
            read = [_packet(packet, f"{where}.packets[{j}]") for j, packet in enumerate(given)]
            until_ns = reading.time_ns(flow["until"], f"{where}.until") if "until" in flow else -1
            end = reading.boolean(flow.get("end", False), f"{where}.end")
            times, sizes, directions = zip(*read, strict=True) if read else ((), (), ())
            request.flows.append((name, np.array(times, np.int64), np.array(sizes, np.uint32),
                                  np.array(directions, np.uint8), until_ns, end))  # fmt: skip
        self._check_seconds(request)

    def _check_seconds(self, request: _Request) -> None:
        """Packets of so many seconds that they close more windows than a request may have."""
        most = self.limits.windows_per_request
        windows = len(request.windows)
        for i, (_, times, *_rest) in enumerate(request.flows):
            windows += 1 + int(np.count_nonzero(np.diff(times // 10**9))) if len(times) else 0
            if windows > most:
                raise Problem.at(f"flows[{i}].packets", f"packets of more than {most} seconds in one request")


def _packet(value: Any, where: str) -> tuple[int, int, int]:
    packet = reading.elements(value, where)
    if len(packet) != 3:
        found = "more" if len(packet) > 3 else f"{len(packet)} values"
        raise Problem.at(where, f"[time, size, direction] is expected, not {found}")
    time, size, direction = packet
    ns = reading.time_ns(time, f"{where}[0]")
    size = reading.integer(size, f"{where}[1]", 0, 2**32 - 1)
    if direction in ("up", "down"):
        return ns, size, int(direction == "down")
    if type(direction) is int:
        return ns, size, reading.integer(direction, f"{where}[2]", 0, 1)
    expected = '"up", "down", 0 (up) or 1 (down)'
    if isinstance(direction, str):
        raise Problem.at(f"{where}[2]", f"{expected} is expected")
    raise reading.unexpected(f"{where}[2]", direction, expected)


def label_members(bundle: Bundle, probability: float) -> dict[str, Any]:
    """label, confidence, probability and uncertain of a probability, in float32 as core does it."""
    p = np.float32(probability)
    video = bool(p >= np.float32(bundle.threshold))
    confidence = max(np.float32(0.5), p if video else np.float32(1) - p)
    low, high = map(np.float32, bundle.uncertain)
    return {"label": LABELS[video], "confidence": shortest(confidence), "probability": shortest(p),
            "uncertain": bool(low < p < high)}  # fmt: skip


def shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32, as the server writes it."""
    return float(str(np.float32(value)))


