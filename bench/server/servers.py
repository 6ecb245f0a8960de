"""The servers under test: started on free loopback ports, watched through /proc, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MODEL = ROOT / "models/reelsense-edge/1.0.0"
START_S = 120.0
STOP_S = 30.0


@dataclass(frozen=True)
class Binaries:
    server: Path
    client: Path  # `reelsense`, for its bench-server


@dataclass
class Server:
    """A process that serves. A port of 0: it does not speak that protocol."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    http_port: int = 0
    grpc_port: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def memory_bytes(self) -> dict[str, int]:
        """VmRSS, VmHWM, RssAnon, RssFile, as proc(5) has them."""
        wanted = ("VmRSS", "VmHWM", "RssAnon", "RssFile")
        lines = (line.split() for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return {line[0][:-1]: int(line[1]) * 1024 for line in lines if line[0][:-1] in wanted}

    def check_alone(self) -> None:
        """The figures are of one process: its children's time would be missing."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if children:
            raise RuntimeError(f"{self.name} has processes of its own ({' '.join(children)}); they are not measured")

    def check_running(self) -> None:
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} ended with status {self.process.returncode}:\n{tail}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(name: str, command: list[str | Path], folder: Path, environment: Mapping[str, str]) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    # Only what is named here: REELSENSE_… would configure the server, MLSERVER_… the peer.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REELSENSE", "MLSERVER", "PYTHON"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**kept, **environment}
        )
    return Server(name, process, log)


def wait_until_ready(server: Server, path: str = "/v2/health/ready") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        server.check_running()
        if server.http_port:
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(server.http_url + path):
                return
        else:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.grpc_port), 1):
                return
        time.sleep(0.1)
    server.stop()
    raise RuntimeError(f"{server.name} was not ready in {START_S:g} s; see {server.log}")


def start_reelsense(binaries: Binaries, folder: Path, name: str, *, log: bool) -> Server:
    """Ours, at its defaults but for ports and files. `log`: with the inference log in SQLite, which no peer has."""
    http, grpc = free_port(), free_port()
    database = folder / f"{name}.sqlite"
    for file in folder.glob(f"{name}.sqlite*"):
        file.unlink()
    command: list[str | Path] = [binaries.server.resolve(), "--http.listen", f"127.0.0.1:{http}"]
    command += ["--grpc.listen", f"127.0.0.1:{grpc}", "--models.path", ROOT / "models"]
    command += ["--log.file", database if log else ""]
    server = spawn(name, command, folder, {})
    server.http_port, server.grpc_port = http, grpc
    return server


def start_python(script: str, folder: Path, name: str, protos: Path, *flags: str) -> tuple[Server, int]:
    port = free_port()
    command = [sys.executable, HERE / script, "--model", MODEL, "--port", str(port), *flags]
    return spawn(name, command, folder, {"PYTHONPATH": str(protos)}), port


def start_fastapi(folder: Path, name: str, protos: Path, *flags: str) -> Server:
    server, server.http_port = start_python("fastapi_server.py", folder, name, protos, *flags)
    return server


def start_grpc_aio(folder: Path, name: str, protos: Path, *flags: str) -> Server:
    server, server.grpc_port = start_python("grpc_aio_server.py", folder, name, protos, *flags)
    return server


def start_mlserver(folder: Path) -> Server:
    http, grpc = free_port(), free_port()
    home = folder / "mlserver"
    home.mkdir(parents=True, exist_ok=True)
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": http,
        "grpc_port": grpc,
        "parallel_workers": 0,
        "metrics_endpoint": None,
        "gzip_enabled": False,
    }
    model = {
        "name": "reelsense-edge",
        "implementation": "mlserver_runtime.EdgeRuntime",
        "parameters": {"uri": str(MODEL), "version": "1.0.0"},
    }
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "model-settings.json").write_text(json.dumps(model))
    command = [Path(sys.executable).parent / "mlserver", "start", home]
    server = spawn("mlserver", command, folder, {"PYTHONPATH": str(HERE)})
    server.http_port = http
    return server


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """All ready within, all ended after it."""
    try:
        for server in servers:
            wait_until_ready(server)
            server.check_alone()
        yield
    finally:
        for server in servers:
            server.stop()


def make_protos(out: Path) -> None:
    """The contract's Python classes, for the peer and for the checks."""
    from grpc_tools import protoc

    out.mkdir(parents=True, exist_ok=True)
    proto = "reelsense/v1/flow_classifier.proto"
    if protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", f"--grpc_python_out={out}", proto]) != 0:
        raise RuntimeError(f"protoc refuses {proto}")
    sys.path.insert(0, str(out))
