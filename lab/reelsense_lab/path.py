"""Runs the path emulator in the router's namespace, between its two devices."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reelsense_lab import profiles, testbed
from reelsense_lab.errors import LabError
from reelsense_lab.prerequisites import find_path_emulator

START_PATIENCE_S = 10


@contextlib.contextmanager
def emulated(
    bed: testbed.Testbed,
    profile: dict[str, Any],
    seed: int,
    folder: Path,
    report: dict[str, Any],
    control: Path | None = None,
) -> Iterator[None]:
    """Frames pass between client and server under the profile until the context is left; then `report` is filled.
    `control`: where the emulator's control socket is to be."""
    file, log, counters = folder / "profile.json", folder / "path.log", folder / "path.json"
    file.write_text(json.dumps(profile))
    command = [str(find_path_emulator()), "--client", testbed.ROUTER_CLIENT, "--server", testbed.ROUTER_SERVER]
    command += ["--profile", str(file), "--seed", str(seed), "--start", str(profiles.start_s(profile, seed))]
    if control:
        command += ["--control", str(control)]
    with log.open("w") as out:
        process = bed.start(bed.router, [*command, "--report", str(counters)], cwd=folder, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + START_PATIENCE_S
        while "ready" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the path emulator does not start: {log.read_text().strip()}")
            time.sleep(0.02)
        yield
        if process.poll() is not None:
            raise LabError(f"the path emulator ended by itself: {log.read_text().strip()}")
    finally:
        testbed.stop(process)
    report.update(json.loads(counters.read_text()))
