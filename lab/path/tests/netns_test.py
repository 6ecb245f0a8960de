#!/usr/bin/env python3
"""Measures reelsense-lab-path through real UDP packets between network namespaces.

    lab/path/tests/netns_test.py BINARY [unittest arguments]

Exit code 77 (ctest: skipped) where namespaces cannot be made. A measurement that a busy machine can spoil is tried
three times; each prints what it measured.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import statistics
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent))
from namespaces import CLIENT, Arrival, Emulator, Json, Network, drain, emulator, run, send

SKIPPED = 77
ATTEMPTS = 3
PORT, PROBE_PORT = 5001, 5002
NETWORK = Network()
BINARY = ""


def path(down: Json, up: Json | None = None) -> Json:
    return {"down": down, "up": up or {"rate": "unlimited", "delay_ms": 0}}


def offer(seconds: float, mbit: float, payload_bytes: int = 1472) -> tuple[list[Arrival], int]:
    """Sends down at a rate, then waits for the stragglers. What arrived, and how many were sent."""
    source, sink = NETWORK.socket("server"), NETWORK.socket("client", PORT)
    with source, sink:
        per_second = mbit * 1e6 / 8 / (payload_bytes + 28)
        begin, sent = time.monotonic(), 0
        while (now := time.monotonic() - begin) < seconds:
            while sent < now * per_second:
                send(source, (CLIENT, PORT), sent, payload_bytes)
                sent += 1
            time.sleep(0.001)
        quiet = 0
        arrivals = drain(sink)
        while quiet < 3:
            time.sleep(0.1)
            more = drain(sink)
            arrivals += more
            quiet = 0 if more else quiet + 1
    return arrivals, sent


def attempts(measure: Callable[[], tuple[bool, str]]) -> None:
    for number in range(1, ATTEMPTS + 1):
        good, text = measure()
        print(f"  attempt {number}: {text}", flush=True)
        if good:
            return
    raise AssertionError(text)


def warm_up() -> None:
    """Address resolution, before anything is measured."""
    with NETWORK.socket("server") as source, NETWORK.socket("client", PORT) as sink:
        for number in range(200):
            send(source, (CLIENT, PORT), number, 100)
            time.sleep(0.01)
            if drain(sink):
                return
    raise AssertionError("nothing passes")


class PathTest(unittest.TestCase):
    def test_Rate_50MbitSaturated_IsWithinOnePercent(self) -> None:
        def measure() -> tuple[bool, str]:
            profile = path({"rate": {"mbit": 50}, "delay_ms": 10, "queue": {"bytes": 500_000}})
            with emulator(BINARY, NETWORK, profile) as running:
                warm_up()
                before = running.cpu_s()
                arrivals, _ = offer(5, 60)
                cpu_s = running.cpu_s() - before
                report = running.end()
            times = [arrival.arrived_s for arrival in arrivals]
            mbit = (len(times) - 1) * 1500 * 8 / (times[-1] - times[0]) / 1e6
            handled = report["down"]["in"]["packets"]
            text = f"{mbit:.3f} Mbit/s of 50; {cpu_s / handled * 1e6:.1f} µs CPU a packet over {handled} packets"
            return abs(mbit / 50 - 1) < 0.01, text

        attempts(measure)

    def test_Cpu_49MbitForwarded_IsFarBelowAWakeUpAPacket(self) -> None:
        def measure() -> tuple[bool, str]:
            profile = path({"rate": {"mbit": 50}, "delay_ms": 10, "queue": {"bytes": 500_000}})
            with emulator(BINARY, NETWORK, profile) as running:
                warm_up()
                before = running.cpu_s()
                arrivals, _ = offer(5, 49)
                cpu_s = running.cpu_s() - before
            cost_us = cpu_s / len(arrivals) * 1e6
            return cost_us < 20, f"{cost_us:.1f} µs CPU a packet over {len(arrivals)} packets at 49 Mbit/s"

        attempts(measure)

    def test_Delay_25Ms_MedianIsWithinHalfAMillisecond(self) -> None:
        def measure() -> tuple[bool, str]:
            with emulator(BINARY, NETWORK, path({"rate": "unlimited", "delay_ms": 25})):
                warm_up()
                arrivals, _ = offer(4, 1, 200)
            delays = sorted(arrival.delay_ms for arrival in arrivals)
            median = statistics.median(delays)
            p99 = delays[len(delays) * 99 // 100]
            text = f"median {median:.3f} ms, 99th percentile {p99:.3f} ms over {len(delays)} packets"
            return abs(median - 25) < 0.5, text

        attempts(measure)

    def test_Loss_TenPercent_IsInsideItsConfidenceInterval(self) -> None:
        profile = path({"rate": "unlimited", "delay_ms": 0, "loss": {"probability": 0.1}})
        with emulator(BINARY, NETWORK, profile, seed=5) as running:
            warm_up()
            before = running.ask({"stats": True})["down"]["dropped"]["loss"]["packets"]
            arrivals, sent = offer(4, 4, 200)
            counted = running.ask({"stats": True})["down"]["dropped"]["loss"]["packets"] - before
        lost = sent - len(arrivals)
        sigma = math.sqrt(sent * 0.1 * 0.9)
        print(f"  lost {lost} of {sent}: {100 * lost / sent:.2f} %, expected {sent * 0.1:.0f} ± {3.3 * sigma:.0f}")
        self.assertLess(abs(lost - sent * 0.1), 3.3 * sigma)  # 99.9 %
        self.assertEqual(counted, lost)

    def test_Opportunities_Saturated_DeliverTheTracesTotal(self) -> None:
        # 389 opportunities a second, in bunches and gaps as a cell's are: squares leave no even spacing.
        times = [*sorted(number * number % 997 for number in range(388)), 1000]

        def measure() -> tuple[bool, str]:
            profile = path({"rate": {"opportunities_ms": times}, "delay_ms": 5, "queue": {"bytes": 300_000}})
            with emulator(BINARY, NETWORK, profile) as running:
                warm_up()
                arrivals, _ = offer(4.5, 8)
                running.end()
            begin = arrivals[0].arrived_s + 0.5
            found = sum(begin <= arrival.arrived_s < begin + 3 for arrival in arrivals)
            text = f"{found} packets in three rounds of {len(times)} opportunities"
            return abs(found / (3 * len(times)) - 1) < 0.005, text

        attempts(measure)

    def test_Priority_SwitchedLive_TakesTheProbePastTheQueue(self) -> None:
        profile = path({"rate": {"mbit": 2}, "delay_ms": 5, "queue": {"bytes": 60_000}})
        with emulator(BINARY, NETWORK, profile) as running:
            warm_up()
            behind = self._probe_delay_ms(running, [])
            first = self._probe_delay_ms(running, [{"client_port": PROBE_PORT, "protocol": "udp"}])
            again = self._probe_delay_ms(running, [])
            error = running.ask({"priority": [{"port": 1}]})
            report = running.end()
        print(f"  median delay of the probe: {behind:.1f} ms, with priority {first:.1f} ms, without {again:.1f} ms")
        self.assertGreater(behind, 150)  # a full queue is 240 ms
        self.assertLess(first, 5 + 6 + 10)  # its own delay, one packet on the link, a margin
        self.assertGreater(again, 150)
        self.assertIn("unknown key", error["error"])
        self.assertGreater(report["down"]["prioritised"]["packets"], 0)
        self.assertLessEqual(report["down"]["queue"]["high_bytes"], 120_000)

    def _probe_delay_ms(self, running: Emulator, rules: list[Json]) -> float:
        self.assertEqual(running.ask({"priority": rules}), {"ok": True})
        source, sink = NETWORK.socket("server"), NETWORK.socket("client", PORT)
        probe = NETWORK.socket("client", PROBE_PORT)
        with source, sink, probe:
            for number in range(300):  # 3 Mbit/s into 2
                send(source, (CLIENT, PORT), number)
                send(source, (CLIENT, PORT), number)
                if number % 3 == 0:
                    send(source, (CLIENT, PROBE_PORT), number, 100)
                time.sleep(0.008)
            time.sleep(0.5)
            probes = drain(probe)
        return statistics.median(arrival.delay_ms for arrival in probes[len(probes) // 3 :])

    def test_Profile_SwappedLive_ChangesTheDelay(self) -> None:
        with emulator(BINARY, NETWORK, path({"rate": "unlimited", "delay_ms": 5})) as running:
            warm_up()
            answer = running.ask({"profile": path({"rate": "unlimited", "delay_ms": 60})})
            arrivals, _ = offer(1, 0.5, 200)
            refused = running.ask({"profile": path({"rate": "unlimited"})})
        median = statistics.median(arrival.delay_ms for arrival in arrivals)
        print(f"  median {median:.3f} ms after a change from 5 to 60 ms")
        self.assertEqual(answer, {"ok": True})
        self.assertIn("down.delay_ms", refused["error"])
        self.assertLess(abs(median - 60), 3)

    def test_AddressResolution_EverythingElseLost_StillWorks(self) -> None:
        profile = path({"rate": "unlimited", "delay_ms": 0, "loss": {"probability": 1}})
        for end in ("client", "server"):
            run("ip", "-n", NETWORK.names[end], "neighbour", "flush", "all")
        with emulator(BINARY, NETWORK, profile) as running:
            arrivals, _ = offer(0.5, 0.5, 200)
            report = running.end()
        self.assertEqual(arrivals, [])
        self.assertGreater(report["down"]["exempt"]["packets"], 0)
        self.assertGreater(report["up"]["exempt"]["packets"], 0)
        self.assertGreater(report["down"]["dropped"]["loss"]["packets"], 0)


def missing() -> str:
    """Why namespaces cannot be made here, empty where they can."""
    if os.geteuid() != 0:
        return "not root"
    for tool in ("ip", "ethtool", "sysctl"):
        if shutil.which(tool) is None:
            return f"no {tool}"
    return ""


def main() -> int:
    global BINARY
    BINARY = sys.argv.pop(1)
    why = missing()
    try:
        if not why:
            try:
                NETWORK.make()
            except (RuntimeError, OSError) as error:
                why = str(error)
        if why:
            print(f"skipped: network namespaces are needed: {why}")
            return SKIPPED
        return 0 if unittest.main(verbosity=2, exit=False).result.wasSuccessful() else 1
    finally:
        NETWORK.remove()


def ended(*_: object) -> NoReturn:
    sys.exit(1)  # unwinds, so that the namespaces go


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, ended)
    sys.exit(main())
