"""The public packet series, always reported apart from the lab: grouped by capture, and a source held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.extract import series_rows
from reelsense_training.bench.figures import f1_of
from reelsense_training.bench.folds import Fold
from reelsense_training.bench.protocol import Result, run_folds
from reelsense_training.bench.trainers import Trainer
from reelsense_training.bench.windows import (
    BINS,
    Lab,
    Session,
    SessionTruth,
    WindowKeys,
    Windows,
    concatenate,
    is_active,
)
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.series import SOURCES, Source, file_sha256, load_packets, load_truth, require_data
from reelsense_training.fit.metrics import headline, rates
from reelsense_training.fit.splits import group_folds

PHASE_US = 370_000
CACHE_FORMAT = 1
PUBLIC = "public"
GROUP_FOLDS = 5
COUNTED_PER_FLOW, LIGHT_PER_FLOW = 20, 2  # public windows that are trained on
Progress = Callable[[str], None]


def _source_rows(data: Path, source: Source, extractor: Extractor, cache: Path) -> dict[str, NDArray]:
    digest = file_sha256(data / source.file)
    key = hashlib.sha256(f"{CACHE_FORMAT} {extractor.digest} {digest} {source!r} {PHASE_US}".encode()).hexdigest()
    path = cache / f"public-{key[:24]}.npz"
    if not path.is_file():
        found = series_rows(extractor, load_packets(data, source), PHASE_US)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, rows=found.rows, flow=found.flow, second=found.second,
                 active=is_active(found.packets, found.bytes_down), bytes_down=found.bytes_down)  # fmt: skip
        temporary.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def _session(source: Source, name: str, condition: str, folder: Path) -> Session:
    return Session(
        name=name, design=source.name, workload=condition, label="mixed", path=condition, rate_mbit=0.0, rtt_ms=0.0,
        loss_pct=0.0, policed=False, outage=False, protocol="", congestion="", cdn=False, ipv6=False, seed=0,
        folder=folder,
    )  # fmt: skip


def load_public(data: Path, extractor: Extractor, cache: Path, progress: Progress = lambda _: None) -> Lab:
    """Recorded windows of all sources in the shape of a lab: a session a capture, the source as its design."""
    require_data(data)
    cache.mkdir(parents=True, exist_ok=True)
    sessions: list[Session] = []
    parts: list[Windows] = []
    flows = 0
    for source in SOURCES:
        progress(f"public traces: {source.name}")
        truth, found = load_truth(data, source), _source_rows(data, source, extractor, cache)
        first = len(sessions)
        condition_of = dict(zip(truth.group.tolist(), truth.condition, strict=True))
        for group in range(int(truth.group.max()) + 1):
            sessions.append(_session(source, f"{source.name}/{group}", condition_of.get(group, source.name), data))
        flow, width = found["flow"], found["rows"].shape[1] - BINS
        parts.append(
            Windows(
                rows=found["rows"][:, :width], bins=found["rows"][:, width:], video=truth.video[flow],
                active=found["active"], counted=found["active"], flow=(flow + flows).astype(np.int32),
                second=found["second"].astype(np.int32), session=(truth.group[flow] + first).astype(np.int32),
                workload=np.zeros(len(flow), np.int16), bytes_down=found["bytes_down"],
                variant=np.zeros(len(flow), np.int8),
            )
        )  # fmt: skip
        flows += len(truth.video)
    empty = SessionTruth(np.zeros(0, np.int32), np.zeros(0, np.bool_), ())
    return Lab(tuple(sessions), (PUBLIC,), concatenate(parts), (empty,) * len(sessions), WindowKeys(()),
               extractor.schema, "")  # fmt: skip


def source_folds(sessions: tuple[Session, ...]) -> list[Fold]:
    """Each source held out as a whole."""
    result = []
    for source in SOURCES:
        test = tuple(i for i, s in enumerate(sessions) if s.design == source.name)
        train = tuple(i for i, s in enumerate(sessions) if s.design != source.name)
        result.append(Fold(source.name, train, test, {"design": (source.name,)}))
    return result


def capture_folds(public: Lab, seed: int) -> list[Fold]:
    """Whole captures dealt into folds, within each source."""
    result: list[list[int]] = [[] for _ in range(GROUP_FOLDS)]
    for source in SOURCES:
        own = np.array([i for i, s in enumerate(public.sessions) if s.design == source.name], np.int32)
        for i, k in zip(own.tolist(), group_folds(own, GROUP_FOLDS, seed).tolist(), strict=True):
            result[k].append(i)
    every = set(range(len(public.sessions)))
    return [
        Fold(f"captures {k + 1} of {GROUP_FOLDS}", tuple(sorted(every - set(test))), tuple(test), {"session": ()})
        for k, test in enumerate(result)
    ]


def join(lab: Lab, public: Lab) -> Lab:
    """Lab and public sessions in one, for training on both: the public ones come after the lab's."""
    workloads = (*lab.workloads, PUBLIC)
    moved = replace(
        public.windows,
        flow=public.windows.flow + int(lab.windows.flow.max()) + 1,
        session=public.windows.session + len(lab.sessions),
        workload=np.full(len(public.windows), len(lab.workloads), np.int16),
    )
    return Lab((*lab.sessions, *public.sessions), workloads, concatenate([lab.windows, moved]),
               (*lab.truth, *public.truth), WindowKeys(()), lab.schema, lab.digest)  # fmt: skip


