"""The server side: a throw-away certificate, node servers for what is made at run time, and caddy in front of both.

caddy has one site for each content class, on an address of its own. The node servers listen on Unix sockets in the
session's folder, so that no two lanes can meet.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reelsense_lab import testbed
from reelsense_lab.testbed import SERVERS, Testbed

WEB = Path(__file__).resolve().parent.parent / "web"
START_PATIENCE_S = 15
CONNECTS = 15
# Runs inside the client's namespace: prints the TCP connect times in ms to the address and port given.
CONNECT = """
import socket, sys, time
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
    print((time.perf_counter() - start) * 1e3)
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    certificate: Path
    key: Path
    spki_sha256: str  # base64, as Chromium wants it


def make_certificate(folder: Path) -> Certificate:
    """Self-signed, for one day: the browser is told its key's digest and trusts nothing else new."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = ",".join(f"DNS:{server.host}" for server in SERVERS)
    testbed.run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        "-days",
        "1",
        "-subj",
        "/CN=lab.test",
        "-addext",
        f"subjectAltName={names}",
    )
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    return Certificate(certificate, key, base64.b64encode(hashlib.sha256(public).digest()).decode())


def connect_ms(bed: Testbed, address: str) -> float:
    """The idle round-trip time of the path, as the median of TCP connects to the server."""
    times = bed.run(bed.client, sys.executable, "-c", CONNECT, address, "443", str(CONNECTS)).split()
    return round(statistics.median(map(float, times)), 2)


def environment_of(
    certificate: Certificate, media: Path, sockets: Path, modules: Path, addresses: dict[str, str]
) -> dict[str, str]:
    """The variables that the Caddyfile and the node servers read. `addresses`: of each content class."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(sockets),
        "LAB_CERTIFICATE": str(certificate.certificate),
        "LAB_KEY": str(certificate.key),
        "LAB_MEDIA": str(media),
        "LAB_PAGES": str(WEB / "pages"),
        "LAB_MODULES": str(modules),
        "LAB_SOCKETS": str(sockets),
        **{f"BIND_{name.upper()}": address for name, address in addresses.items()},
    }


def commands() -> dict[str, list[str]]:
    """What runs on the server side, by the name of its log."""
    return {
        "servers": ["node", str(WEB / "servers/main.mjs")],
        "caddy": ["caddy", "run", "--config", str(WEB / "Caddyfile"), "--adapter", "caddyfile"],
    }


@contextlib.contextmanager
def running(
    bed: Testbed, certificate: Certificate, media: Path, folder: Path, ipv6: bool, modules: Path | None = None
) -> Iterator[float]:
    """Servers on all addresses, until the context is left. Gives the idle round-trip time in ms.

    `modules` is the node_modules folder of lab/setup; by default the one beside the media.
    """
    addresses = {server.name: testbed.address(server, ipv6) for server in SERVERS}
    environment = environment_of(certificate, media, folder, modules or media.parent / "node_modules", addresses)
    started: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, command in commands().items():
            with (folder / f"{name}.log").open("w") as log_out:
                started[name] = bed.start(
                    bed.server, command, env=environment, cwd=folder, stdout=log_out, stderr=log_out
                )
        yield wait_until_they_answer(bed, started, folder, ipv6)
    finally:
        for process in reversed(started.values()):
            testbed.stop(process)


def wait_until_they_answer(bed: Testbed, started: dict[str, subprocess.Popen[str]], folder: Path, ipv6: bool) -> float:
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        try:
            if not (folder / "sync.sock").exists():  # the last one that main.mjs opens
                raise RuntimeError("the node servers have not opened their sockets")
            return max(connect_ms(bed, testbed.address(server, ipv6)) for server in SERVERS)
        except RuntimeError as error:
            ended = [name for name, process in started.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join((folder / f"{name}.log").read_text()[-1500:] for name in started)
                raise RuntimeError(f"the servers do not answer ({error}):\n{logs}") from error
            time.sleep(0.2)
