"""Large downloads by another device behind the same path: curl over HTTP/2, until they are stopped."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reelsense_lab import testbed

FILES = next(server for server in testbed.SERVERS if server.name == "files")
REPEATS = 50  # of the file, one after the other: more than any path carries in a run


@dataclass(slots=True)
class Downloads:
    bed: testbed.Testbed
    certificate: Path
    megabytes: int
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        """One more, on a connection of its own."""
        number = len(self.started)
        address = f"https://{FILES.host}/u-{number}-[1-{REPEATS}]/bundle-{self.megabytes}.bin"
        command = ["curl", "--silent", "--show-error", "--fail", "--http2", "--interface", testbed.OTHER_DEVICE]
        command += ["--cacert", str(self.certificate), "--resolve", f"{FILES.host}:443:{FILES.ipv4}"]
        with (self.folder / f"download-{number}.log").open("w") as log:
            running = self.bed.start(
                self.bed.client, [*command, address, "--output", "/dev/null"], stdout=subprocess.DEVNULL, stderr=log
            )
        self.started.append(running)

    def start_each(self, zero: float, after_s: Sequence[float], enough: threading.Event) -> None:
        """Each so many seconds after the monotonic second `zero`, until `enough` is set."""
        for after in sorted(after_s):
            if enough.wait(max(0.0, zero + after - time.monotonic())):
                return
            self.start()

    def problems(self, planned: int) -> list[str]:
        """Of those that ended by themselves, and how many of the `planned` ones never began."""
        ended = [(number, each.returncode) for number, each in enumerate(self.started) if each.poll() is not None]
        logs = {number: (self.folder / f"download-{number}.log").read_text().strip()[-200:] for number, _ in ended}
        found = [f"download {number} ended with status {code}: {logs[number]}" for number, code in ended]
        missing = planned - len(self.started)
        return [*found, *([f"{missing} downloads never began"] if missing else [])]


@contextlib.contextmanager
def beginning(downloads: Downloads, after_s: Sequence[float]) -> Iterator[None]:
    """Each begins so many seconds from now, if the context lasts that long."""
    enough = threading.Event()
    thread = threading.Thread(target=downloads.start_each, args=(time.monotonic(), after_s, enough), daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@contextlib.contextmanager
def of_another_device(bed: testbed.Testbed, certificate: Path, media: Path, folder: Path) -> Iterator[Downloads]:
    """None has begun yet; all are stopped when the context is left."""
    megabytes = max(json.loads((media / "www/index.json").read_text())["files_mb"])
    testbed.run("ip", "-n", bed.client, "address", "add", f"{testbed.OTHER_DEVICE}/24", "dev", testbed.DEVICE)
    neighbour = [testbed.OTHER_DEVICE, "lladdr", testbed.CLIENT_MAC, "dev", testbed.DEVICE, "nud", "permanent"]
    testbed.run("ip", "-n", bed.server, "neighbor", "replace", *neighbour)
    downloads = Downloads(bed, certificate, megabytes, folder)
    try:
        yield downloads
    finally:
        for each in downloads.started:
            testbed.stop(each)
