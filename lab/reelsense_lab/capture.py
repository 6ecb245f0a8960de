"""tcpdump at the client, and how many packets it recorded and lost."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from reelsense_lab import testbed
from reelsense_lab.errors import LabError

SNAP_BYTES = 96
BUFFER_KIB = 16_384
# Chromium looks for printers and televisions by multicast; no lab server is one.
FILTER = "(tcp or udp) and not ip multicast and not ip6 multicast"
START_PATIENCE_S = 15
LINGER_S = 0.5  # for what is still on its way when the browser has closed
COUNTERS = (("packets", r"(\d+) packets? captured"), ("dropped_by_kernel", r"(\d+) packets? dropped"))


@contextlib.contextmanager
def recording(bed: testbed.Testbed, capture: Path, counters: dict[str, int]) -> Iterator[None]:
    """Records until the context is left; then `counters` says what was recorded and lost."""
    log = capture.with_suffix(".tcpdump.log")
    command = ["tcpdump", "-i", testbed.DEVICE, "-n", "-s", str(SNAP_BYTES), "-B", str(BUFFER_KIB), "-Z", "root"]
    with log.open("w") as out:
        process = bed.start(bed.client, [*command, "-w", str(capture), FILTER], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + START_PATIENCE_S
        while "listening on" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"tcpdump does not start: {log.read_text().strip()}")
            time.sleep(0.05)
        yield
        time.sleep(LINGER_S)
    finally:
        testbed.stop(process, signal.SIGINT)
    for key, pattern in COUNTERS:
        if (found := re.search(pattern, log.read_text())) is None:
            raise LabError(f"tcpdump ended without its counters: {log.read_text().strip()}")
        counters[key] = int(found.group(1))
