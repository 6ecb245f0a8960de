"""The public sources and the lab's flows as an app's socket and as a flow collector would have seen them.

Both views are derived from the same packets by the C++ command (``reelsense features --view``), under several
settings of what is between the network and the app or collector: how long reads wait, the exporter's active timeout,
one direction or both. A model that saw one setting only would learn it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import (
    ACTIVE_DOWN_BYTES,
    ACTIVE_PACKETS,
    VARIANTS,
    Corpus,
    Dataset,
    Variant,
    concatenate,
)
from reelsense_training.data.extractor import Extractor, FeatureRows
from reelsense_training.data.parts import Part, part_rows, with_part
from reelsense_training.data.series import (
    SOURCES,
    PacketSeries,
    Source,
    data_digest,
    file_sha256,
    load_packets,
    load_truth,
    require_data,
)

Progress = Callable[[str], None]
CACHE_FORMAT = 1  # of the cached rows: raise it when this module's meaning changes


@dataclass(frozen=True)
class ViewSpec:
    """A view and the settings under which its rows are made; recorded packets are seen under each of them, every
    augmented variant under one.
    """

    view: str
    settings: tuple[tuple[str, ...], ...]

    def enough(self, carried: NDArray[np.int64], found: FeatureRows) -> NDArray[np.bool_]:
        """Rows [W] that carry enough to be judged: 20 kB and, where packets are told, 10 of them."""
        enough = carried >= ACTIVE_DOWN_BYTES
        return enough if self.view == "socket" else enough & (found.packets >= ACTIVE_PACKETS)

    def active(self, found: FeatureRows) -> NDArray[np.bool_]:
        return self.enough(found.bytes_down, found)

    def pairs(self) -> list[tuple[int, tuple[str, ...]]]:
        """(index in VARIANTS, setting) of each part of the corpus."""
        pairs = []
        for v, variant in enumerate(VARIANTS):
            settings = self.settings if variant.recorded else (self.settings[v % len(self.settings)],)
            pairs += [(v, setting) for setting in settings]
        return pairs


OTHER_VIEWS = {
    "socket": ViewSpec("socket", ((), ("--coalesce-ms", "20"), ("--coalesce-ms", "250"))),
    "record": ViewSpec(
        "record",
        (
            ("--active-timeout", "1"),
            ("--active-timeout", "5"),
            ("--active-timeout", "5", "--one-way"),
            ("--active-timeout", "60"),
        ),
    ),
}


def view_rows(series: PacketSeries, spec: ViewSpec, extractor: Extractor, phase_us: int) -> dict[str, NDArray]:
    """rows float32 [W, F], flow, second, active [W] of one series; ``extractor`` has the view and the setting."""
    found = extractor.extract(series, phase_us)
    second = found.second.astype(np.int32)
    return {"rows": found.rows, "flow": found.flow, "second": second, "active": spec.active(found)}


def _cached_rows(
    data: Path, source: Source, spec: ViewSpec, variant: Variant, extractor: Extractor, cache: Path, progress: Progress
) -> dict[str, NDArray]:
    parts = [
        CACHE_FORMAT, extractor.digest, source.name, source.link_header, file_sha256(data / source.file), repr(variant)
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    path = cache / f"{spec.view}-{source.name}-{variant.name}-{key}.npz"
    if not path.is_file():
        progress(f"extract {source.name}/{variant.name} {' '.join(extractor.options)}")
        packets = variant.apply(load_packets(data, source), source.name)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **view_rows(packets, spec, extractor, variant.phase_us))
        temporary.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def build_view_corpus(
    data: Path, program: Path, view: str, cache: Path, progress: Progress = lambda _: None,
    beside: tuple[Part, ...] = (),
) -> Corpus:  # fmt: skip
    """Rows of every public source, variant and setting, as ``build_corpus`` gives the packet view's; ``beside`` them,
    the lab's flows through the same.
    """
    require_data(data)
    cache.mkdir(parents=True, exist_ok=True)
    spec = OTHER_VIEWS[view]
    extractors = {setting: Extractor(program, view, setting) for setting in spec.settings}
    parts: list[Dataset] = []
    conditions: dict[str, int] = {}
    groups = flows = 0
    for number, source in enumerate(SOURCES):
        truth = load_truth(data, source)
        condition = np.array([conditions.setdefault(name, len(conditions)) for name in truth.condition], np.int16)
        for v, setting in spec.pairs():
            found = _cached_rows(data, source, spec, VARIANTS[v], extractors[setting], cache, progress)
            flow = found["flow"]
            of_source = np.full(len(flow), number, np.int8)
            parts.append(
                Dataset(
                    rows=found["rows"], second=found["second"], active=found["active"],
                    video=truth.video[flow], group=truth.group[flow] + np.int32(groups),
                    flow=(flow + flows).astype(np.int32), condition=condition[flow],
                    source=of_source, unit=of_source, variant=np.full(len(flow), v, np.int8),
                )
            )  # fmt: skip
        groups += int(truth.group.max()) + 1
        flows += len(truth.video)
    schema = extractors[spec.settings[0]].schema
    corpus = Corpus(concatenate(parts), tuple(conditions), schema, data_digest(data))
    for part in beside:
        found = [
            (v, part_rows(part, extractors[setting], VARIANTS[v], cache, spec.enough)) for v, setting in spec.pairs()
        ]
        corpus = with_part(corpus, part, found)
    return corpus
