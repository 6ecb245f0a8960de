"""Packet series that training reads beside the public ones: apps drawn at random for the edge model, and the lab's
flows for the views that know no packet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training import drawn
from reelsense_training.bench.packets import Packets, read_packets
from reelsense_training.bench.windows import UP_HEAVY, Lab, Session
from reelsense_training.data.dataset import Corpus, Dataset, Variant, concatenate
from reelsense_training.data.extractor import Extractor, FeatureRows
from reelsense_training.data.series import DRAWN, LAB, PacketSeries, file_sha256
from reelsense_training.drawn.series import NAMES, draw

Progress = Callable[[str], None]
Enough = Callable[[NDArray[np.int64], FeatureRows], NDArray[np.bool_]]  # of bytes [W] that rows carry one way
CACHE_FORMAT = 2  # of the cached rows: raise it when what they mean changes
DRAWN_FLOWS = 5000
DRAWN_SEED = 1
WORKERS = 2
BESIDE = " beside downloads"
MOST_LAB_UNITS = 4  # designs beyond share a unit, so that the number of fits stays what it is


@dataclass(frozen=True)
class Part:
    """``N`` flows with one truth each."""

    name: str
    source: int  # LAB or DRAWN
    digest: str  # of what the packets were made from
    packets: PacketSeries
    video: NDArray[np.bool_]  # [N]
    group: NDArray[np.int32]  # [N], session
    unit: NDArray[np.int8]  # [N]
    condition: tuple[str, ...]  # [N]

    @property
    def up_heavy(self) -> NDArray[np.bool_]:
        """Flows [N] whose load goes up: a window of theirs counts without 20 kB down."""
        names = [name.rsplit("/", 1)[-1].removesuffix(BESIDE) for name in self.condition]
        return np.array([name in UP_HEAVY for name in names], np.bool_)


def part_rows(part: Part, extractor: Extractor, variant: Variant, cache: Path, enough: Enough) -> dict[str, NDArray]:
    """rows float32 [W, F], flow, second, active [W] of a part's flows through a variant, from ``cache`` where it holds
    them. A row is active if it carries enough down or, in a flow whose load goes up, up.
    """
    key = hashlib.sha256(f"{CACHE_FORMAT} {extractor.digest} {part.digest} {variant!r}".encode()).hexdigest()[:24]
    path = cache / f"{part.name}-{variant.name}-{key}.npz"
    if not path.is_file():
        found = extractor.extract(variant.apply(part.packets, part.name), variant.phase_us)
        active = enough(found.bytes_down, found) | (part.up_heavy[found.flow] & enough(found.bytes_up, found))
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, rows=found.rows, flow=found.flow, second=found.second.astype(np.int32), active=active)
        temporary.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def with_part(corpus: Corpus, part: Part, found: list[tuple[int, dict[str, NDArray]]]) -> Corpus:
    """The corpus and, numbered behind it, the lab part's windows; ``found`` has a variant's number and its rows."""
    windows = corpus.windows
    groups, flows = int(windows.group.max()) + 1, int(windows.flow.max()) + 1
    names = {name: len(corpus.conditions) + i for i, name in enumerate(sorted(set(part.condition)))}
    condition = np.array([names[name] for name in part.condition], np.int16)
    added = [
        Dataset(
            rows=rows["rows"], second=rows["second"], active=rows["active"], video=part.video[flow],
            group=part.group[flow] + np.int32(groups), flow=(flow + flows).astype(np.int32), condition=condition[flow],
            source=np.full(len(flow), part.source, np.int8), unit=part.unit[flow],
            variant=np.full(len(flow), v, np.int8),
        )
        for v, rows in found
        for flow in [rows["flow"]]
    ]  # fmt: skip
    conditions = (*corpus.conditions, *names)
    return replace(corpus, windows=concatenate([windows, *added]), conditions=conditions, lab_sha256=part.digest)


def lab_condition(workload: str, crowded: bool) -> str:
    """What training gives a voice of its own: a workload, and apart from it the same beside others' downloads, whose
    windows are few and look unlike the rest.
    """
    return f"lab/{workload}{BESIDE}" if crowded else f"lab/{workload}"


def lab_units(sessions: tuple[Session, ...]) -> NDArray[np.int8]:
    """What each session is held out with: its design and, where there are many, others'."""
    names = sorted({session.design for session in sessions})
    return np.array([LAB + names.index(s.design) % MOST_LAB_UNITS for s in sessions], np.int8)


def drawn_digest() -> str:
    """SHA-256 over how many flows are drawn, from which seed and by which code."""
    folder = Path(drawn.__file__).parent
    code = "".join(file_sha256(path) for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(f"{DRAWN_FLOWS} {DRAWN_SEED} {code}".encode()).hexdigest()


def drawn_part(cache: Path, progress: Progress = lambda _: None) -> Part:
    """The flows of drawn apps, made once for the code that draws them."""
    cache.mkdir(parents=True, exist_ok=True)
    digest = drawn_digest()
    path = cache / f"drawn-{digest[:24]}.npz"
    if not path.is_file():
        progress(f"draw {DRAWN_FLOWS} flows")
        made = draw(DRAWN_FLOWS, DRAWN_SEED)
        temporary = path.with_suffix(".tmp.npz")
        packets = made.packets
        np.savez(temporary, off=packets.off, t_us=packets.t_us, size=packets.size, up=packets.up,
                 video=made.video, app=made.app)  # fmt: skip
        temporary.replace(path)
    with np.load(path) as stored:
        packets = PacketSeries(stored["off"], stored["t_us"], stored["size"], stored["up"])
        video, app = stored["video"], stored["app"]
    names = tuple(f"drawn/{NAMES[a]}" for a in app)
    count = len(video)
    return Part("drawn", DRAWN, digest, packets, video, np.arange(count, dtype=np.int32),
                np.full(count, DRAWN, np.int8), names)  # fmt: skip


def _pure_flows(session: Session) -> tuple[PacketSeries, NDArray[np.bool_], list[str]]:
    """A session's flows that carry one class throughout, with it and their workload."""
    packets: Packets = read_packets(session.folder)
    series, flow = packets.series(), packets.flow()
    count = np.bincount(flow, minlength=packets.flows)
    video = np.bincount(flow, packets.video, packets.flows)
    pure = (count > 0) & ((video == 0) | (video == count))
    kept = series.select(pure)
    lengths = kept.lengths()[pure]
    first = packets.off[:-1][pure]
    workload = [packets.workloads[w] for w in packets.workload[first]]
    off = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return PacketSeries(off, kept.t_us, kept.size, kept.up), video[pure] > 0, workload


def lab_part(lab: Lab) -> Part:
    """The lab's flows for views that know no packet: flows that mix both kinds are left out, as such a view could not
    tell when they change.
    """
    with ProcessPoolExecutor(WORKERS) as pool:
        found = list(pool.map(_pure_flows, lab.sessions, chunksize=8))
    lengths = np.concatenate([series.lengths() for series, _, _ in found])
    packets = PacketSeries(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        *(np.concatenate([getattr(series, name) for series, _, _ in found]) for name in ("t_us", "size", "up")),
    )
    count = [len(video) for _, video, _ in found]
    return Part(
        "lab", LAB, lab.digest, packets, np.concatenate([video for _, video, _ in found]),
        np.repeat(np.arange(len(found)), count).astype(np.int32), np.repeat(lab_units(lab.sessions), count),
        tuple(
            lab_condition(name, session.downloads > 0)
            for session, (_, _, workloads) in zip(lab.sessions, found, strict=True)
            for name in workloads
        ),
    )  # fmt: skip
