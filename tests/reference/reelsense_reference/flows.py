"""Flows, time and windows: docs/explanation/flows-and-windows.md, rule by rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from .features import NS_PER_S, FlowFeatures, Window
from .packet import ACK, FIN, MTU_BYTES, RST, SYN, TCP, Address, Packet, expand

TOLERANCE_BACK_NS = 1 * NS_PER_S
TOLERANCE_AHEAD_NS = 300 * NS_PER_S
HELD_FOR_STEP = 8
FRAGMENT_LIFE_NS = 30 * NS_PER_S
FINISHED_LINGER_NS = 5 * NS_PER_S
YEAR_2200_NS = 7_258_118_400 * NS_PER_S  # 2200-01-01T00:00:00Z

Endpoint = tuple[Address, int]
Networks = list[IPv4Network | IPv6Network]
Key = tuple[frozenset[Endpoint], int]

_PRIVATE: Networks = [
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")),
    *map(IPv4Network, ("169.254.0.0/16", "127.0.0.0/8")),
    *map(IPv6Network, ("fc00::/7", "fe80::/10", "::1/128")),
]
_GROUP: Networks = [IPv4Network("224.0.0.0/4"), IPv4Network("255.255.255.255/32"), IPv6Network("ff00::/8")]


@dataclass(frozen=True)
class Options:
    max_flows: int = 131_072
    idle_timeout_ns: int = 120 * NS_PER_S
    active_timeout_ns: int = 3600 * NS_PER_S


def is_in(address: Address, networks: Networks) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def sender_is_client(packet: Packet) -> bool:
    """Rules 1 to 5 of the page, for a flow's first packet."""
    if packet.protocol == TCP and packet.tcp_flags & SYN:
        return not packet.tcp_flags & ACK
    # Reading: only 255.255.255.255 is known to be a broadcast address; a packet does not tell a subnet's own.
    for networks, is_client in ((_GROUP, False), (_PRIVATE, True)):
        source, destination = is_in(packet.source, networks), is_in(packet.destination, networks)
        if source != destination:
            return source == is_client
    return packet.source_port >= packet.destination_port


@dataclass
class Flow:
    number: int  # in order of first packets, from 0
    key: Key
    client: Endpoint
    server: Endpoint
    protocol: int
    first_ns: int
    last_ns: int
    features: FlowFeatures
    window: Window | None = None
    last_window_order: int = 0  # place of its last window among all windows ever opened
    finished_order: int | None = None  # place among all flows that finished
    fin_seen: set[bool] = field(default_factory=set)  # directions, True for up
    packets_up: int = 0
    packets_down: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    windows: int = 0

    def idle_windows(self) -> int:
        return self.last_ns // NS_PER_S - self.first_ns // NS_PER_S + 1 - self.windows


@dataclass
class Row:
    second: int
    flow: Flow
    packets_up: int
    packets_down: int
    bytes_up: int
    bytes_down: int
    features: list[float]
    bins: list[int]


@dataclass
class Stats:
    records: int = 0
    packets: int = 0
    super_packets: int = 0
    late: int = 0
    time_steps: int = 0
    flows: int = 0
    peak_flows: int = 0
    windows: int = 0
    idle_windows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)


