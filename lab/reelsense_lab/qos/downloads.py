"""Large downloads by another device behind the same path: curl over HTTP/2, until they are stopped."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reelsense_lab import testbed

OTHER_DEVICE = "10.77.0.3"
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
        command = ["curl", "--silent", "--show-error", "--fail", "--http2", "--interface", OTHER_DEVICE]
        command += ["--cacert", str(self.certificate), "--resolve", f"{FILES.host}:443:{FILES.ipv4}"]
        with (self.folder / f"download-{number}.log").open("w") as log:
            running = self.bed.start(
                self.bed.client, [*command, address, "--output", "/dev/null"], stdout=subprocess.DEVNULL, stderr=log
            )
        self.started.append(running)

    def problems(self) -> list[str]:
        """Of those that ended by themselves."""
        ended = [(number, each.returncode) for number, each in enumerate(self.started) if each.poll() is not None]
        logs = {number: (self.folder / f"download-{number}.log").read_text().strip()[-200:] for number, _ in ended}
        return [f"download {number} ended with status {code}: {logs[number]}" for number, code in ended]


@contextlib.contextmanager
def of_another_device(bed: testbed.Testbed, certificate: Path, megabytes: int, folder: Path) -> Iterator[Downloads]:
    testbed.run("ip", "-n", bed.client, "address", "add", f"{OTHER_DEVICE}/24", "dev", testbed.DEVICE)
    neighbour = [OTHER_DEVICE, "lladdr", testbed.CLIENT_MAC, "dev", testbed.DEVICE, "nud", "permanent"]
    testbed.run("ip", "-n", bed.server, "neighbor", "replace", *neighbour)
    downloads = Downloads(bed, certificate, megabytes, folder)
    try:
        yield downloads
    finally:
        for each in downloads.started:
            testbed.stop(each)
