#!/usr/bin/env python3
"""Plays workloads against the servers in one throw-away network namespace and shows which bytes they move.

No delay, no rate limit, no recording: this answers whether a page works and how much it costs. Needs root.

  PYTHONPATH=lab lab/web/try.py --design aria --workload reels --protocol h3
  PYTHONPATH=lab lab/web/try.py --protocol h2 --protocol h3 --seconds 12         every design and workload
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelsense_lab import media, testbed, webserver, workloads

BUILD = Path(__file__).resolve().parents[2] / "build/lab"
WEB = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
PACKET = re.compile(r"^(\d+\.\d+) IP (\d+\.\d+\.\d+\.\d+)\.\d+ > (\d+\.\d+\.\d+\.\d+)\.\d+: (?:tcp|UDP, length) (\d+)")


@dataclass(slots=True)
class Seen:
    down: dict[str, collections.Counter[int]] = field(default_factory=lambda: collections.defaultdict(collections.Counter))
    up: collections.Counter[str] = field(default_factory=collections.Counter)
    cpu_s: float = 0.0


@contextlib.contextmanager
def namespace() -> Iterator[str]:
    name = f"{testbed.PREFIX}-{os.getpid()}-try"
    testbed.run("ip", "netns", "add", name)
    try:
        testbed.run("ip", "-n", name, "link", "set", "lo", "up")
        testbed.run("ip", "-n", name, "link", "add", "lab0", "type", "veth", "peer", "name", "lab1")
        for device in ("lab0", "lab1"):
            testbed.run("ip", "-n", name, "link", "set", device, "up")
        for server in testbed.EVERY_CLASS:
            testbed.run("ip", "-n", name, "address", "add", f"{server.ipv4}/32", "dev", "lab0")
        testbed.run("ip", "-n", name, "address", "add", f"{testbed.CLIENT_IPV4}/24", "dev", "lab0")
        yield name
    finally:
        testbed.remove([name])


def count_packets(process: subprocess.Popen[str], seen: Seen) -> None:
    first = 0.0
    classes = {server.ipv4: server.name for server in testbed.EVERY_CLASS}
    assert process.stdout is not None
    for line in process.stdout:
        if (found := PACKET.match(line)) is None:
            continue
        at, source, target, length = float(found[1]), found[2], found[3], int(found[4])
        first = first or at
        if source in classes:
            seen.down[classes[source]][int(at - first)] += length
        elif target in classes:
            seen.up[classes[target]] += length


def cpu_of(pids: list[int]) -> dict[int, float]:
    used = {}
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
            fields = text[1].split()
            if "chrom" in text[0]:
                used[pid] = (int(fields[11]) + int(fields[12])) / TICKS
    return used


def arguments_for(protocol: str, spki_sha256: str) -> list[str]:
    rules = ", ".join(f"MAP {server.host} {server.ipv4}" for server in testbed.SERVERS)
    forced = ",".join(f"{server.host}:443" for server in testbed.SERVERS)
    return [
        *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"),
        *("--disable-component-update", "--autoplay-policy=no-user-gesture-required"),
        f"--ignore-certificate-errors-spki-list={spki_sha256}",
        f"--host-resolver-rules={rules}, MAP * ~NOTFOUND",
        *{
            "h1": ["--disable-quic", "--disable-http2"],
            "h2": ["--disable-quic"],
            "h3": ["--enable-quic", f"--origin-to-force-quic-on={forced}"],
        }[protocol],
    ]


def play(bed: testbed.Testbed, plan: dict[str, Any], folder: Path, seen: Seen) -> dict[str, Any]:
    (folder / "plan.json").write_text(json.dumps(plan))
    result = folder / "result.json"
    tcpdump = bed.start(
        bed.client,
        ["tcpdump", "-i", "lo", "-n", "-tt", "-q", "-l", "-s", "96", "ip and (tcp or udp)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    counter = threading.Thread(target=count_packets, args=(tcpdump, seen))
    counter.start()
    try:
        driver = bed.start(
            bed.client, ["node", str(WEB / "browse.mjs"), str(folder / "plan.json"), str(result)], cwd=folder
        )
        most: dict[int, float] = {}
        while driver.poll() is None:
            most |= cpu_of([int(pid) for pid in bed.run_pids()])
            time.sleep(1)
        seen.cpu_s = sum(most.values())
    finally:
        testbed.stop(tcpdump)
        counter.join()
    loaded: dict[str, Any] = json.loads(result.read_text())
    return loaded


class OneNamespace(testbed.Testbed):
    """Client and servers in the same namespace."""

    def run_pids(self) -> list[str]:
        return testbed.run("ip", "netns", "pids", self.client).split()


def attempt(
    design: str, workload: str, protocol: str, seconds: int, cdn: bool, media_folder: Path, seed: int, netlog: bool
) -> bool:
    about = workloads.WORKLOADS[workload]
    seen = Seen()
    with namespace() as name, tempfile.TemporaryDirectory(prefix="reelsense-try-") as text:
        folder, bed = Path(text), OneNamespace(name, name, name)
        certificate = webserver.make_certificate(folder)
        with webserver.running(bed, certificate, media_folder, folder, False, BUILD / "node_modules"):
            peer = {"namespace": None, "profile": str(folder / "peer"), "address": testbed.CALL.ipv4}
            plan = {
                "chromium": "/usr/bin/chromium",
                "playwright": str(BUILD),
                "profile": str(folder / "profile"),
                "arguments": arguments_for(protocol, certificate.spki_sha256),
                "seconds": seconds,
                "netlog": str(folder / "net.json") if netlog else None,
                "peer": peer if about.needs_peer else None,
                "actions": workloads.actions(
                    design, workload, random.Random(seed), 0.5, seconds, cdn=cdn, options={}
                ),
            }
            start = time.monotonic()
            result = play(bed, plan, folder, seen)
            took = time.monotonic() - start
            netlog_bytes = (folder / "net.json").stat().st_size if netlog else 0
            for log in ("servers.log", "caddy.log"):
                if said := (folder / log).read_text().strip():
                    print(f"  {log}: {said[-600:]}")
    return show(design, workload, protocol, cdn, seconds, took, seen, result, netlog_bytes)


def show(
    design: str, workload: str, protocol: str, cdn: bool, seconds: int, took: float, seen: Seen,
    result: dict[str, Any], netlog_bytes: int,
) -> bool:
    kinds = collections.Counter(event["event"] for event in result["events"])
    errors = [event.get("message") for event in result["events"] if event["event"] == "error"]
    about = workloads.WORKLOADS[workload]
    main = "cdn" if cdn and about.classes[0] in ("video", "live", "image", "files", "audio") else about.classes[0]
    moved = sum(seen.down[main].values()) + seen.up[main]
    good = moved > 3000 and not errors
    print(
        f"{'ok ' if good else 'BAD'} {design:5} {workload:12} {protocol}{' cdn' if cdn else ''}: {main} {moved / 1e3:.0f} kB, "
        f"{took:.1f} s for {seconds}, {seen.cpu_s / took:.2f} core" + (f", net log {netlog_bytes / 1e6:.1f} MB" if netlog_bytes else "")
    )
    print(f"      events {dict(kinds)}")
    print(f"      requests {result['requests']}")
    for name, per_second in sorted(seen.down.items()):
        rows = " ".join(f"{per_second[second] / 1e3:.0f}" for second in range(max(per_second) + 1))
        print(f"      {name:7} up {seen.up[name] / 1e3:.0f} down kB/s: {rows}")
    for message in errors[:5]:
        print(f"      error: {message}")
    sys.stdout.flush()
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", action="append", choices=workloads.DESIGNS)
    parser.add_argument("--workload", action="append", choices=list(workloads.WORKLOADS))
    parser.add_argument("--protocol", action="append", choices=("h1", "h2", "h3"))
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--subset", choices=("ci", "full"), default="ci")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cdn", action="store_true", help="all content from cdn.lab.test")
    parser.add_argument("--netlog", action="store_true", help="write Chromium's network log, to see its size")
    chosen = parser.parse_args()
    made = media.ensure(BUILD, lambda message: print(message, file=sys.stderr), chosen.subset)
    bad = []
    for protocol in chosen.protocol or ["h2"]:
        for workload in chosen.workload or workloads.WORKLOADS:
            for design in chosen.design or workloads.DESIGNS:
                given = (chosen.seconds, chosen.cdn, made, chosen.seed, chosen.netlog)
                if not attempt(design, workload, protocol, *given):
                    bad.append(f"{design} {workload} {protocol}")
    print(f"not good: {', '.join(bad)}" if bad else "all good")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
