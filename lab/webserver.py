"""The server side: a throw-away certificate, and caddy with one site for each content class."""

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

import testbed
from testbed import SERVERS, Testbed

LAB = Path(__file__).resolve().parent
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


@contextlib.contextmanager
def running(bed: Testbed, certificate: Certificate, media: Path, folder: Path, ipv6: bool) -> Iterator[float]:
    """Caddy on all addresses, until the context is left. Gives the idle round-trip time in ms."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LAB_CERTIFICATE": str(certificate.certificate),
        "LAB_KEY": str(certificate.key),
        "LAB_MEDIA": str(media),
        "LAB_PAGES": str(LAB / "pages"),
        **{f"BIND_{server.name.upper()}": testbed.address(server, ipv6) for server in SERVERS},
    }
    log = folder / "caddy.log"
    with log.open("w") as log_out:
        command = ["caddy", "run", "--config", str(LAB / "Caddyfile"), "--adapter", "caddyfile"]
        caddy = bed.start(bed.server, command, env=environment, cwd=folder, stdout=log_out, stderr=log_out)
    try:
        yield wait_until_it_answers(bed, caddy, log, ipv6)
    finally:
        testbed.stop(caddy)


def wait_until_it_answers(bed: Testbed, caddy: subprocess.Popen[str], log: Path, ipv6: bool) -> float:
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        try:
            return max(connect_ms(bed, testbed.address(server, ipv6)) for server in SERVERS)
        except RuntimeError as error:
            if caddy.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"caddy does not answer:\n{log.read_text()[-2000:] or error}") from error
            time.sleep(0.2)