class Classifier:
    """Packets in, rows and ended flows out."""

    def __init__(self, options: Options = Options()) -> None:
        self.options = options
        self.stats = Stats()
        self.rows: list[Row] = []
        self.ended: list[tuple[Flow, str]] = []
        self._clock_ns: int | None = None
        self._held: list[Packet] = []
        self._flows: dict[Key, Flow] = {}
        self._open: list[Flow] = []  # with a window in the clock's second, in order of its first packet
        self._windows_opened = 0
        self._fragments: dict[tuple[Address, Address, int, int], Packet] = {}

    def add(self, packet: Packet) -> None:
        # Reading: fragments are resolved as the records come, on their own times, before the time rules: a
        # dropped fragment then never moves the clock, and a first fragment that is held serves at once.
        if not self._resolve_fragment(packet):
            self.stats.dropped["fragment_unknown"] += 1
            return
        time_ns = packet.time_ns
        if not 0 <= time_ns <= YEAR_2200_NS:
            self.stats.dropped["time_step"] += 1
        elif self._clock_ns is None or fits(time_ns, self._clock_ns):
            self._drop_held()
            self._accept(packet)
        else:
            if self._held and not fits(time_ns, self._held[-1].time_ns):
                self._drop_held()
            self._held.append(packet)
            if len(self._held) == HELD_FOR_STEP:
                self._step()

    def count_drop(self, reason: str) -> None:
        self.stats.dropped[reason] += 1

    def finish(self) -> None:
        if self._held:
            self._step()
        self._end_all("end")

    # Fragments

    def _resolve_fragment(self, packet: Packet) -> bool:
        """Gives a later fragment its first fragment's ports; False if that was not seen."""
        key = (packet.source, packet.destination, packet.protocol, packet.fragment_id)
        if packet.first_fragment:
            self._fragments[key] = packet
        if not packet.later_fragment:
            return True
        first = self._fragments.get(key)
        # Reading: by own times, up to 30 s in either direction, as records may be out of order.
        if first is None or abs(packet.time_ns - first.time_ns) > FRAGMENT_LIFE_NS:
            return False
        packet.source_port, packet.destination_port = first.source_port, first.destination_port
        return True

    # Time

    def _drop_held(self) -> None:
        for _ in self._held:
            self.stats.dropped["time_step"] += 1
        self._held.clear()

    def _step(self) -> None:
        held, self._held = self._held, []
        self.stats.time_steps += 1
        self._end_all("time_step")
        self._clock_ns = held[0].time_ns
        for packet in held:
            # Reading: without a second judgement, even if small steps back leave one more than 1 s behind.
            self._accept(packet)

    def _accept(self, packet: Packet) -> None:
        if self._clock_ns is None:
            self._clock_ns = packet.time_ns
        self.stats.late += packet.time_ns < self._clock_ns
        if packet.time_ns > self._clock_ns:
            if packet.time_ns // NS_PER_S > self._clock_ns // NS_PER_S:
                self._enter_second(packet.time_ns // NS_PER_S)
            self._clock_ns = packet.time_ns
        self._process(packet, self._clock_ns)

    def _enter_second(self, second: int) -> None:
        self._close_windows()
        start_ns = second * NS_PER_S
        for flow in list(self._flows.values()):
            # Reading: where several reasons hold at once, the page's first counts.
            if flow.finished_order is not None and start_ns - flow.last_ns >= FINISHED_LINGER_NS:
                self._end(flow, "finished")
            elif start_ns - flow.last_ns >= self.options.idle_timeout_ns:
                self._end(flow, "idle")
            elif start_ns - flow.first_ns >= self.options.active_timeout_ns:
                self._end(flow, "active")

    # Flows

    def _process(self, packet: Packet, clock_ns: int) -> None:
        source = (packet.source, packet.source_port)
        destination = (packet.destination, packet.destination_port)
        key = (frozenset((source, destination)), packet.protocol)
        flow = self._flows.get(key)
        opens = packet.protocol == TCP and packet.tcp_flags & SYN and not packet.tcp_flags & ACK
        if flow is not None and flow.finished_order is not None and opens:
            self._end(flow, "reopened")
            flow = None
        time_ns = max(packet.time_ns, clock_ns // NS_PER_S * NS_PER_S)
        if flow is None:
            flow = self._open_flow(packet, key, time_ns)
        time_ns = max(time_ns, flow.last_ns)
        flow.last_ns = time_ns

        # Where both endpoints are the same, every packet is the client's.
        up = source == flow.client
        self._add_to_window(flow, up, time_ns, expand(packet))
        # Reading: longer than an MTU is a super-packet even if its headers leave it whole.
        self.stats.super_packets += packet.wire_bytes > MTU_BYTES
        if packet.protocol == TCP:
            if packet.tcp_flags & FIN:
                flow.fin_seen.add(up)
            if flow.finished_order is None and (packet.tcp_flags & RST or len(flow.fin_seen) == 2):
                flow.finished_order = self.stats.records
        self.stats.records += 1

    def _open_flow(self, packet: Packet, key: Key, time_ns: int) -> Flow:
        if len(self._flows) == self.options.max_flows:
            self._end(self._victim(), "evicted")
        client, server = (packet.source, packet.source_port), (packet.destination, packet.destination_port)
        if not sender_is_client(packet):
            client, server = server, client
        flow = Flow(
            number=self.stats.flows,
            key=key,
            client=client,
            server=server,
            protocol=packet.protocol,
            first_ns=time_ns,
            last_ns=time_ns,
            features=FlowFeatures(time_ns),
        )
        self._flows[key] = flow
        self.stats.flows += 1
        self.stats.peak_flows = max(self.stats.peak_flows, len(self._flows))
        return flow

    def _victim(self) -> Flow:
        finished = [flow for flow in self._flows.values() if flow.finished_order is not None]
        if finished:
            return min(finished, key=lambda flow: flow.finished_order or 0)
        return min(self._flows.values(), key=lambda flow: flow.last_window_order)

    def _add_to_window(self, flow: Flow, up: bool, time_ns: int, sizes: list[int]) -> None:
        if flow.window is None:
            flow.window = Window(time_ns // NS_PER_S)
            self._windows_opened += 1
            flow.last_window_order = self._windows_opened
            self._open.append(flow)
        for size in sizes:
            if up:
                flow.features.add_up(flow.window, time_ns, size)
            else:
                flow.features.add_down(flow.window, time_ns, size)
        if up:
            flow.packets_up += len(sizes)
            flow.bytes_up += sum(sizes)
        else:
            flow.packets_down += len(sizes)
            flow.bytes_down += sum(sizes)
        self.stats.packets += len(sizes)

    # Windows and ends

    def _close_windows(self) -> None:
        for flow in list(self._open):
            self._close_window(flow)

    def _close_window(self, flow: Flow) -> None:
        window = flow.window
        if window is None:
            return
        flow.window = None
        flow.windows += 1
        self._open.remove(flow)
        self.stats.windows += 1
        self.rows.append(
            Row(
                second=window.second,
                flow=flow,
                packets_up=len(window.up),
                packets_down=len(window.down),
                bytes_up=window.bytes_up(),
                bytes_down=window.bytes_down(),
                features=flow.features.close(window),
                bins=window.bins(),
            )
        )

    def _end(self, flow: Flow, reason: str) -> None:
        self._close_window(flow)
        del self._flows[flow.key]
        self.ended.append((flow, reason))
        self.stats.ended[reason] += 1
        self.stats.idle_windows += flow.idle_windows()

    def _end_all(self, reason: str) -> None:
        self._close_windows()
        for flow in list(self._flows.values()):
            self._end(flow, reason)


def fits(time_ns: int, reference_ns: int) -> bool:
    return reference_ns - TOLERANCE_BACK_NS <= time_ns <= reference_ns + TOLERANCE_AHEAD_NS
