"""Windows of flows in time order: what the edge model trains on and is judged by.

Public sources come through the C++ extractor, one cached file a source and variant; anything else (lab sessions,
other captures) through ``sequences_from_rows``.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data import augment
from reelsense_training.data.dataset import ACTIVE_DOWN_BYTES, ACTIVE_PACKETS, CACHE_FORMAT, VARIANTS, Variant
from reelsense_training.data.extractor import Extractor, ExtractorError
from reelsense_training.data.series import (
    SOURCES,
    PacketSeries,
    Source,
    file_sha256,
    load_packets,
    load_truth,
    require_data,
)
from reelsense_training.edge.layout import width

Bool = NDArray[np.bool_]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sequences:
    """``N`` windows of ``Q`` sequences, a sequence being one flow in one variant, its windows in time order.

    Arrays are parallel over windows but ``off`` [Q + 1]: sequence ``q`` owns windows ``off[q]:off[q + 1]``.
    Labels are per window: a flow may change what it carries. ``source`` is the collector (index in SOURCES, LAB or
    DRAWN), ``unit`` what is held out together (a public source's number, LAB + that of app designs; DRAWN never is);
    ``group``, ``flow`` and ``condition`` are unique across sources.
    """

    rows: NDArray[np.float32]  # [N, W], as the extractor writes them
    off: NDArray[np.int64]
    second: NDArray[np.int32]
    video: Bool
    active: Bool
    recorded: Bool  # not augmented: evaluation reads these alone
    source: NDArray[np.int16]
    unit: NDArray[np.int16]
    group: NDArray[np.int32]
    flow: NDArray[np.int32]
    condition: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.video)

    @property
    def count(self) -> int:
        return len(self.off) - 1

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.off)

    def first(self, name: str) -> NDArray:
        """``name`` of each sequence's first window [Q]."""
        return getattr(self, name)[self.off[:-1]]

    def select(self, wanted: NDArray) -> Sequences:
        """The sequences under a mask [Q] or of an index, in its order."""
        index = np.flatnonzero(wanted) if wanted.dtype == np.bool_ else wanted
        lengths = self.lengths()[index]
        off = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        windows = np.arange(off[-1]) - np.repeat(off[:-1], lengths) + np.repeat(self.off[index], lengths)
        taken = {f.name: getattr(self, f.name)[windows] for f in fields(self) if f.name != "off"}
        return Sequences(off=off, **taken)

    def without(self, units: frozenset[int]) -> Sequences:
        return self.select(~np.isin(self.first("unit"), sorted(units)))

    def of(self, unit: int) -> Sequences:
        return self.select(self.first("unit") == unit)


def join(parts: Sequence[Sequences]) -> Sequences:
    ends = np.cumsum([0] + [len(part) for part in parts])
    off = np.concatenate([[0]] + [part.off[1:] + end for part, end in zip(parts, ends, strict=False)])
    joined = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Sequences) if f.name != "off"
    }
    return Sequences(off=off.astype(np.int64), **joined)


def sequences_from_rows(
    rows: NDArray[np.float32], bins: NDArray[np.float32], flow: NDArray, second: NDArray, video: Bool,
    active: Bool, source: int, group: NDArray, *, unit: NDArray | None = None, condition: NDArray | None = None,
    recorded: Bool | bool = True,
) -> Sequences:  # fmt: skip
    """Sequences of plain arrays over windows, in any order: ``rows`` [N, F] and ``bins`` [N, 40] of the extractor,
    ``flow`` numbers the flow [N], ``second`` its time, ``video`` the label of that second (it may change in a
    flow). ``flow`` and ``group`` must be unique across everything that is joined later; ``unit`` [N] is ``source``
    unless given.
    """
    order = np.lexsort((second, flow))
    flow = np.asarray(flow)[order]
    starts = np.flatnonzero(np.diff(flow, prepend=flow[:1] - 1)) if len(flow) else np.zeros(0, np.int64)
    n = len(flow)
    condition = np.zeros(n, np.int16) if condition is None else np.asarray(condition)[order]
    unit = np.full(n, source) if unit is None else np.asarray(unit)[order]
    return Sequences(
        rows=np.concatenate([rows, bins], axis=1, dtype=np.float32)[order],
        off=np.append(starts, n).astype(np.int64), second=np.asarray(second)[order].astype(np.int32),
        video=np.asarray(video, np.bool_)[order], active=np.asarray(active, np.bool_)[order],
        recorded=np.broadcast_to(recorded, n)[order], source=np.full(n, source, np.int16),
        unit=unit.astype(np.int16), group=np.asarray(group)[order].astype(np.int32), flow=flow.astype(np.int32),
        condition=condition.astype(np.int16),
    )  # fmt: skip


