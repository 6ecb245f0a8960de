"""What the package costs: rows, windows, packets and calls a second, answers checked first.

python bench.py [CAPTURE]. Each figure is the best of five runs, in CPU time of this process: the machine may be shared,
so its load is said. Everything here runs on one thread.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import reelsense

CAPTURE = Path(__file__).resolve().parents[3] / "tests/captures/reels-h3.pcap"
NS = 10**9
START = 1_700_000_000 * NS
RUNS = 5


def best_s(work: Callable[[], object]) -> float:
    found = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def line(what: str, figure: str) -> None:
    print(f"{what:58} {figure}")


def models(rows: np.ndarray) -> None:
    bundle = reelsense.find("reelsense-ue")
    native = bundle.load()
    wanted = native.classify(rows).probability
    for name in reelsense.BACKENDS:
        try:
            backend = bundle.load(name)
        except ImportError:
            line(f"classify, {name}", "not installed")
            continue
        off = float(np.abs(backend.classify(rows).probability - wanted).max())
        assert off <= 1e-4, f"{name} is off by {off}"
        for n in (1, 64, 4096):
            batch = np.ascontiguousarray(rows[:n])
            backend.classify(batch)
            repeat = max(3, 2000 // n)

            def work(backend: reelsense.Backend = backend, batch: np.ndarray = batch, repeat: int = repeat) -> None:
                for _ in range(repeat):
                    backend.classify(batch)

            seconds = best_s(work) / repeat
            line(f"classify, {name}, batch {n}", f"{seconds * 1e6:9.1f} µs a call, {n / seconds:12,.0f} rows/s")


def captures(path: Path) -> None:
    result = reelsense.classify_capture(path)
    assert result.windows.labels == reelsense.load().classify(result.windows.features).labels
    packets = result.counters.packets
    for work in (reelsense.classify_capture, reelsense.featurise_capture):
        seconds = best_s(lambda work=work: work(path))
        line(f"{work.__name__}, {path.name}", f"{seconds * 1e3:9.2f} ms, {packets / seconds:15,.0f} packets/s")


def extraction() -> None:
    n = 200_000
    random = np.random.default_rng(1)
    times = START + np.sort(random.integers(0, 60 * NS, n))
    sizes = random.integers(40, 1500, n, dtype=np.uint32)
    ways = random.integers(0, 2, n, dtype=np.uint8)
    assert len(reelsense.extract(times, sizes, ways).seconds) == 60
    seconds = best_s(lambda: reelsense.extract(times, sizes, ways))
    line("extract, 200,000 packets of one flow", f"{n / seconds:30,.0f} packets/s")


def calls() -> None:
    count = 50_000
    windows: list[int] = []
    options = {"on_windows": lambda given: windows.append(len(given))}
    classifier = reelsense.Classifier(reelsense.load("reelsense-ue-socket"), **options)
    flow = classifier.flow_open(START)

    def reads() -> None:
        for _ in range(count):
            classifier.flow_read(flow, 1400, START)

    def nothing(_flow: int, _bytes: int, _now: int) -> None: ...

    def empty() -> None:
        for _ in range(count):
            nothing(flow, 1400, START)

    line("flow_read, one call", f"{(best_s(reads) - best_s(empty)) / count * 1e9:9.0f} ns over an empty function")
    now = START
    spent = []
    for _ in range(2000):
        now += NS
        classifier.flow_read(flow, 1400, now)
        begun = time.thread_time_ns()
        classifier.advance(now + NS)
        spent.append(time.thread_time_ns() - begun)
    assert sum(windows) >= 2000
    cuts = statistics.quantiles(spent, n=100)
    figure = f"p50 {cuts[49] / 1e3:.1f} µs, p99 {cuts[98] / 1e3:.1f} µs"
    line("advance with a window: features, label, callback", figure)
    classifier.close()


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CAPTURE
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
    print(f"reelsense {reelsense.__version__}, {reelsense.load()}, {load}")
    real = reelsense.featurise_capture(path).windows.features
    rows = np.ascontiguousarray(np.tile(real, (4096 // len(real) + 1, 1))[:4096])
    models(rows)
    captures(path)
    extraction()
    calls()


if __name__ == "__main__":
    main()
