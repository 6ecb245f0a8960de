"""One load on one server, by `reelsense bench-server` or oip_load.py."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cases import Case, Round
from oip_load import cpu_s
from servers import HERE, ROOT, Binaries, Server

PATIENCE_S = 60.0
CLIENTS_PER_S = 500.0  # connect in the warm-up
NOT_SENT_SHARE = 0.01  # of a paced load: more than that, and the latency is not of the load asked for


class LoadError(RuntimeError):
    """The load could not be made at all."""


@dataclass
class Loader:
    binaries: Binaries
    rows: Path  # windows of the captures, .npy
    seconds: float
    problems: list[str] = field(default_factory=list)

    def round(self, case: Case, server: Server) -> Round:
        full = self._load(case, server, 0)
        if not full["windows"]:
            self.problems.append(f"{case.title}: no window was answered at full load")
            lost = self.seconds * 1e3
            return Round(0, 0, 0, 0, p50_ms=lost, p99_ms=lost, other_cpus=full["other_cpus"])
        half = self._load(case, server, full["windows_per_s"] / 2)
        self._check_half(case, half)
        return Round(
            per_cpu_s=full["windows_per_server_cpu_s"],
            per_s=full["windows_per_s"],
            server_cpus=full["server_cpu_s"] / full["measured_s"],
            client_cpus=full["client_cpu_s"] / full["measured_s"],
            p50_ms=half["latency_ms"]["p50"],
            p99_ms=half["latency_ms"]["p99"],
            other_cpus=max(full["other_cpus"], half["other_cpus"]),
        )

    def _load(self, case: Case, server: Server, rate: float) -> dict[str, Any]:
        server.check_running()
        command = [*self._command(case, server), "--clients", str(case.clients), "--server-pid", str(server.pid)]
        warmup = min(1.0, self.seconds / 2) + case.clients / CLIENTS_PER_S
        command += ["--rate", f"{rate:.1f}", "--duration", f"{self.seconds:g}", "--warmup", f"{warmup:g}"]
        others = Others(server.pid)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=self.seconds + warmup + PATIENCE_S,
                env={k: v for k, v in os.environ.items() if not k.startswith("REELSENSE")},
            )
        except subprocess.TimeoutExpired as error:
            raise LoadError(f"{case.key}: the load does not end") from error
        if not done.stdout.startswith("{"):
            raise LoadError(f"{case.key}: status {done.returncode}: {done.stderr.strip()}")
        result = json.loads(done.stdout)  # also of a run that answered nothing, whose status is not 0
        result["other_cpus"] = others.cpus()
        what = f"at {rate:,.0f} windows/s" if rate else "at full load"
        for failure, windows in result["failed"].items():
            self.problems.append(f"{case.title}, {what}: {windows:,} windows failed: {failure}")
        if result.get("ended_early"):
            self.problems.append(f"{case.title}, {what}: {result['ended_early']}")
        return result

    def _command(self, case: Case, server: Server) -> list[str | Path]:
        if case.mode == "oip":
            return [sys.executable, HERE / "oip_load.py", "--port", str(server.http_port), "--rows", self.rows]
        url = f"grpc://{server.grpc_target}" if case.grpc else server.http_url
        command: list[str | Path] = [self.binaries.client, "bench-server", "--json", *captures()]
        command += ["--server", url, "--mode", case.mode, "--windows-per-message", str(case.windows)]
        command += ["--flows", str(case.flows), "--in-flight", str(max(case.in_flight, case.windows))]
        return command

    def _check_half(self, case: Case, half: dict[str, Any]) -> None:
        missing, sent = half["windows_not_sent"], half["windows"]
        if missing > NOT_SENT_SHARE * (missing + sent):
            self.problems.append(f"{case.title}: {missing:,} of the windows due at half load could not be sent")
        if not half["latency_ms"].get("p99"):
            self.problems.append(f"{case.title}: no window due at half load was answered")
            half["latency_ms"] = {"p50": self.seconds * 1e3, "p99": self.seconds * 1e3}  # at the least


class Others:
    """Processors that neither the server nor the loads used, since it was made: what disturbs the figures."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.perf_counter()
        self._busy = self._busy_s()

    def _busy_s(self) -> float:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        ticks = user + nice + system + irq + softirq + steal
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ticks / os.sysconf("SC_CLK_TCK") - children.ru_utime - children.ru_stime - cpu_s(self._pid)

    def cpus(self) -> float:
        return max(0.0, (self._busy_s() - self._busy) / (time.perf_counter() - self._began))


def captures() -> list[Path]:
    return sorted(p for p in (ROOT / "tests/captures").iterdir() if ".pcap" in p.name)


def write_rows(client: Path, out: Path) -> None:
    """The windows that `reelsense bench-server` sends, for the other client."""
    command = [client, "features", "--bins", "--format", "npy", "-o", out, *captures()]
    subprocess.run(command, check=True, capture_output=True)