def extract(extractor: Extractor, series: PacketSeries, phase_us: int) -> dict[str, NDArray]:
    """Rows with bins of every window of a series: ``rows`` [N, W], ``flow``, ``second``, ``active``."""
    with tempfile.TemporaryDirectory(prefix="reelsense-edge-") as folder:
        npz, npy, index = (Path(folder) / name for name in ("series.npz", "rows.npy", "index.csv"))
        series.save(npz)
        command = [
            str(extractor.program), "features", str(npz), "--bins", "--format", "npy", "--output", str(npy),
            "--index", str(index), "--phase-us", str(phase_us),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ExtractorError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        rows = np.load(npy)
        names = index.open().readline().strip().split(",")
        columns = np.loadtxt(index, delimiter=",", skiprows=1, dtype=np.int64, ndmin=2)
    if rows.shape != (len(columns), width(len(extractor.schema.names))):
        raise ExtractorError(f"{extractor.program}: {rows.shape} rows for an index of {len(columns)}")
    column = {name: columns[:, i] for i, name in enumerate(names)}
    packets = column["packets_up"] + column["packets_down"]
    active = (packets >= ACTIVE_PACKETS) & (column["bytes_down"] >= ACTIVE_DOWN_BYTES)
    counts = {"packets": packets, "bytes_up": column["bytes_up"]}
    return {"rows": rows, "flow": column["flow"], "second": column["second"], "active": active, **counts}


def _cache_name(extractor: Extractor, source: Source, data_sha256: str, variant: Variant) -> str:
    code = file_sha256(Path(augment.__file__))
    parts = ["bins", CACHE_FORMAT, extractor.digest, source.link_header, data_sha256, code, repr(variant)]
    return f"edge-{source.name}-{variant.name}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]}.npz"


def load_public(
    data: Path, extractor: Extractor, cache: Path, variants: tuple[Variant, ...] = VARIANTS,
    progress: Progress = lambda _: None,
) -> tuple[Sequences, tuple[str, ...]]:  # fmt: skip
    """Sequences of every public source and variant, and the names of their conditions. What ``cache`` holds is read,
    the rest is extracted and kept there.
    """
    require_data(data)
    cache.mkdir(parents=True, exist_ok=True)
    parts: list[Sequences] = []
    conditions: dict[str, int] = {}
    groups = flows = 0
    for number, source in enumerate(SOURCES):
        truth, digest = load_truth(data, source), file_sha256(data / source.file)
        condition = np.array([conditions.setdefault(name, len(conditions)) for name in truth.condition], np.int16)
        packets: PacketSeries | None = None
        for variant in variants:
            path = cache / _cache_name(extractor, source, digest, variant)
            if not path.is_file():
                progress(f"extract {source.name}/{variant.name}")
                packets = packets or load_packets(data, source)
                temporary = path.with_suffix(".tmp.npz")
                np.savez(temporary, **extract(extractor, variant.apply(packets, source.name), variant.phase_us))
                temporary.replace(path)
            with np.load(path) as stored:
                found = dict(stored)
            flow, features = found["flow"], found["rows"].shape[1] - width(0)
            parts.append(
                sequences_from_rows(
                    found["rows"][:, :features], found["rows"][:, features:], flow + flows, found["second"],
                    truth.video[flow], found["active"], number, truth.group[flow] + groups,
                    condition=condition[flow], recorded=variant.recorded,
                )
            )  # fmt: skip
        groups += int(truth.group.max()) + 1
        flows += len(truth.video)
    return join(parts), tuple(conditions)
