"""Two network namespaces joined by a veth, with a rate limit towards the client.

    client namespace  lab0 ───────── lab0  server namespace
    10.77.0.2                              10.77.0.10 .20 .30 .40, egress through tbf

Names carry the process id of the recorder, so that two recorders never meet. Leaving the context ends the
processes inside (only ours can be there) and deletes both namespaces; the veth goes with them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

DEVICE = "lab0"
BURST_BYTES = 16_000  # above an MTU, and at 20 Mbit/s a few timer ticks' worth
QUEUE_MS = 60
OFFLOADS = [
    word for name in ("tso", "gso", "gro", "tx", "rx", "sg", "tx-udp-segmentation") for word in (name, "off")
]


@dataclass(frozen=True, slots=True)
class ServerClass:
    name: str
    host: str
    ipv4: str
    ipv6: str
    label: str


SERVERS = (
    ServerClass("reels", "reels.lab.test", "10.77.0.10", "fd77:77::10", "video"),
    ServerClass("www", "www.lab.test", "10.77.0.20", "fd77:77::20", "non-video"),
    ServerClass("files", "files.lab.test", "10.77.0.30", "fd77:77::30", "non-video"),
    ServerClass("audio", "audio.lab.test", "10.77.0.40", "fd77:77::40", "non-video"),
)
CLIENT_IPV4, CLIENT_IPV6 = "10.77.0.2", "fd77:77::2"


def address(server: ServerClass, ipv6: bool) -> str:
    return server.ipv6 if ipv6 else server.ipv4


def run(*command: str) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or f'exit {result.returncode}'}")
    return result.stdout


@dataclass(frozen=True, slots=True)
class Testbed:
    client: str  # names of the namespaces
    server: str

    def start(self, namespace: str, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Starts a process in a namespace, in a session of its own so that Ctrl-C reaches us and not it."""
        process: subprocess.Popen[str] = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *command],
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
        return process

    def run(self, namespace: str, *command: str) -> str:
        return run("ip", "netns", "exec", namespace, *command)


def stop(process: subprocess.Popen[str], with_signal: int = signal.SIGTERM, patience_s: float = 5) -> None:
    """Ends one process that we started: politely first."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_processes_in(namespace: str) -> None:
    """Nothing but what we started lives in our namespace (a browser leaves its driver's process group)."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        pids = subprocess.run(
            ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
        ).stdout
        if not pids.strip():
            return
        for pid in pids.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), sent)
        time.sleep(0.5)


def configure(bed: Testbed, rate_mbit: float, congestion: str, ipv6: bool) -> None:
    run(
        "ip",
        "link",
        "add",
        DEVICE,
        "netns",
        bed.client,
        "type",
        "veth",
        "peer",
        "name",
        DEVICE,
        "netns",
        bed.server,
    )
    for number, namespace in enumerate((bed.client, bed.server), start=1):
        bed.run(
            namespace,
            "sysctl",
            "-qw",
            f"net.ipv6.conf.{DEVICE}.addr_gen_mode=1",
            f"net.ipv4.tcp_congestion_control={congestion}",
        )
        bed.run(namespace, "ethtool", "-K", DEVICE, *OFFLOADS)
        bed.run(namespace, "ip", "link", "set", DEVICE, "address", f"02:77:00:00:00:{number:02x}")
        bed.run(namespace, "ip", "link", "set", "lo", "up")
        bed.run(namespace, "ip", "link", "set", DEVICE, "up")
    for namespace, addresses in (
        (bed.client, [CLIENT_IPV6 if ipv6 else CLIENT_IPV4]),
        (bed.server, [address(server, ipv6) for server in SERVERS]),
    ):
        for each in addresses:
            suffix = ["/64", "nodad"] if ipv6 else ["/24"]
            bed.run(namespace, "ip", "address", "add", each + suffix[0], "dev", DEVICE, *suffix[1:])
    bed.run(
        bed.server,
        "tc",
        "qdisc",
        "add",
        "dev",
        DEVICE,
        "root",
        "tbf",
        "rate",
        f"{rate_mbit}mbit",
        "burst",
        str(BURST_BYTES),
        "latency",
        f"{QUEUE_MS}ms",
    )


@contextlib.contextmanager
def testbed(rate_mbit: float, congestion: str, ipv6: bool) -> Iterator[Testbed]:
    bed = Testbed(client=f"reelsense-{os.getpid()}-client", server=f"reelsense-{os.getpid()}-server")
    made: list[str] = []
    try:
        for namespace in (bed.client, bed.server):
            made.append(namespace)
            run("ip", "netns", "add", namespace)
        configure(bed, rate_mbit, congestion, ipv6)
        yield bed
    finally:
        for namespace in made:
            end_processes_in(namespace)
            subprocess.run(["ip", "netns", "delete", namespace], check=False, stderr=subprocess.DEVNULL)
