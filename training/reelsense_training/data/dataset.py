"""The training dataset: feature rows of every source, as recorded and over other links, with truth and
groups.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.augment import other_collector, thin_acks, token_bucket
from reelsense_training.data.extractor import Extractor, FeatureSchema
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

ACTIVE_PACKETS = 10
ACTIVE_DOWN_BYTES = 20_000
CACHE_FORMAT = 1  # of the cached rows: raise it when this module's meaning changes


@dataclass(frozen=True)
class Variant:
    """One way to see a source again. ``recorded`` variants alone are evaluated on."""

    name: str
    seed: int
    phase_us: int
    bucket: bool = False
    thinned: bool = False
    collector: bool = False

    @property
    def recorded(self) -> bool:
        return not (self.bucket or self.thinned or self.collector)

    def apply(self, series: PacketSeries, source: str) -> PacketSeries:
        name = int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], "little")
        rng = np.random.default_rng([self.seed, name])
        if self.bucket:
            series = token_bucket(series, rng)
        if self.thinned:
            series = thin_acks(series, rng)
        return other_collector(series, rng) if self.collector else series


# Real flows start anywhere in a second, so every variant has a phase of its own.
VARIANTS = (
    Variant("recorded", 1, 370_000),
    Variant("bucket-1", 2, 810_000, bucket=True),
    Variant("bucket-2", 3, 150_000, bucket=True),
    Variant("thinned", 4, 560_000, thinned=True),
    Variant("collector", 5, 930_000, collector=True),
)


@dataclass(frozen=True)
class Dataset:
    """``W`` windows. Arrays are parallel; ``group`` and ``flow`` are unique across sources."""

    rows: NDArray[np.float32]  # [W, F]
    video: NDArray[np.bool_]
    source: NDArray[np.int8]  # index in SOURCES, or LAB
    unit: NDArray[np.int8]  # what is held out together: a public source's number, or LAB + that of app designs
    group: NDArray[np.int32]
    flow: NDArray[np.int32]
    second: NDArray[np.int32]
    active: NDArray[np.bool_]
    variant: NDArray[np.int8]  # index in VARIANTS
    condition: NDArray[np.int16]  # index in Corpus.conditions

    def __len__(self) -> int:
        return len(self.video)

    def take(self, index: NDArray) -> Dataset:
        """The windows under a mask or index."""
        return Dataset(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @property
    def recorded(self) -> NDArray[np.bool_]:
        return np.array([variant.recorded for variant in VARIANTS])[self.variant]


def concatenate(parts: list[Dataset]) -> Dataset:
    return Dataset(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Dataset)})


@dataclass(frozen=True)
class Corpus:
    """A dataset with what its numbers mean."""

    windows: Dataset
    conditions: tuple[str, ...]
    schema: FeatureSchema
    data_sha256: str  # of the sources' files
    lab_sha256: str = ""  # of the lab sessions among the windows; empty without them


def _extract(
    extractor: Extractor, packets: PacketSeries, source: str, variant: Variant
) -> dict[str, NDArray]:
    found = extractor.extract(variant.apply(packets, source), variant.phase_us)
    active = (found.packets >= ACTIVE_PACKETS) & (found.bytes_down >= ACTIVE_DOWN_BYTES)
    return {"rows": found.rows, "flow": found.flow, "second": found.second.astype(np.int32), "active": active}


def _cache_key(extractor: Extractor, source: Source, data_sha256: str, variant: Variant) -> str:
    parts = [CACHE_FORMAT, extractor.digest, source.name, source.link_header, data_sha256, repr(variant)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _variant_rows(
    data: Path, source: Source, extractor: Extractor, cache: Path, progress: Callable[[str], None]
) -> list[dict[str, NDArray]]:
    """Rows of each variant of a source, from the cache where it holds them."""
    digest = file_sha256(data / source.file)
    packets: PacketSeries | None = None
    result = []
    for variant in VARIANTS:
        path = cache / f"{source.name}-{variant.name}-{_cache_key(extractor, source, digest, variant)}.npz"
        if not path.is_file():
            progress(f"extract {source.name}/{variant.name}")
            packets = packets or load_packets(data, source)
            temporary = path.with_suffix(".tmp.npz")
            np.savez(temporary, **_extract(extractor, packets, source.name, variant))
            temporary.replace(path)
        with np.load(path) as stored:
            result.append(dict(stored))
    return result


def build_corpus(
    data: Path, extractor: Extractor, cache: Path, progress: Callable[[str], None] = lambda _: None
) -> Corpus:
    """Rows of every source and variant. What ``cache`` already holds for these inputs is read, not computed.
    """
    require_data(data)
    cache.mkdir(parents=True, exist_ok=True)
    parts: list[Dataset] = []
    conditions: dict[str, int] = {}
    groups = flows = 0
    for number, source in enumerate(SOURCES):
        truth = load_truth(data, source)
        condition = np.array(
            [conditions.setdefault(name, len(conditions)) for name in truth.condition], np.int16
        )
        for v, found in enumerate(_variant_rows(data, source, extractor, cache, progress)):
            flow = found["flow"]
            parts.append(
                Dataset(
                    rows=found["rows"], second=found["second"], active=found["active"],
                    video=truth.video[flow], group=truth.group[flow] + np.int32(groups),
                    flow=(flow + flows).astype(np.int32), condition=condition[flow],
                    source=np.full(len(flow), number, np.int8), unit=np.full(len(flow), number, np.int8),
                    variant=np.full(len(flow), v, np.int8),
                )
            )  # fmt: skip
        groups += int(truth.group.max()) + 1
        flows += len(truth.video)
    return Corpus(concatenate(parts), tuple(conditions), extractor.schema, data_digest(data))
