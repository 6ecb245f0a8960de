"""Whether the machine kept up while a run went on, and what machine it is."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def _cpu_times() -> list[int]:
    return [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def _stalled_us() -> int | None:
    """Microseconds in which some task waited for a processor, since boot."""
    try:
        found = re.search(r"^some .*total=(\d+)", Path("/proc/pressure/cpu").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


@dataclass(frozen=True, slots=True)
class Watch:
    began: float
    times: list[int]
    stalled_us: int | None

    @staticmethod
    def start() -> Watch:
        return Watch(time.monotonic(), _cpu_times(), _stalled_us())

    def figures(self) -> dict[str, Any]:
        """Shares of the time since the start: processors busy, taken by other machines, some task waiting."""
        spent = [now - before for now, before in zip(_cpu_times(), self.times, strict=True)]
        total = max(1, sum(spent))
        idle, stolen = spent[3] + spent[4], spent[7]
        stalled = _stalled_us()
        waiting = None
        if stalled is not None and self.stalled_us is not None:
            waiting = round((stalled - self.stalled_us) / 1e6 / (time.monotonic() - self.began), 3)
        return {
            "busy": round(1 - idle / total, 3),
            "stolen": round(stolen / total, 3),
            "waiting": waiting,
            "load": round(os.getloadavg()[0], 1),
        }


def description() -> dict[str, str]:
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": cpu.group(1).strip() if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{int(memory.group(1)) / 2**20:.0f}" if memory else "unknown",
        "linux": ".".join(os.uname().release.split(".")[:2]),
    }
