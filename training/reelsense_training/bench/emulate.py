"""Which worse paths and collectors the emulated cells show, and their windows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.extract import series_rows
from reelsense_training.bench.lab_data import WORKERS, trace_of
from reelsense_training.bench.packets import Packets, read_packets
from reelsense_training.bench.transform import Outage, Policer, Shaper, bottleneck, path_loss, stretch_rtt
from reelsense_training.bench.windows import BINS, Lab, Session, Windows, concatenate, is_active, is_counted
from reelsense_training.data import augment
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.series import file_sha256

EMULATION_FORMAT = 2  # raise it when a transform's meaning changes
QUEUE_MS = 300.0
BURST_BYTES = 30_000
PHASE_STEPS_US = 1_000_000


@dataclass(frozen=True)
class Condition:
    """One emulated path or collector. ``target`` says that the issue's target for hard paths covers it."""

    name: str
    axis: str
    value: float
    rate_mbit: float = 0.0
    police_mbit: float = 0.0
    loss: float = 0.0
    rtt_ms: float = 0.0
    outage_s: float = 0.0
    collector: str = ""
    target: bool = True

    def apply(self, packets: Packets, session: Session, rng: np.random.Generator) -> Packets:
        rtt = max(self.rtt_ms, session.rtt_ms)
        if self.rtt_ms > session.rtt_ms:
            packets = stretch_rtt(packets, self.rtt_ms - session.rtt_ms)
        if self.loss:
            packets = path_loss(packets, self.loss, rtt, rng)
        if self.rate_mbit:
            packets = bottleneck(packets, Shaper(self.rate_mbit, QUEUE_MS))
        if self.police_mbit:
            packets = bottleneck(packets, Policer(self.police_mbit, BURST_BYTES, max(rtt, 20.0)))
        if self.outage_s:
            packets = bottleneck(packets, Outage(self.outage_s, 20.0, rng))
        return _collect(packets, self.collector, self.value, rng) if self.collector else packets


def _collect(packets: Packets, kind: str, value: float, rng: np.random.Generator) -> Packets:
    """The same traffic, recorded by a worse collector."""
    series = packets.series()
    everywhere = np.ones(series.flows, np.bool_)
    if kind == "misses":
        return packets.through(series.keep(rng.random(len(series.t_us)) >= value / 100))
    if kind == "offload":
        return packets.through(augment.merge_offload(series, rng, everywhere))
    if kind == "clock":
        return packets.through(augment.coarse_clock(series, rng, everywhere))
    return packets.through(augment.thin_acks(series, rng))


CONDITIONS = (
    Condition("0.25 Mbit/s", "rate", 0.25, rate_mbit=0.25, target=False),
    *(Condition(f"{r:g} Mbit/s", "rate", r, rate_mbit=r) for r in (0.5, 1, 3, 10, 50)),
    *(Condition(f"policed at {r:g} Mbit/s", "policing", r, police_mbit=r) for r in (0.5, 2, 8)),
    *(Condition(f"loss {p} %", "loss", p, loss=p / 100) for p in (1, 3, 10, 20, 30)),
    *(Condition(f"RTT {r} ms", "rtt", r, rtt_ms=r) for r in (20, 50, 100, 200, 500)),
    *(Condition(f"outage {s} s", "outage", s, outage_s=s, target=False) for s in (1, 4)),
    Condition("0.5 Mbit/s, 10 % loss, RTT 300 ms", "combined", 0.5, rate_mbit=0.5, loss=0.1, rtt_ms=300),
    *(Condition(f"collector misses {p} %", "collector", p, collector="misses") for p in (10, 30)),
    Condition("receive offload", "collector", 1, collector="offload", target=False),
    Condition("coarse clock", "collector", 2, collector="clock", target=False),
    Condition("thinned ACKs", "collector", 3, collector="thin", target=False),
)


