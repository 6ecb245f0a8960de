"""What ReelBench evaluates: sessions of the lab, and one row of plain arrays a flow and second."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.dataset import ACTIVE_DOWN_BYTES, ACTIVE_PACKETS
from reelsense_training.data.extractor import FeatureSchema

BINS = 40  # 50 ms byte bins of a window: 20 down, then 20 up
UP_HEAVY = ("upload",)  # workloads whose load is in the other direction
SLOW_MBIT = 3.0  # mean down rate up to which a path is slow
LOSSY_PCT = 0.5
LONG_RTT_MS = 150.0
OTHER_DEVICE = "10.77.0.3"  # the client of the downloads beside a session (lab/reelsense_lab/testbed.py)
AXES = ("design", "path", "protocol", "session")


@dataclass(frozen=True)
class Session:
    """One recorded session: a row of ``index.csv``. ``folder`` holds its files."""

    name: str
    design: str
    workload: str
    label: str  # "video", "non-video" or "mixed"
    path: str
    rate_mbit: float
    rtt_ms: float
    loss_pct: float
    policed: bool
    outage: bool
    protocol: str
    congestion: str
    cdn: bool
    ipv6: bool
    seed: int
    folder: Path
    downloads: int = 0  # of another device, on the same path

    @property
    def family(self) -> str:
        """The kind of path, for a grid with fewer and fuller cells; the first that fits."""
        kinds = (
            (self.outage, "outages"),
            (self.policed, "policed"),
            (self.loss_pct >= LOSSY_PCT, "lossy"),
            (self.rtt_ms >= LONG_RTT_MS, "long round trip"),
            (0 < self.rate_mbit <= SLOW_MBIT, "slow"),
        )
        return next((name for is_so, name in kinds if is_so), "good")

    @property
    def hard_path(self) -> bool:
        """Loss to 30 %, RTT to 500 ms, policing or little rate, but not under 0.5 Mbit/s and without outages."""
        inside = self.rate_mbit >= 0.5 and self.rtt_ms <= 500 and self.loss_pct <= 30
        return inside and self.family not in ("good", "outages")

    def axis(self, name: str) -> str:
        """The session's value on one of AXES: what a fold holds out."""
        return self.name if name == "session" else str(getattr(self, name))


@dataclass(frozen=True)
class Windows:
    """``W`` windows, ordered by flow and second. Arrays are parallel."""

    rows: NDArray[np.float32]  # [W, 48], the schema's order
    bins: NDArray[np.float32]  # [W, 40], bytes
    video: NDArray[np.bool_]
    active: NDArray[np.bool_]  # >= 10 packets and >= 20 kB down
    counted: NDArray[np.bool_]  # what figures are about: active, or an upload's window of >= 20 kB up
    flow: NDArray[np.int32]  # unique over all sessions
    second: NDArray[np.int32]  # since the session's first second
    session: NDArray[np.int32]  # index in Lab.sessions
    workload: NDArray[np.int16]  # index in Lab.workloads
    bytes_down: NDArray[np.int64]
    variant: NDArray[np.int8]  # 0 as recorded, else whatever the maker of other variants numbered

    def __len__(self) -> int:
        return len(self.video)

    def take(self, index: NDArray) -> Windows:
        """The windows under a mask or index."""
        return Windows(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def numbered_after(self, flows: int, variant: NDArray[np.int8]) -> Windows:
        """The same windows with flow numbers from ``flows`` on and other variants [W]."""
        return replace(self, flow=(self.flow + flows).astype(np.int32), variant=variant)

    def with_features(self, rows: NDArray[np.float32], bins: NDArray[np.float32]) -> Windows:
        return replace(self, rows=rows, bins=bins)


@dataclass(frozen=True)
class SessionTruth:
    """What the user did, second by second [S]; ``second`` counts as ``Windows.second`` does."""

    second: NDArray[np.int32]
    video: NDArray[np.bool_]
    workload: tuple[str, ...]


@dataclass(frozen=True)
class WindowKeys:
    """How outsiders name a window [W]: epoch second and five-tuple, as in ``truth.csv``."""

    key: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lab:
    """Sessions with their windows and truth, and what the numbers in the arrays mean."""

    sessions: tuple[Session, ...]
    workloads: tuple[str, ...]
    windows: Windows
    truth: tuple[SessionTruth, ...]  # one a session
    keys: WindowKeys
    schema: FeatureSchema
    digest: str  # SHA-256 over every session's trace and truth

    def of_sessions(self, chosen: NDArray) -> NDArray[np.bool_]:
        """Mask [W] of the windows of sessions, given by index."""
        return np.isin(self.windows.session, chosen)

    def attribute(self, name: str) -> NDArray[np.object_]:
        """A session attribute for every window [W]."""
        values = np.array([getattr(s, name) for s in self.sessions], dtype=object)
        return values[self.windows.session]

    def of_phone(self) -> NDArray[np.bool_]:
        """Mask [W] of what the phone sent and received; the rest is of the downloads beside it."""
        mask = np.ones(len(self.windows), np.bool_)
        crowded = np.array([s.downloads > 0 for s in self.sessions], np.bool_)[self.windows.session]
        mask[crowded] = [self.keys.key[w][1] != OTHER_DEVICE for w in np.flatnonzero(crowded)]
        return mask

    def workload_names(self) -> NDArray[np.object_]:
        return np.array(self.workloads, dtype=object)[self.windows.workload]


def concatenate(parts: list[Windows]) -> Windows:
    return Windows(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Windows)})


def is_active(packets: NDArray, bytes_down: NDArray) -> NDArray[np.bool_]:
    return (packets >= ACTIVE_PACKETS) & (bytes_down >= ACTIVE_DOWN_BYTES)


def is_counted(
    packets: NDArray, bytes_down: NDArray, bytes_up: NDArray, workload: NDArray[np.object_]
) -> NDArray[np.bool_]:
    """Active windows, and those of an up-heavy workload with as much load in its own direction.

    A photo upload hardly ever brings 20 kB of ACKs down in a second; without this rule its cell would be empty.
    """
    up_heavy = np.isin(workload, UP_HEAVY) & (packets >= ACTIVE_PACKETS) & (bytes_up >= ACTIVE_DOWN_BYTES)
    return is_active(packets, bytes_down) | up_heavy
