"""From a lab folder to arrays: sessions of ``index.csv``, features by ``reelsense features``, truth beside them.

A session's rows are cached by the digests of its trace, its truth and the extractor, so that a second load reads
instead of computing. Sessions whose ``ok`` is not 1, or whose files are absent, are passed over with a message.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.extract import capture_rows
from reelsense_training.bench.windows import (
    Lab,
    Session,
    SessionTruth,
    WindowKeys,
    Windows,
    is_active,
    is_counted,
)
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.series import DataError, file_sha256

CACHE_FORMAT = 1  # of the cached rows: raise it when this module's meaning changes
WORKERS = 2
KEY = ("time", "client_ip", "client_port", "server_ip", "server_port", "protocol")
TRACES = ("trace.pcap", "trace.pcap.zst", "trace.pcap.gz")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Raw:
    """One session's rows as the cache holds them."""

    rows: NDArray[np.float32]
    bins: NDArray[np.float32]
    video: NDArray[np.bool_]
    flow: NDArray[np.int32]
    time: NDArray[np.int64]
    packets: NDArray[np.int64]
    bytes_up: NDArray[np.int64]
    bytes_down: NDArray[np.int64]
    workload: NDArray[np.str_]
    key: NDArray[np.str_]  # [W, 6]


def trace_of(folder: Path) -> Path:
    for name in TRACES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder}: no {', '.join(TRACES)}")


