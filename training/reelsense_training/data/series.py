"""Packet series of many flows, and the four public sources of them.

A series file is an ``.npz`` with ``off`` [N+1], ``t_us`` [P] (since the flow's first packet), ``size`` [P]
(bytes), ``up`` [P], ``label`` [N], ``group`` [N] (capture or session) and ``flow`` [N].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LINK_HEADER_BYTES = 14  # Ethernet
MIN_IP_BYTES = 20


@dataclass(frozen=True)
class Source:
    """One collector's data set, held out as a whole in evaluation."""

    name: str
    file: str
    link_header: int  # bytes in its sizes that are not the IP packet's: the features want IP bytes
    note: str


SOURCES = (
    Source("requet", "requet_youtube_2018.npz", 0, "YouTube over Wi-Fi, 2018 (Gutterman et al., MMSys 2019)"),
    Source("ucdavis", "ucdavis_quic_2018.npz", LINK_HEADER_BYTES,
           "UC Davis QUIC: YouTube; Google Docs, Drive, Music, Search, 2018 (Rezaei and Liu)"),
    Source("uu", "uu_video_2025.npz", LINK_HEADER_BYTES, "Bilibili, YouTube, Twitch, 2025; video only"),
    Source("dpi_tests", "dpi_tests.npz", 0, "protocol test captures of DPI projects; almost all non-video"),
)  # fmt: skip
LAB = len(SOURCES)  # the traffic lab's number as a source: never part of a figure over public sources
DRAWN = 100  # that of apps drawn at random: trained on, never evaluated


@dataclass(frozen=True)
class PacketSeries:
    """``N`` flows, ``P`` packets; flow ``i`` owns packets ``off[i]:off[i+1]``, times non-decreasing in a
    flow.
    """

    off: NDArray[np.int64]
    t_us: NDArray[np.uint32]
    size: NDArray[np.uint16]
    up: NDArray[np.bool_]

    @property
    def flows(self) -> int:
        return len(self.off) - 1

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.off)

    def keep(self, mask: NDArray[np.bool_]) -> PacketSeries:
        """The packets under ``mask`` [P]; every flow stays, maybe empty, so indices keep their meaning."""
        kept = np.concatenate([[0], np.cumsum(mask)])[self.off].astype(np.int64)
        return PacketSeries(kept, self.t_us[mask], self.size[mask], self.up[mask])

    def select(self, flows: NDArray[np.bool_]) -> PacketSeries:
        """Empties the flows outside ``flows`` [N]."""
        return self.keep(np.repeat(flows, self.lengths()))

    def save(self, path: Path) -> None:
        np.savez(path, off=self.off, t_us=self.t_us, size=self.size, up=self.up)


@dataclass(frozen=True)
class Truth:
    """What is known of a source's flows."""

    video: NDArray[np.bool_]  # [N]
    group: NDArray[np.int32]  # [N], index of the capture or session
    condition: tuple[str, ...]  # [N], "requet/A/movement": the cell of the report


class DataError(Exception):
    """The data folder does not hold what training needs; the message says what and where."""


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_data(folder: Path) -> None:
    missing = [source.file for source in SOURCES if not (folder / source.file).is_file()]
    if missing:
        raise DataError(
            f"{folder}: no {', '.join(missing)}; pass the folder of the packet series with --data"
        )


def data_digest(folder: Path) -> str:
    """SHA-256 over the names and SHA-256 of the source files, in order."""
    lines = [f"{source.file} {file_sha256(folder / source.file)}\n" for source in SOURCES]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _condition(source: str, group: str) -> str:
    """The application or network setting that a group's path names."""
    parts = group.split("/")
    match source:
        case "requet":
            return f"requet/{parts[2]}/{parts[-1].split('_')[0]}"
        case "ucdavis":
            return f"ucdavis/{parts[-2]}"
        case "uu":
            return f"uu/{parts[3]}/{parts[4]}"
        case _:
            return source


def load_truth(folder: Path, source: Source) -> Truth:
    with np.load(folder / source.file, allow_pickle=False) as data:
        names, group = np.unique(data["group"], return_inverse=True)
        conditions = [_condition(source.name, str(name)) for name in names]
        video = data["label"] == "video"
    return Truth(video, group.astype(np.int32), tuple(conditions[g] for g in group))


def load_packets(folder: Path, source: Source) -> PacketSeries:
    """A source's packets with sizes turned into IP bytes; records too short for an IP packet are left out."""
    path = folder / source.file
    with np.load(path, allow_pickle=False) as data:
        absent = {"off", "t_us", "size", "up", "label", "group"} - set(data.files)
        if absent:
            raise DataError(f"{path}: no array {', '.join(sorted(absent))}")
        size = data["size"].astype(np.int32) - source.link_header
        series = PacketSeries(data["off"], data["t_us"], np.maximum(size, 0).astype(np.uint16), data["up"])
    return series.keep(series.size >= MIN_IP_BYTES)
