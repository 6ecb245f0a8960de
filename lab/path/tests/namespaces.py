"""Three network namespaces in a row, the emulator in the middle one, and UDP sockets at both ends.

    client 10.77.0.2 ── client [router] server ── server 10.77.0.10

The sockets of both ends belong to this process, so one clock measures a packet's way; arrival times are the kernel's.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENT, SERVER = "10.77.0.2", "10.77.0.10"
IP_UDP_HEADERS = 28
FULL_PAYLOAD = 1500 - IP_UDP_HEADERS
RECEIVE_BYTES = 256 << 20  # a whole run: packets are read after it
OFFLOADS = ("tso", "gso", "gro", "tx", "rx", "sg", "tx-udp-segmentation")
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # not in Python's socket module
LIBC = ctypes.CDLL(None, use_errno=True)
Json = dict[str, Any]


def run(*command: str) -> None:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or f'exit {result.returncode}'}")


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """What this thread opens meanwhile belongs to the namespace."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            yield
        finally:
            LIBC.setns(home.fileno(), CLONE_NEWNET)


@dataclass(frozen=True, slots=True)
class Arrival:
    number: int
    sent_s: float
    arrived_s: float
    port: int

    @property
    def delay_ms(self) -> float:
        return (self.arrived_s - self.sent_s) * 1e3


class Network:
    def __init__(self) -> None:
        self.names = {end: f"reelsense-path-{os.getpid()}-{end}" for end in ("client", "router", "server")}

    def make(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            # Nothing but the test's own packets: IPv6 announces itself on a new device.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        router = self.names["router"]
        for end, address in (("client", CLIENT), ("server", SERVER)):
            name = self.names[end]
            run("ip", "link", "add", "lab0", "netns", name, "type", "veth", "peer", "name", end, "netns", router)
            for where, device in ((name, "lab0"), (router, end)):
                words = [word for offload in OFFLOADS for word in (offload, "off")]
                run("ip", "netns", "exec", where, "ethtool", "-K", device, *words)
                run("ip", "-n", where, "link", "set", device, "up")
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "lab0")

    def remove(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)

    def socket(self, end: str, port: int = 0) -> socket.socket:
        with inside(self.names[end]):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        made.bind((CLIENT if end == "client" else SERVER, port))
        made.setblocking(False)
        return made


def send(source: socket.socket, to: tuple[str, int], number: int, payload_bytes: int = FULL_PAYLOAD) -> None:
    source.sendto(struct.pack("!Qd", number, time.time()).ljust(payload_bytes, b"\0"), to)


def drain(sink: socket.socket, port: int = 0) -> list[Arrival]:
    """Everything that has arrived."""
    arrivals = []
    with contextlib.suppress(BlockingIOError):
        while True:
            payload, control, _, _ = sink.recvmsg(2048, 64)
            seconds, nanoseconds = struct.unpack("qq", control[0][2][:16])
            number, sent_s = struct.unpack("!Qd", payload[:16])
            arrivals.append(Arrival(number, sent_s, seconds + nanoseconds / 1e9, port))
    return arrivals


class Emulator:
    """A running reelsense-lab-path with its control socket."""

    def __init__(self, process: subprocess.Popen[str], control: Path, report: Path) -> None:
        self.process = process
        self._report = report
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(control))
        self._lines = self._socket.makefile("rw", encoding="utf-8")

    def ask(self, request: Json) -> Json:
        self._lines.write(json.dumps(request) + "\n")
        self._lines.flush()
        answer: Json = json.loads(self._lines.readline())
        return answer

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def end(self) -> Json:
        """Ends it and gives its report."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(5) != 0:
            raise RuntimeError(f"reelsense-lab-path ended with {self.process.returncode}")
        report: Json = json.loads(self._report.read_text())
        return report


@contextlib.contextmanager
def emulator(binary: str, network: Network, profile: Json, seed: int = 1) -> Iterator[Emulator]:
    with tempfile.TemporaryDirectory(prefix="reelsense-path-") as folder:
        files = {name: Path(folder) / name for name in ("profile.json", "control", "report.json")}
        files["profile.json"].write_text(json.dumps(profile))
        command = [
            *("ip", "netns", "exec", network.names["router"], binary, "--client", "client", "--server", "server"),
            *("--profile", str(files["profile.json"]), "--seed", str(seed)),
            *("--control", str(files["control"]), "--report", str(files["report.json"])),
        ]
        opened: list[Emulator] = []
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("reelsense-lab-path did not get ready")
            opened.append(Emulator(process, files["control"], files["report.json"]))
            yield opened[0]
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for end in opened:
                end.close()
            if process.stdout is not None:
                process.stdout.close()