def _flag(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes")


def _number(text: str) -> float:
    return float(text) if text.strip() else 0.0


def _session(row: dict[str, str], folder: Path) -> Session:
    return Session(
        name=row["session"], design=row["design"], workload=row["workload"], label=row["label"],
        path=row["path"], rate_mbit=_number(row["rate_mbit"]), rtt_ms=_number(row["rtt_ms"]),
        loss_pct=_number(row["loss_pct"]), policed=_flag(row["policed"]), outage=_flag(row["outage"]),
        protocol=row["protocol"], congestion=row["congestion"], cdn=_flag(row["cdn"]),
        ipv6=_flag(row["ipv6"]), seed=int(_number(row["seed"])), folder=folder / row["session"],
        downloads=int(_number(row.get("downloads") or "0")),
    )  # fmt: skip


def read_index(folder: Path, progress: Progress = lambda _: None) -> list[Session]:
    """The usable sessions of a lab folder, by name."""
    index = folder / "index.csv"
    if not index.is_file():
        raise DataError(f"{folder}: no index.csv; run `reelsense-lab run … --out {folder}`")
    sessions = []
    with index.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if row.get("ok", "").strip() != "1":
                progress(f"{row.get('session')}: passed over, ok is {row.get('ok')!r}")
                continue
            try:
                session = _session(row, folder)
            except (KeyError, ValueError) as error:
                raise DataError(f"{index}:{number}: {error}") from error
            if not (session.folder / "truth.csv").is_file():
                progress(f"{session.name}: passed over, no truth.csv")
                continue
            sessions.append(session)
    if not sessions:
        raise DataError(f"{index}: no session with ok=1")
    return sorted(sessions, key=lambda s: s.name)


def _read_truth(path: Path) -> dict[tuple[str, ...], tuple[bool, str]]:
    with path.open(newline="") as file:
        return {tuple(row[c] for c in KEY): (row["label"] == "video", row["workload"]) for row in csv.DictReader(file)}


def _extract(extractor: Extractor, session: Session) -> _Raw:
    """Features of the session's trace joined to its truth; windows that the truth does not name are left out."""
    rows, found = capture_rows(extractor, trace_of(session.folder))
    width = len(extractor.schema.names)
    truth = _read_truth(session.folder / "truth.csv")
    keys = [tuple(row[c] for c in KEY) for row in found]
    known = np.array([key in truth for key in keys], np.bool_)
    order = np.flatnonzero(known)
    flow = np.array([int(row["flow"]) for row in found], np.int32)
    time = np.array([int(row["time"]) for row in found], np.int64)
    order = order[np.lexsort((time[order], flow[order]))]

    def column(name: str) -> NDArray[np.int64]:
        return np.array([int(found[i][name]) for i in order], np.int64)

    labels = [truth[keys[i]] for i in order]
    return _Raw(
        rows=rows[order, :width], bins=rows[order, width:], video=np.array([v for v, _ in labels], np.bool_),
        flow=flow[order], time=time[order], packets=column("packets_up") + column("packets_down"),
        bytes_up=column("bytes_up"), bytes_down=column("bytes_down"),
        workload=np.array([w for _, w in labels], np.str_),
        key=np.array([keys[i] for i in order], np.str_).reshape(-1, len(KEY)),
    )  # fmt: skip


def _digest(session: Session) -> str:
    return "".join(file_sha256(path) for path in (trace_of(session.folder), session.folder / "truth.csv"))


def _load_session(program: Path, session: Session, cache: Path) -> tuple[_Raw, str]:
    extractor = Extractor(program)
    digest = _digest(session)
    key = hashlib.sha256(f"{CACHE_FORMAT} {extractor.digest} {digest}".encode()).hexdigest()[:24]
    path = cache / f"lab-{key}.npz"
    if not path.is_file():
        raw = _extract(extractor, session)
        temporary = path.with_suffix(f".{session.seed}.tmp.npz")
        np.savez(temporary, **vars(raw))
        temporary.replace(path)
    with np.load(path) as stored:
        return _Raw(**dict(stored)), digest


def _read_session_truth(session: Session, start: int) -> SessionTruth:
    path = session.folder / "session.csv"
    rows: list[dict[str, str]] = []
    if path.is_file():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    return SessionTruth(
        second=np.array([int(float(row["time"])) - start for row in rows], np.int32),
        video=np.array([row["label"] == "video" for row in rows], np.bool_),
        workload=tuple(row["workload"] for row in rows),
    )


def load_lab(
    folder: Path, extractor: Extractor, cache: Path, progress: Progress = lambda _: None, workers: int = WORKERS
) -> Lab:
    """Every usable session under ``folder``. What ``cache`` holds for these inputs is read, not computed."""
    cache.mkdir(parents=True, exist_ok=True)
    sessions = read_index(folder, progress)
    count = len(sessions)
    with ProcessPoolExecutor(workers) as pool:
        loaded = list(pool.map(_load_session, [extractor.program] * count, sessions, [cache] * count, chunksize=4))
    usable = [(s, raw, digest) for s, (raw, digest) in zip(sessions, loaded, strict=True) if len(raw.video)]
    for session, (raw, _) in zip(sessions, loaded, strict=True):
        if not len(raw.video):
            progress(f"{session.name}: passed over, no window with truth")
    if not usable:
        raise DataError(f"{folder}: no window with truth in any session")
    return _assemble(usable, extractor)


def _assemble(loaded: list[tuple[Session, _Raw, str]], extractor: Extractor) -> Lab:
    raws = [raw for _, raw, _ in loaded]
    flows = np.cumsum([0] + [int(raw.flow.max()) + 1 for raw in raws])
    starts = [int(raw.time.min()) for raw in raws]
    names = np.concatenate([raw.workload for raw in raws])
    workloads, workload = np.unique(names, return_inverse=True)
    packets = np.concatenate([raw.packets for raw in raws])
    down = np.concatenate([raw.bytes_down for raw in raws])
    up = np.concatenate([raw.bytes_up for raw in raws])
    windows = Windows(
        rows=np.concatenate([raw.rows for raw in raws]),
        bins=np.concatenate([raw.bins for raw in raws]),
        video=np.concatenate([raw.video for raw in raws]),
        active=is_active(packets, down),
        counted=is_counted(packets, down, up, names),
        flow=np.concatenate([raw.flow + first for raw, first in zip(raws, flows, strict=False)]).astype(np.int32),
        second=np.concatenate([raw.time - t for raw, t in zip(raws, starts, strict=True)]).astype(np.int32),
        session=np.repeat(np.arange(len(raws)), [len(raw.video) for raw in raws]).astype(np.int32),
        workload=workload.astype(np.int16),
        bytes_down=down,
        variant=np.zeros(len(names), np.int8),
    )
    return Lab(
        sessions=tuple(session for session, _, _ in loaded),
        workloads=tuple(str(w) for w in workloads),
        windows=windows,
        truth=tuple(_read_session_truth(s, t) for (s, _, _), t in zip(loaded, starts, strict=True)),
        keys=WindowKeys(tuple(tuple(str(v) for v in row) for raw in raws for row in raw.key)),
        schema=extractor.schema,
        digest=hashlib.sha256("".join(digest for _, _, digest in loaded).encode()).hexdigest(),
    )
