"""Background load in a lane: light clients beside the browser, on the same path."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reelsense_lab import testbed
from reelsense_lab.errors import LabError
from reelsense_lab.prerequisites import LAB

PORT = 8080
START_PATIENCE_S = 10


@contextlib.contextmanager
def load(bed: testbed.Testbed, wanted: Sequence[dict[str, Any]], seed: int, ipv6: bool, folder: Path) -> Iterator[None]:
    """Each of `wanted` ({kind, mbit}) loads the path until the context is left."""
    if not wanted:
        yield
        return
    address = testbed.address(testbed.BACKGROUND, ipv6)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(LAB)}
    light = [sys.executable, "-m", "reelsense_lab.light"]
    with contextlib.ExitStack() as stack:

        def start(namespace: str, *words: str, log: Path) -> None:
            with log.open("w") as out:
                command = [*light, *words]
                process = bed.start(namespace, command, env=environment, cwd=folder, stdout=out, stderr=out)
            stack.callback(testbed.stop, process)

        log = folder / "background-server.log"
        start(bed.server, "serve", address, str(PORT), log=log)
        deadline = time.monotonic() + START_PATIENCE_S
        while "ready" not in log.read_text():
            if time.monotonic() > deadline:
                raise LabError(f"the background server does not start: {log.read_text().strip()}")
            time.sleep(0.05)
        for number, each in enumerate(wanted):
            words = ["client", address, str(PORT), each["kind"], str(each["mbit"]), str(seed + number)]
            start(bed.client, *words, log=folder / f"background-{number}.log")
        yield
