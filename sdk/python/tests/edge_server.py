"""A running reelsense-server for tests that hold this package against it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START_S = 120.0


def find_server(root: Path, environment: Mapping[str, str]) -> Path | None:
    named = environment.get("REELSENSE_SERVER")
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"REELSENSE_SERVER names {named}, which is not there")
        return Path(named)
    built = [root / f"build/{preset}/bin/reelsense-server" for preset in ("release", "dev")]
    return next((path for path in built if path.is_file()), None)


class EdgeServer:
    def __init__(self, binary: Path, models: Path, folder: Path, *flags: str) -> None:
        self.binary = binary
        command = [
            str(binary), "--http.listen", "127.0.0.1:0", "--grpc.listen", "127.0.0.1:0", "--log.file",
            str(folder / "log.sqlite"), "--logging.format", "json", "--models.path", str(models), *flags,
        ]  # fmt: skip
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        serving = self._wait_for("serving")
        self.url = f"http://127.0.0.1:{serving['http_port']}"
        self.target = f"127.0.0.1:{serving['grpc_port']}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self._lines.put(json.loads(line))
            except ValueError:
                self._lines.put({"event": line})
        self._lines.put(None)

    def _wait_for(self, event: str) -> dict[str, Any]:
        end = time.monotonic() + START_S
        seen = []
        while True:
            line = self._lines.get(timeout=max(0.1, end - time.monotonic()))
            if line is None:
                raise AssertionError(f"the server ended before {event!r}: {seen}")
            seen.append(line)
            if line["event"] == event:
                return line

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0
        self._reader.join(timeout=10)
