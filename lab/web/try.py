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
import signal
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
LEAST_BYTES = 2000
ON_CDN = ("video", "live", "image", "files", "audio")
TICKS = os.sysconf("SC_CLK_TCK")
PACKET = re.compile(r"^(\d+\.\d+) IP (\d+\.\d+\.\d+\.\d+)\.\d+ > (\d+\.\d+\.\d+\.\d+)\.\d+: (?:tcp|UDP, length) (\d+)")


@dataclass(slots=True)
class Seen:
    down: dict[str, collections.Counter[int]] = field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    up: dict[str, collections.Counter[int]] = field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    cpu_s: float = 0.0


@contextlib.contextmanager
def two_namespaces() -> Iterator[testbed.Testbed]:
    """Client and servers, joined by one veth pair; there is no router between them."""
    names = [f"{testbed.PREFIX}-{os.getpid()}-try-{role}" for role in ("client", "server")]
    client, server = names
    device = testbed.DEVICE
    try:
        for name in names:
            testbed.run("ip", "netns", "add", name)
        testbed.run("ip", "link", "add", device, "netns", client, "type", "veth", "peer", device, "netns", server)
        addresses = {client: [f"{testbed.CLIENT_IPV4}/24"], server: ["10.77.0.1/24"]}
        addresses[server] += [f"{each.ipv4}/32" for each in testbed.EVERY_CLASS]
        for name, own in addresses.items():
            for address in own:
                testbed.run("ip", "-n", name, "address", "add", address, "dev", device)
            for each in ("lo", device):
                testbed.run("ip", "-n", name, "link", "set", each, "up")
        yield testbed.Testbed(client, client, server)
    finally:
        testbed.remove(names)


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
            seen.up[classes[target]][int(at - first)] += length


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
        ["tcpdump", "-i", testbed.DEVICE, "-n", "-tt", "-q", "-l", "-s", "96", "ip and (tcp or udp)"],
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
            pids = testbed.run("ip", "netns", "pids", bed.client).split()
            most |= cpu_of([int(pid) for pid in pids])
            time.sleep(1)
        seen.cpu_s = sum(most.values())
    finally:
        testbed.stop(tcpdump)
        counter.join()
    loaded: dict[str, Any] = json.loads(result.read_text())
    return loaded


@dataclass(frozen=True, slots=True)
class Attempt:
    design: str
    workload: str
    protocol: str
    media: Path
    chosen: argparse.Namespace

    def plan(self, bed: testbed.Testbed, folder: Path, spki_sha256: str) -> dict[str, Any]:
        seconds, rng = self.chosen.seconds, random.Random(self.chosen.seed)
        peer = {"namespace": bed.server, "profile": str(folder / "peer"), "address": testbed.CALL.ipv4}
        return {
            "chromium": "/usr/bin/chromium",
            "playwright": str(BUILD),
            "profile": str(folder / "profile"),
            "arguments": arguments_for(self.protocol, spki_sha256),
            "seconds": seconds,
            "netlog": str(folder / "net.json") if self.chosen.netlog else None,
            "peer": peer if workloads.WORKLOADS[self.workload].needs_peer else None,
            "actions": workloads.actions(self.design, self.workload, rng, 0.5, seconds, cdn=self.chosen.cdn),
        }

    def run(self) -> bool:
        seen = Seen()
        with two_namespaces() as bed, tempfile.TemporaryDirectory(prefix="reelsense-try-") as text:
            folder = Path(text)
            certificate = webserver.make_certificate(folder)
            with webserver.running(bed, certificate, self.media, folder, False, BUILD / "node_modules"):
                start = time.monotonic()
                result = play(bed, self.plan(bed, folder, certificate.spki_sha256), folder, seen)
                took_s = time.monotonic() - start
            good = self.show(seen, result, took_s)
            if self.chosen.netlog:
                net_log = (folder / "net.json").read_bytes()
                state = "complete" if net_log.rstrip().endswith(b"}") else "cut off"
                print(f"      net log {len(net_log) / 1e6:.1f} MB, {state}")
            for log in ("servers.log", "caddy.log"):
                said = [line for line in (folder / log).read_text().splitlines() if '"level":"info"' not in line]
                for line in said[-3:]:
                    print(f"      {log}: {line[:300]}")
        sys.stdout.flush()
        return good

    def show(self, seen: Seen, result: dict[str, Any], took_s: float) -> bool:
        """Prints what was seen; whether bytes of the workload's own class moved and nothing went wrong."""
        events = result["events"]
        kinds = collections.Counter(event["event"] for event in events)
        errors = [event.get("message") for event in events if event["event"] == "error"]
        classes = workloads.WORKLOADS[self.workload].classes
        main = "cdn" if self.chosen.cdn and classes[0] in ON_CDN else classes[0]
        moved = sum(seen.down[main].values()) + sum(seen.up[main].values())
        good = moved > LEAST_BYTES and not errors
        print(
            f"{'ok ' if good else 'BAD'} {self.design:5} {self.workload:12} {self.protocol}"
            f"{' cdn' if self.chosen.cdn else ''}: {main} {moved / 1e3:.0f} kB, "
            f"{took_s:.1f} s for {self.chosen.seconds}, {seen.cpu_s / took_s:.2f} core"
        )
        print(f"      events {dict(kinds)}")
        print(f"      requests {result['requests']}")
        for way, counted in (("down", seen.down), ("up", seen.up)):
            for name, per_second in sorted(counted.items()):
                if sum(per_second.values()):
                    rows = " ".join(
                        f"{per_second[second] / 1e3:.0f}" for second in range(max(per_second, default=0) + 1)
                    )
                    print(f"      {name:7} {way:4} kB/s: {rows}")
        for event in events if self.chosen.events else []:
            details = {key: value for key, value in event.items() if key not in ("time", "tab")}
            print(f"      {event['time'] - events[0]['time']:6.2f} {event['tab']}: {json.dumps(details)[:150]}")
        for message in errors[:5]:
            print(f"      error: {message}")
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
    parser.add_argument("--events", action="store_true", help="print every event")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the clean-up
    made = media.ensure(BUILD, lambda message: print(message, file=sys.stderr), chosen.subset)
    attempts = [
        Attempt(design, workload, protocol, made, chosen)
        for protocol in chosen.protocol or ["h2"]
        for workload in chosen.workload or workloads.WORKLOADS
        for design in chosen.design or workloads.DESIGNS
    ]
    bad = [f"{each.design} {each.workload} {each.protocol}" for each in attempts if not each.run()]
    print(f"not good: {', '.join(bad)}" if bad else "all good")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
