"""What is measured, on which server, and what it must come to (issue 5, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

OURS, LOGGED, MLSERVER = "reelsense", "reelsense-log", "mlserver"
FASTAPI, FASTAPI_ALONE = "fastapi", "fastapi-alone"
GRPC_AIO, GRPC_AIO_ALONE = "grpc-aio", "grpc-aio-alone"
NAMES = {
    OURS: "reelsense-server",
    LOGGED: "reelsense-server, inference log on",
    FASTAPI: "FastAPI + uvicorn",
    FASTAPI_ALONE: "FastAPI + uvicorn, not batched",
    GRPC_AIO: "grpc.aio",
    GRPC_AIO_ALONE: "grpc.aio, not batched",
    MLSERVER: "MLServer",
}
MODES = {"rest": "REST", "oip": "OIP REST", "stream": "gRPC stream", "unary": "gRPC unary"}


@dataclass(frozen=True)
class Case:
    """A load. Peers get the same one as we do, case by case."""

    key: str
    server: str
    mode: str  # of MODES
    windows: int  # a request or message
    clients: int
    flows: int = 256  # of each client
    in_flight: int = 256  # windows of each client that may wait for answers; modes stream and unary

    @property
    def title(self) -> str:
        what = "message" if self.grpc else "request"
        clients = f"{self.clients:,} client{'s' if self.clients > 1 else ''}"
        return f"{NAMES[self.server]}: {MODES[self.mode]}, {self.windows} a {what}, {clients}"

    @property
    def grpc(self) -> bool:
        return self.mode in ("stream", "unary")


CASES = [
    Case("rest-1", OURS, "rest", 1, clients=64),
    Case("fastapi-1", FASTAPI, "rest", 1, clients=64),
    Case("fastapi-alone-1", FASTAPI_ALONE, "rest", 1, clients=64),
    Case("rest-64", OURS, "rest", 64, clients=16),
    Case("fastapi-64", FASTAPI, "rest", 64, clients=16),
    Case("oip-1", OURS, "oip", 1, clients=64),
    Case("mlserver-1", MLSERVER, "oip", 1, clients=64),
    Case("stream-1", OURS, "stream", 1, clients=8),
    Case("aio-1", GRPC_AIO, "stream", 1, clients=8),
    Case("aio-alone-1", GRPC_AIO_ALONE, "stream", 1, clients=8),
    Case("stream-16", OURS, "stream", 16, clients=8),
    Case("aio-16", GRPC_AIO, "stream", 16, clients=8),
    Case("unary-1", OURS, "unary", 1, clients=8, in_flight=32),
    Case("rest-1-log", LOGGED, "rest", 1, clients=64),
    Case("stream-1-log", LOGGED, "stream", 1, clients=8),
    Case("stream-16-log", LOGGED, "stream", 16, clients=8),
]

# How throughput and latency grow with clients: each with the same few flows, so that more clients are more load.
GROWTH = [
    Case(f"{mode}-1x{clients}", OURS, mode, 1, clients=clients, flows=32, in_flight=32)
    for mode in ("stream", "rest")
    for clients in (1, 10, 100, 1000)
]

P99_MS = 5.0
LIVE_FLOWS = 100_000
MEMORY_BYTES = 200_000_000


@dataclass(frozen=True)
class Round:
    """A case once: as fast as it goes, then at half of that."""

    per_cpu_s: float
    per_s: float
    server_cpus: float
    client_cpus: float
    p50_ms: float
    p99_ms: float
    other_cpus: float  # of processes that have no part in it


Rounds = dict[str, list[Round]]


@dataclass(frozen=True)
class Target:
    text: str
    unit: str
    bound: float
    at_least: bool
    values: list[float]  # of each round

    @property
    def met(self) -> bool:
        return median(self.values) >= self.bound if self.at_least else median(self.values) <= self.bound


def targets(rounds: Rounds, memory_bytes: list[float]) -> list[Target]:
    """Those whose cases were measured. A ratio is taken round by round."""
    found: list[Target] = []

    def add(text: str, unit: str, bound: float, keys: list[str], value: Callable[..., float], least: bool) -> None:
        series = [rounds.get(key) for key in keys]
        if all(series):
            found.append(Target(text, unit, bound, least, [value(*one) for one in zip(*series, strict=True)]))

    def rate(one: Round) -> float:
        return one.per_cpu_s

    def ratio(one: Round, other: Round) -> float:
        return one.per_cpu_s / other.per_cpu_s if other.per_cpu_s else 0.0  # a peer that broke down proves nothing

    single = "FastAPI's REST, 1 a request"
    add(f"REST, 1 a request: 6 times {single}", "×", 6, ["rest-1", "fastapi-1"], ratio, True)
    add(f"REST, 64 a request: 25 times {single}", "×", 25, ["rest-64", "fastapi-1"], ratio, True)
    add("gRPC stream, 1 a message: 100,000 windows a CPU-second", "", 1e5, ["stream-1"], rate, True)
    add("gRPC stream, 1 a message: 10 times grpc.aio's", "×", 10, ["stream-1", "aio-1"], ratio, True)
    add("gRPC stream, 16 a message: 200,000 windows a CPU-second", "", 2e5, ["stream-16"], rate, True)
    for case in CASES:
        if case.server == OURS:
            text = f"p99 at half load, {MODES[case.mode]}, {case.windows} a time: 5 ms"
            add(text, "ms", P99_MS, [case.key], lambda one: one.p99_ms, False)
    if memory_bytes:
        megabytes = [value / 1e6 for value in memory_bytes]
        found.append(Target("memory with 100,000 live flows: 200 MB", "MB", MEMORY_BYTES / 1e6, False, megabytes))
    return found
