"""The link as the kernel makes it: a bridge in a namespace of its own between client and router, HTB on its way to the
client, and nftables marks that say which flows go into the class for video.

    client ── client ┤ bridge ├ inside ── client (router, path emulator: only delay) ── server

The bridge's port towards the client sends at the link's rate. Its default class is guaranteed a tenth of it, so that
whatever is marked never starves the rest; what one class leaves the other may take, video first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reelsense_lab import testbed
from reelsense_lab.qos import design
from reelsense_lab.qos.decisions import FlowKey

INSIDE, BRIDGE = "inside", "bridge"
OTHERS_SHARE = 0.1
ETHERNET_SHARE = 1514 / 1500  # HTB counts the link-layer header, the path emulator does not
VIDEO_CLASS, OTHER_CLASS = "1:10", "1:20"
TABLE = "bridge reelsense"


@dataclass(frozen=True, slots=True)
class Gate:
    namespace: str

    def mark(self, flows: Sequence[FlowKey]) -> None:
        """From now on these flows, and no others, go into the class for video. One transaction."""
        rules = [f"flush chain {TABLE} forward"]
        for flow in flows:
            down = f"ip saddr {flow.server_ip} ip daddr {flow.client_ip}"
            ports = f"{flow.protocol} sport {flow.server_port} {flow.protocol} dport {flow.client_port}"
            rules.append(f"add rule {TABLE} forward {down} {ports} meta priority set {VIDEO_CLASS}")
        self._nft("\n".join(rules))

    def mark_server(self, address: str) -> None:
        """All flows of a server: the truth."""
        rule = f"ip saddr {address} meta priority set {VIDEO_CLASS}"
        self._nft(f"flush chain {TABLE} forward\nadd rule {TABLE} forward {rule}")

    def counters(self) -> dict[str, int]:
        """Bytes that HTB sent, by class."""
        found, current = {}, ""
        for words in (line.split() for line in self._run("tc", "-s", "class", "show", "dev", "client").splitlines()):
            if words[:2] == ["class", "htb"]:
                current = words[2]
            elif words[:1] == ["Sent"] and current in (VIDEO_CLASS, OTHER_CLASS):
                found[current] = int(words[1])
        return found

    def _nft(self, commands: str) -> None:
        testbed.run("ip", "netns", "exec", self.namespace, "nft", "-f", "-", stdin=commands + "\n")

    def _run(self, *command: str) -> str:
        return testbed.run("ip", "netns", "exec", self.namespace, *command)


def tc_commands() -> list[list[str]]:
    """HTB: the link's rate, nine tenths of it for video, the rest for the others, each with the link's queue."""
    link = round(design.LINK_MBIT * 1e6 * ETHERNET_SHARE)
    others = round(link * OTHERS_SHARE)
    parent = ["class", "add", "dev", "client", "parent"]
    commands = [
        ["qdisc", "add", "dev", "client", "root", "handle", "1:", "htb", "default", "20"],
        [*parent, "1:", "classid", "1:1", "htb", "rate", f"{link}bit", "ceil", f"{link}bit"],
    ]
    for number, (class_id, rate) in enumerate(((VIDEO_CLASS, link - others), (OTHER_CLASS, others))):
        limits = ["htb", "rate", f"{rate}bit", "ceil", f"{link}bit", "prio", str(number), "quantum", "1514"]
        commands.append([*parent, "1:1", "classid", class_id, *limits])
        queue = ["qdisc", "add", "dev", "client", "parent", class_id, "bfifo", "limit", str(design.QUEUE_BYTES)]
        commands.append(queue)
    return commands


@contextlib.contextmanager
def between(bed: testbed.Testbed, owner: int, lane: int) -> Iterator[Gate]:
    """Puts the gate between the client and the router's device `client`, which the path emulator takes as before."""
    gate = Gate(f"{testbed.PREFIX}-{owner}-{lane}-gate")
    testbed.run("ip", "netns", "add", gate.namespace)
    try:
        # Quiet first: a bridge's or device's own IPv6 would talk on the link.
        gate._run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        testbed.run("ip", "-n", bed.router, "link", "set", "client", "netns", gate.namespace)
        peer = ["peer", "name", testbed.ROUTER_CLIENT, "netns", bed.router]
        testbed.run("ip", "link", "add", INSIDE, "netns", gate.namespace, "type", "veth", *peer)
        bed.run(bed.router, "ethtool", "-K", testbed.ROUTER_CLIENT, *testbed.OFFLOADS)
        testbed.run("ip", "-n", bed.router, "link", "set", testbed.ROUTER_CLIENT, "up")
        lines = [f"link add {BRIDGE} type bridge"]
        for device in ("client", INSIDE):
            gate._run("ethtool", "-K", device, *testbed.OFFLOADS)
            lines += [f"link set {device} master {BRIDGE}", f"link set {device} up"]
        testbed.run(
            "ip", "-n", gate.namespace, "-batch", "-", stdin="\n".join([*lines, f"link set {BRIDGE} up"]) + "\n"
        )
        for command in tc_commands():
            gate._run("tc", *command)
        gate._nft(f"add table {TABLE}\nadd chain {TABLE} forward {{ type filter hook forward priority 0; }}")
        yield gate
    finally:
        testbed.remove([gate.namespace])