def windows_of(
    packets: Packets, extractor: Extractor, phase_us: int, workloads: NDArray[np.str_]
) -> dict[str, NDArray]:
    """Windows of a packet series by the extractor, with truth from its packets; flows and seconds of its own."""
    found = series_rows(extractor, packets.series(), phase_us)
    first = packets.t_us[np.minimum(packets.off[:-1], max(len(packets.t_us) - 1, 0))]
    flow = packets.flow()
    second = (packets.t_us - first[flow] + phase_us) // 1_000_000
    video, workload, up = _vote(packets, flow, second, found.flow, found.second)
    names = workloads[workload]
    width = found.rows.shape[1] - BINS
    return {
        "rows": found.rows[:, :width], "bins": found.rows[:, width:], "video": video, "names": names,
        "active": is_active(found.packets, found.bytes_down),
        "counted": is_counted(found.packets, found.bytes_down, up, names),
        "flow": found.flow.astype(np.int32), "second": found.second.astype(np.int32),
        "bytes_down": found.bytes_down,
    }  # fmt: skip


def _vote(
    packets: Packets, flow: NDArray, second: NDArray, window_flow: NDArray, window_second: NDArray
) -> tuple[NDArray[np.bool_], NDArray[np.int16], NDArray[np.int64]]:
    """Each window's majority by down bytes (up packets decide where there are none), its workload, its up bytes."""
    span = np.int64(1 << 22)
    keys = window_flow * span + window_second
    order = np.argsort(keys)
    window = order[np.searchsorted(keys[order], flow * span + second)]
    weight = np.where(packets.up, packets.size * 1e-6, packets.size)
    share = np.bincount(window, weight * packets.video, len(keys)) / np.bincount(window, weight, len(keys))
    workload = np.zeros(len(keys), np.int16)
    workload[window] = packets.workload  # of the last packet
    return share > 0.5, workload, np.bincount(window, packets.size * packets.up, len(keys)).astype(np.int64)


def _emulated(
    program: Path, session: Session, conditions: tuple[Condition, ...], cache: Path
) -> list[dict[str, NDArray]]:
    extractor = Extractor(program)
    digest = file_sha256(trace_of(session.folder)) + file_sha256(session.folder / "truth.csv")
    packets: Packets | None = None
    result = []
    for condition in conditions:
        # What is drawn must not depend on which build of the extractor reads it.
        made = f"{EMULATION_FORMAT} {digest} {condition!r} {session.rtt_ms}"
        key = hashlib.sha256(f"{extractor.digest} {made}".encode()).hexdigest()[:24]
        path = cache / f"emulated-{key}.npz"
        if not path.is_file():
            packets = packets or read_packets(session.folder)
            rng = np.random.default_rng(int.from_bytes(hashlib.sha256(made.encode()).digest()[:8], "little"))
            phase = int(rng.integers(PHASE_STEPS_US))
            changed = condition.apply(packets, session, rng)
            temporary = path.with_suffix(f".{session.seed}.tmp.npz")
            np.savez(temporary, **windows_of(changed, extractor, phase, np.array(packets.workloads)))
            temporary.replace(path)
        with np.load(path) as stored:
            result.append(dict(stored))
    return result


def emulate(
    lab: Lab, extractor: Extractor, cache: Path, conditions: tuple[Condition, ...] = CONDITIONS,
    progress: Callable[[str], None] = lambda _: None, workers: int = WORKERS,
) -> Windows:  # fmt: skip
    """Every session of ``lab`` under every condition; ``variant`` is 1 + the condition's number."""
    count = len(lab.sessions)
    parts: list[Windows] = []
    flows = 0
    workloads = {name: i for i, name in enumerate(lab.workloads)}
    with ProcessPoolExecutor(workers) as pool:
        results = pool.map(_emulated, [extractor.program] * count, lab.sessions, [conditions] * count, [cache] * count)
        for number, found in enumerate(results):
            progress(f"emulated {lab.sessions[number].name}")
            for c, stored in enumerate(found):
                parts.append(_numbered(stored, number, c + 1, flows, workloads))
                flows += int(stored["flow"].max(initial=-1)) + 1
    return concatenate(parts)


def _numbered(
    stored: dict[str, NDArray], session: int, variant: int, first_flow: int, workloads: dict[str, int]
) -> Windows:
    count = len(stored["video"])
    own = {f.name: stored[f.name] for f in fields(Windows) if f.name in stored}
    own["flow"] = (stored["flow"] + first_flow).astype(np.int32)
    return Windows(
        **own,
        session=np.full(count, session, np.int32),
        workload=np.array([workloads.get(str(name), 0) for name in stored["names"]], np.int16),
        variant=np.full(count, variant, np.int8),
    )
