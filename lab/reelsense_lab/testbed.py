"""Three network namespaces a lane: client – router – server.

    client namespace      router namespace        server namespace
    lab0 ──────────────── client   server ─────── lab0
    10.77.0.2                 (no address)        10.77.0.10 .11 .20 … .70

The router's two devices carry no address: the path emulator copies Ethernet frames between them. Names carry the
process id of the runner and the lane, so that no two lanes meet and what a dead runner left can be told. Leaving the
context ends the processes inside (only ours can be there) and deletes the namespaces; the veths go with them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEVICE = "lab0"
ROUTER_CLIENT, ROUTER_SERVER = "client", "server"  # the router's devices, named for the side they face
PREFIX = "reelsense"
TEMPORARY_PREFIX = "reelsense-lab"
CLIENT_MAC, SERVER_MAC = "02:77:00:00:00:01", "02:77:00:00:00:02"
# A call's flow has no SYN: its client is the side with the higher port, so the peer on the server side gets low ones.
SERVER_PORT_RANGE = "10240 20479"
OFFLOADS = [word for name in ("tso", "gso", "gro", "tx", "rx", "sg", "tx-udp-segmentation") for word in (name, "off")]


@dataclass(frozen=True, slots=True)
class ServerClass:
    name: str
    host: str
    ipv4: str
    ipv6: str
    label: str


def _server(name: str, number: int, label: str) -> ServerClass:
    return ServerClass(name, f"{name}.lab.test", f"10.77.0.{number}", f"fd77:77::{number}", label)


SERVERS = (
    _server("video", 10, "video"),
    _server("live", 11, "video"),
    _server("www", 20, "non-video"),
    _server("image", 21, "non-video"),
    _server("files", 30, "non-video"),
    _server("audio", 40, "non-video"),
    _server("chat", 50, "non-video"),
    _server("upload", 51, "non-video"),
    _server("speed", 52, "non-video"),
    _server("sync", 53, "non-video"),
    _server("cdn", 60, "mixed"),
)
CALL = _server("call", 70, "non-video")  # the second browser of a call, not a web server
BACKGROUND = _server("background", 61, "background")  # light clients, never in truth.csv
EVERY_CLASS = (*SERVERS, CALL, BACKGROUND)
CLASS_OF = {ip: server for server in EVERY_CLASS for ip in (server.ipv4, server.ipv6)}
CLIENT_IPV4, CLIENT_IPV6 = "10.77.0.2", "fd77:77::2"
OTHER_DEVICE = "10.77.0.3"  # behind the same path; only there if something downloads beside the phone


def address(server: ServerClass, ipv6: bool) -> str:
    return server.ipv6 if ipv6 else server.ipv4


def run(*command: str, stdin: str | None = None) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True, input=stdin)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or f'exit {result.returncode}'}")
    return result.stdout


@dataclass(frozen=True, slots=True)
class Testbed:
    client: str  # names of the namespaces
    router: str
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
        deadline = time.monotonic() + 1.5
        for pid in _pids_in(namespace):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        while _pids_in(namespace):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        else:
            return


def _pids_in(namespace: str) -> list[int]:
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def configure(bed: Testbed, congestion: str) -> None:
    for outer, inner, mac in (
        (bed.client, ROUTER_CLIENT, CLIENT_MAC),
        (bed.server, ROUTER_SERVER, SERVER_MAC),
    ):
        router_veth = ["peer", "name", inner, "netns", bed.router]
        run("ip", "link", "add", DEVICE, "netns", outer, "address", mac, "type", "veth", *router_veth)
        bed.run(
            outer,
            "sysctl",
            "-qw",
            "net.ipv6.conf.default.accept_ra=0",
            f"net.ipv6.conf.{DEVICE}.addr_gen_mode=1",
            f"net.ipv6.conf.{DEVICE}.router_solicitations=0",
            f"net.ipv4.tcp_congestion_control={congestion}",
            *([f"net.ipv4.ip_local_port_range={SERVER_PORT_RANGE}"] if outer == bed.server else []),
        )
        bed.run(outer, "ethtool", "-K", DEVICE, *OFFLOADS)
        bed.run(bed.router, "ethtool", "-K", inner, *OFFLOADS)
    bed.run(bed.router, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    run("ip", "-n", bed.router, "-batch", "-", stdin=f"link set {ROUTER_CLIENT} up\nlink set {ROUTER_SERVER} up\n")
    # A browser takes calls at one address a network, of private IPv6 networks at the highest: .70 is that one, and the
    # IPv4 addresses are networks of their own.
    ipv4 = [server.ipv4 for server in EVERY_CLASS]
    ipv6 = [server.ipv6 for server in EVERY_CLASS]
    _set_addresses(bed.client, [f"{CLIENT_IPV4}/24", f"{CLIENT_IPV6}/64"], [*ipv4, *ipv6], SERVER_MAC)
    hosts = [*(f"{ip}/32" for ip in ipv4), *(f"{ip}/64" for ip in ipv6)]
    _set_addresses(bed.server, hosts, [CLIENT_IPV4, CLIENT_IPV6], CLIENT_MAC)
    run("ip", "-n", bed.server, "route", "add", "10.77.0.0/24", "dev", DEVICE, "src", CALL.ipv4)


def _set_addresses(namespace: str, own: Sequence[str], others: Sequence[str], mac: str) -> None:
    """Addresses and fixed neighbours: a lossy path must not decide whether an address resolves."""
    lines = ["link set lo up", f"link set {DEVICE} up"]
    lines += [f"address add {ip} dev {DEVICE} {'nodad' if ':' in ip else ''}" for ip in own]
    lines += [f"neighbor replace {ip} lladdr {mac} dev {DEVICE} nud permanent" for ip in others]
    run("ip", "-n", namespace, "-batch", "-", stdin="\n".join(lines) + "\n")


@contextlib.contextmanager
def testbed(owner: int, lane: int, congestion: str) -> Iterator[Testbed]:
    """The namespaces of one lane of the runner with process id `owner`."""
    names = [f"{PREFIX}-{owner}-{lane}-{role}" for role in ("client", "router", "server")]
    made: list[str] = []
    try:
        for namespace in names:
            made.append(namespace)
            run("ip", "netns", "add", namespace)
        bed = Testbed(*names)
        configure(bed, congestion)
        yield bed
    finally:
        remove(made)


def remove(namespaces: Sequence[str]) -> None:
    for namespace in namespaces:
        end_processes_in(namespace)
        subprocess.run(["ip", "netns", "delete", namespace], check=False, stderr=subprocess.DEVNULL)


def namespaces_of(owner: int | None = None) -> list[str]:
    """Our namespaces: of one runner, or without `owner` of runners that live no more."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    names = [line.split()[0] for line in listed.splitlines() if line]
    return [name for name in names if _belongs(name, PREFIX, owner)]


def temporary_folders_of(owner: int | None = None) -> list[Path]:
    folders = Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}-*")
    return [folder for folder in folders if _belongs(folder.name, TEMPORARY_PREFIX, owner)]


def _belongs(name: str, prefix: str, owner: int | None) -> bool:
    found = re.fullmatch(rf"{prefix}-(\d+)-.*", name)
    if found is None:
        return False
    pid = int(found.group(1))
    return pid == owner if owner is not None else not Path(f"/proc/{pid}").exists()


def sweep(owner: int | None = None) -> list[str]:
    """Removes what a runner (by default: every dead one) left behind; gives the names of it."""
    namespaces, folders = namespaces_of(owner), temporary_folders_of(owner)
    remove(namespaces)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return [*namespaces, *(str(folder) for folder in folders)]
