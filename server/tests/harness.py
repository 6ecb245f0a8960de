"""A running reelsense-server, as the tests and the soak see it: its process, its log, its ports."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
SERVER = Path(os.environ.get("REELSENSE_SERVER", ROOT / "build/release/bin/reelsense-server"))
CLI = Path(os.environ.get("REELSENSE", ROOT / "build/release/bin/reelsense"))
MODELS = ROOT / "models"
CAPTURES = ROOT / "tests/captures"

START_S = 120.0  # a machine that compiles beside the tests is slow
STOP_S = 60.0


def environment() -> dict[str, str]:
    """Ours without what would configure the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REELSENSE")}


def run_server_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself: --check-config, key new."""
    return subprocess.run(
        [SERVER, *map(str, arguments)], capture_output=True, text=True, timeout=START_S, env=environment()
    )


def run_cli(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([CLI, *map(str, arguments)], capture_output=True, timeout=START_S, **options)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first true value of `condition`. For what happens in its own time; the limit only ends a failed test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"after {seconds:g} s: {what}")


class Server:
    """One process. Ports are free ones; its log, one JSON object a line, is kept in `lines`."""

    def __init__(self, folder: Path, *flags: str | Path, models: Path | None = None, scheme: str = "http") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.scheme = scheme
        self.lines: list[dict[str, Any]] = []
        self.http_port = 0
        self.grpc_port = 0
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        given = [str(flag) for flag in flags]
        defaults = {
            "--http.listen": "127.0.0.1:0",
            "--grpc.listen": "127.0.0.1:0",
            "--log.file": str(folder / "log.sqlite"),
            "--logging.format": "json",
            "--models.path": str(models or MODELS),
        }
        command = [str(SERVER), *given]
        for flag, value in defaults.items():
            if flag not in given:
                command += [flag, value]
        self.session = requests.Session()
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            serving = self.wait_for("serving", START_S)
        except AssertionError:
            self.kill()
            raise
        self.http_port = int(serving["http_port"])
        self.grpc_port = int(serving["grpc_port"])

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "not JSON", "level": "error", "text": line.rstrip("\n")}
            self.lines.append(entry)
            self._events.put(entry)
        self._events.put(None)

    def wait_for(self, event: str, seconds: float = 30.0) -> dict[str, Any]:
        """The next log line of that event."""
        end = time.monotonic() + seconds
        while True:
            try:
                entry = self._events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no log line {event!r} in {seconds:g} s; there were {self.lines}") from None
            if entry is None:
                self._events.put(None)
                raise AssertionError(f"the server ended before {event!r}; its log: {self.lines}")
            if entry["event"] == event:
                return entry

    @property
    def host(self) -> str:
        return "localhost" if self.scheme == "https" else "127.0.0.1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.http_port}"

    @property
    def grpc_target(self) -> str:
        return f"{self.host}:{self.grpc_port}"

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.request("POST", path, json=body, **options)

    def classify(self, **body: Any) -> list[dict[str, Any]]:
        """The labels of a request that succeeds."""
        answer = self.post("/v1/classify", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["labels"]

    def raw(self) -> socket.socket:
        return socket.create_connection((self.host, self.http_port), timeout=30)

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        answer = self.get("/metrics")
        assert answer.status_code == 200, answer.text
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                yield sample.name, dict(sample.labels), float(sample.value)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples that have these labels."""
        return sum(
            value
            for found, has, value in self.samples()
            if found == name and all(has.get(label) == wanted for label, wanted in labels.items())
        )

    def rss_bytes(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def check_serving(self) -> None:
        """It still answers, labels included."""
        assert self.process.poll() is None, self.lines[-5:]
        assert self.get("/v2/health/ready").status_code == 200
        labels = self.classify(flows=[packets_of_a_second(f"still serving {time.monotonic_ns()}")])
        assert labels[0]["label"] in ("video", "non-video")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        try:
            code = self.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there {STOP_S:g} s after SIGTERM; its log: {self.lines[-5:]}") from None
        self._reader.join(timeout=10)
        self.session.close()
        return code

    def stop(self) -> None:
        """SIGTERM; it must end with 0."""
        if self.process.poll() is None:
            self.terminate()
        code = self.wait()
        assert code == 0, f"exit status {code}; its log: {self.lines[-5:]}"

    def kill(self) -> None:
        """kill -9, whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=10)
        self.session.close()


def packets_of_a_second(flow: str, second: int = 1_700_000_000, *, end: bool = True) -> dict[str, Any]:
    """A flow with one window: 40 full packets down, 20 small ones up."""
    packets: list[list[Any]] = []
    for i in range(40):
        packets.append([second + 0.01 + i * 0.02, 1400, "down"])
        if i % 2:
            packets.append([second + 0.011 + i * 0.02, 52, "up"])
    return {"flow": flow, "packets": packets, "end": end}