def _with_lab(folds: list[Fold], lab_sessions: int) -> list[Fold]:
    """The same folds over ``join``: the lab's sessions are trained on in each."""
    lab = tuple(range(lab_sessions))
    return [
        replace(f, train=lab + tuple(i + lab_sessions for i in f.train), test=tuple(i + lab_sessions for i in f.test))
        for f in folds
    ]


def drawn(both: Lab, lab_sessions: int, seed: int) -> NDArray[np.bool_]:
    """All windows of the lab; of each public flow a few at random, or long flows would crowd out the others."""
    windows = both.windows
    key = windows.flow.astype(np.int64) * 2 + windows.counted
    shuffled = np.random.default_rng(seed).permutation(len(windows))
    order = shuffled[np.argsort(key[shuffled], kind="stable")]
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    limit = np.where(windows.counted, COUNTED_PER_FLOW, LIGHT_PER_FLOW)
    return (windows.session < lab_sessions) | (rank < limit)


def public_json(lab: Lab, public: Lab, trainer: Trainer, seed: int, progress: Progress) -> dict[str, object]:
    """Both figures of the public traces, each with everything chosen while the tested part is hidden."""
    both, offset = join(lab, public), len(lab.sessions)
    chosen = drawn(both, offset, seed)

    def answer(folds: list[Fold]) -> Result:
        return run_folds(both, _with_lab(folds, offset), trainer, seed, progress=progress, trainable=chosen)

    held, grouped = answer(source_folds(public.sessions)), answer(capture_folds(public, seed))
    return {"held_out": _by_source(both, held), "grouped": _pooled(both, grouped, offset)}


def _pooled(both: Lab, result: Result, offset: int) -> dict[str, object]:
    use = both.windows.counted & (both.windows.session >= offset)
    return {"windows": int(use.sum()), **f1_of(result.right[use], both.windows.video[use])}


def _by_source(both: Lab, result: Result) -> dict[str, object]:
    windows, source_of = both.windows, both.attribute("design").astype(str)
    said = result.right == windows.video
    found, table = [], {}
    for source in SOURCES:
        use = windows.counted & (source_of == source.name)
        rate = rates(windows.video[use], said[use])
        found.append(rate)
        table[source.name] = {"windows": rate.windows, "recall": rate.recall, "specificity": rate.specificity}
    return {"headline": headline(*found), "sources": table}
