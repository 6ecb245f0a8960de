"""Time, windows, ends and directions of the reference, from examples worked out by hand."""

from __future__ import annotations

import unittest
from ipaddress import ip_address

from reelsense_reference.flows import Classifier, Options, sender_is_client
from reelsense_reference.packet import ACK, FIN, RST, SYN, TCP, UDP, Packet, expand

NS = 1_000_000_000
BASE = 1_700_000_000


def packet(
    time_s: float, *, up: bool = False, port: int = 40000, size: int = 1000, flags: int = ACK
) -> Packet:
    client, server = (ip_address("10.0.0.7"), port), (ip_address("203.0.113.80"), 443)
    source, destination = (client, server) if up else (server, client)
    return Packet(
        source=source[0],
        destination=destination[0],
        protocol=TCP,
        wire_bytes=size,
        header_bytes=40,
        source_port=source[1],
        destination_port=destination[1],
        tcp_flags=flags,
        time_ns=BASE * NS + round(time_s * NS),
    )


def run(*packets: Packet, options: Options | None = None) -> Classifier:
    classifier = Classifier(options or Options())
    for one in packets:
        classifier.add(one)
    classifier.finish()
    return classifier


def seconds(classifier: Classifier) -> list[tuple[int, int]]:
    """(second, client port) of every row."""
    return [(row.second - BASE, row.flow.client[1]) for row in classifier.rows]


class Time(unittest.TestCase):
    def test_windows_are_half_open(self) -> None:
        result = run(packet(0.999999999), packet(1.0), packet(1.999999999), packet(2.0))
        self.assertEqual([row.packets_down for row in result.rows], [1, 2, 1])

    def test_late_packet_belongs_to_the_clocks_second(self) -> None:
        result = run(packet(0.5), packet(1.2), packet(0.4), packet(1.1))
        self.assertEqual(result.stats.late, 2)
        self.assertEqual([row.packets_down for row in result.rows], [1, 3])
        self.assertEqual(result.ended[0][0].last_ns, BASE * NS + 1_200_000_000)

    def test_one_outlier_is_dropped(self) -> None:
        result = run(packet(0), packet(5000), packet(1))
        self.assertEqual(result.stats.dropped, {"time_step": 1})
        self.assertEqual(seconds(result), [(0, 40000), (1, 40000)])

    def test_eight_held_packets_are_a_step(self) -> None:
        result = run(packet(5000), *(packet(i * 0.1) for i in range(8)), packet(0.9))
        self.assertEqual((result.stats.time_steps, result.stats.dropped.total()), (1, 0))
        self.assertEqual(seconds(result), [(5000, 40000), (0, 40000)])
        self.assertEqual([reason for _, reason in result.ended], ["time_step", "end"])

    def test_held_packets_at_the_end_are_a_step(self) -> None:
        result = run(packet(0), packet(400), packet(401))
        self.assertEqual((result.stats.records, result.stats.time_steps), (3, 1))

    def test_time_after_2200_is_dropped_even_first(self) -> None:
        result = run(packet(8e9), packet(0))
        self.assertEqual((result.stats.records, result.stats.dropped["time_step"]), (1, 1))


class Ends(unittest.TestCase):
    def test_rows_follow_the_first_packets_of_the_second(self) -> None:
        result = run(packet(0, port=1), packet(0.1, port=2), packet(1, port=2), packet(1.1, port=1))
        self.assertEqual(seconds(result), [(0, 1), (0, 2), (1, 2), (1, 1)])

    def test_idle_is_judged_at_the_seconds_start(self) -> None:
        exact = run(packet(0), packet(120))
        self.assertEqual([reason for _, reason in exact.ended], ["idle", "end"])
        less = run(packet(0.5), packet(120.9))
        self.assertEqual([reason for _, reason in less.ended], ["end"])
        self.assertEqual(less.ended[0][0].idle_windows(), 119)

    def test_fin_from_both_sides_finishes_five_seconds_later(self) -> None:
        ends = (packet(0.5, up=True, flags=FIN | ACK), packet(0.6, flags=FIN | ACK))
        for other_s, reasons in ((5.9, ["end", "end"]), (6.0, ["finished", "end"])):
            result = run(*ends, packet(other_s, port=2))
            self.assertEqual([reason for _, reason in result.ended], reasons)

    def test_syn_reopens_only_what_finished(self) -> None:
        syn = packet(0.2, up=True, flags=SYN)
        self.assertEqual(run(packet(0), syn).stats.flows, 1)
        reopened = run(packet(0), packet(0.1, flags=RST), syn)
        self.assertEqual([reason for _, reason in reopened.ended], ["reopened", "end"])
        self.assertEqual(seconds(reopened), [(0, 40000), (0, 40000)])

    def test_eviction_takes_finished_then_oldest_window(self) -> None:
        result = run(
            packet(0, port=1),
            packet(0.1, port=2),
            packet(1.0, port=2),
            packet(1.1, port=1),
            packet(1.2, port=1, flags=RST),
            packet(1.3, port=3),  # in the place of 1, which finished
            packet(1.4, port=4),  # in the place of 2, whose window opened before 3's
            options=Options(max_flows=2),
        )
        self.assertEqual(seconds(result), [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (1, 4)])
        self.assertEqual(result.stats.ended, {"evicted": 2, "end": 2})


class Packets(unittest.TestCase):
    def test_super_packet_stands_for_full_ones_and_a_rest(self) -> None:
        self.assertEqual(expand(packet(0, size=1500)), [1500])
        self.assertEqual(expand(packet(0, size=1501)), [1500, 41])
        self.assertEqual(expand(packet(0, size=2960)), [1500, 1500])

    def test_direction_rules(self) -> None:
        def first(
            source: str, source_port: int, destination: str, port: int, flags: int | None = None
        ) -> bool:
            protocol = UDP if flags is None else TCP
            addresses = ip_address(source), ip_address(destination)
            return sender_is_client(Packet(*addresses, protocol, 100, 28, source_port, port, flags or 0))

        self.assertTrue(first("203.0.113.1", 443, "10.0.0.1", 50000, SYN))
        self.assertFalse(first("10.0.0.1", 50000, "203.0.113.1", 443, SYN | ACK))
        self.assertFalse(first("239.1.1.1", 50000, "203.0.113.1", 443))
        self.assertTrue(first("10.0.0.1", 443, "203.0.113.1", 50000))
        self.assertFalse(first("203.0.113.1", 443, "198.51.100.1", 50000))
        self.assertTrue(first("203.0.113.1", 500, "198.51.100.1", 500))


if __name__ == "__main__":
    unittest.main()
