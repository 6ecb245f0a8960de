"""The run as a table and as JSON."""

from __future__ import annotations

import dataclasses
import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from cases import CASES, GROWTH, MODES, Case, Rounds, Target

PACKAGES = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "orjson",
    "grpcio",
    "protobuf",
    "mlserver",
    "onnxruntime",
    "numpy",
)

QUIET_CPUS = 0.1


def machine() -> dict[str, Any]:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()}


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def spread(values: list[float], digits: int = 0) -> str:
    """median (least – most)"""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} – {max(values):,.{digits}f})"


def _row(name: str, rounds: Rounds, key: str, width: int) -> str:
    of = rounds[key]
    columns = [
        f"{spread([r.per_cpu_s for r in of]):>30}",
        f"{median([r.per_s for r in of]):>10,.0f}",
        f"{median([r.server_cpus for r in of]):>6.2f}",
        f"{median([r.client_cpus for r in of]):>6.2f}",
        f"{median([r.p50_ms for r in of]):>8.2f}",
        f"{spread([r.p99_ms for r in of], 2):>26}",
    ]
    return f"{name:<{width}}" + " ".join(columns)


def _head(title: str, width: int) -> str:
    return (
        f"{title:<{width}}{'windows / server CPU-second':>30} {'windows/s':>10} {'server':>6} {'client':>6} "
        f"{'p50 ms':>8} {'p99 ms at half load':>26}"
    )


def _growth_name(case: Case) -> str:
    return f"{MODES[case.mode]}, {case.clients:,} client{'s' if case.clients > 1 else ''}"


def print_report(rounds: Rounds, memory: list[dict[str, int]], found: list[Target], problems: list[str]) -> None:
    measured = [case for case in CASES if rounds.get(case.key)]
    if measured:
        width = max(len(case.title) for case in measured) + 1
        print(_head("", width))
        for case in measured:
            print(_row(case.title, rounds, case.key, width))
    growth = [case for case in GROWTH if rounds.get(case.key)]
    if growth:
        width = max(len(_growth_name(case)) for case in growth) + 1
        print("\n" + _head("reelsense-server, 1 window a message, 32 flows a client", width))
        for case in growth:
            print(_row(_growth_name(case), rounds, case.key, width))
    if memory:
        told = {key: spread([one[key] / 1e6 for one in memory]) for key in ("VmRSS", "RssAnon", "RssFile", "before")}
        print(
            f"\nmemory with {memory[0]['flows']:,} live flows, MB: {told['VmRSS']} resident, of it "
            f"{told['RssAnon']} anonymous and {told['RssFile']} of mapped files; {told['before']} before the first flow"
        )
    if found:
        print()
    for target in found:
        digits = 0 if target.bound >= 1000 else 2
        value = spread(target.values, digits) + (f" {target.unit}" if target.unit else "")
        print(f"{'PASS' if target.met else 'MISS'}: {target.text}: {value}")
    others = max((one.other_cpus for of in rounds.values() for one in of), default=0.0)
    if others > QUIET_CPUS:
        print(f"NOISY: other processes used up to {others:.1f} processors; run it on a quiet machine")
    for problem in problems:
        print(f"FAILED: {problem}")


def as_json(
    rounds: Rounds,
    memory: list[dict[str, int]],
    found: list[Target],
    problems: list[str],
    setting: dict[str, Any],
) -> dict[str, Any]:
    return {
        **setting,
        "cases": [
            {**dataclasses.asdict(case), "rounds": [dataclasses.asdict(one) for one in rounds[case.key]]}
            for case in (*CASES, *GROWTH)
            if rounds.get(case.key)
        ],
        "memory": memory,
        "targets": [{**dataclasses.asdict(target), "met": target.met} for target in found],
        "problems": problems,
    }
