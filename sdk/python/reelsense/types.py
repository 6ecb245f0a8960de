"""What the classifier gives: windows as columns, seconds, flow summaries, decisions, counters."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from reelsense._core import BINS, LABELS, WINDOW, lib, text
from reelsense.features import feature_names

if TYPE_CHECKING:
    import pandas as pd


def reason_name(reason: int) -> str:
    """Why a decision is as it is: "default", "video", "congested", "non_video", "uncertain", "hold", "idle", "bulk"."""
    return text(lib.rs_reason_name(reason))


@dataclass(frozen=True)
class Decisions:
    """Labels of n rows, as columns."""

    probability: NDArray[np.float32]
    """[n], of video, calibrated."""
    confidence: NDArray[np.float32]
    """[n], of the label, 0.5 … 1."""
    video: NDArray[np.bool_]
    """[n], the label: True is "video"."""
    uncertain: NDArray[np.bool_]
    """[n], not to be acted on alone."""

    def __len__(self) -> int:
        return len(self.probability)

    @property
    def labels(self) -> list[str]:
        return [LABELS[video] for video in self.video.astype(int)]

    def to_pandas(self) -> pd.DataFrame:
        """Needs pandas."""
        import pandas as pd

        return pd.DataFrame({"label": self.labels, "probability": self.probability, "confidence": self.confidence,
                             "uncertain": self.uncertain})  # fmt: skip


class FlowTuple(NamedTuple):
    """A five-tuple, addresses as text. Empty in the socket view."""

    client: str
    client_port: int
    server: str
    server_port: int
    protocol: int
    """IANA: 6 TCP, 17 UDP."""


def flow_tuple(raw: Any) -> FlowTuple:
    """Of an rs_flow_tuple, as a struct or as a NumPy record."""
    ip_version, client, server, client_port, server_port, protocol = raw
    return FlowTuple(_address(client, ip_version), int(client_port), _address(server, ip_version), int(server_port),
                     int(protocol))  # fmt: skip


def _address(raw: bytes, ip_version: int) -> str:
    if ip_version == 4:
        return str(ipaddress.IPv4Address(raw[12:16]))
    return str(ipaddress.IPv6Address(raw)) if ip_version == 6 else ""


class Window(NamedTuple):
    """One flow's second that had packets, reads or writes."""

    second: int
    flow: int
    label: str
    probability: float
    confidence: float
    uncertain: bool
    bytes_up: int
    bytes_down: int
    packets_up: int
    packets_down: int
    dscp: int
    """Code point that the flow may be given from this second on: 0 default, 1 lower effort, 26 multimedia streaming."""
    dscp_reason: str
    features: NDArray[np.float32]
    bins: NDArray[np.uint32]
    tuple: FlowTuple


class Windows:
    """n windows as columns [n]: what a callback gets and what a whole capture gives. It owns its memory.

    Iterating or indexing gives `Window`. `raw` is the structured array behind the columns.
    """

    __slots__ = ("bins", "features", "raw", "view")

    def __init__(
        self, raw: NDArray[np.void], features: NDArray[np.float32], bins: NDArray[np.uint32], view: str
    ) -> None:
        self.raw = raw
        self.features = features
        self.bins = bins
        self.view = view

    @classmethod
    def empty(cls, view: str) -> Windows:
        width = len(feature_names(view))
        return cls(np.empty(0, WINDOW), np.empty((0, width), np.float32), np.empty((0, BINS), np.uint32), view)

    @classmethod
    def concat(cls, parts: list[Windows], view: str) -> Windows:
        if not parts:
            return cls.empty(view)
        return cls(np.concatenate([part.raw for part in parts]), np.concatenate([part.features for part in parts]),
                   np.concatenate([part.bins for part in parts]), view)  # fmt: skip

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def __getitem__(self, at: int) -> Window: ...
    @overload
    def __getitem__(self, at: slice | NDArray[Any]) -> Windows: ...
    def __getitem__(self, at: Any) -> Window | Windows:
        if not isinstance(at, (int, np.integer)):
            return Windows(self.raw[at], self.features[at], self.bins[at], self.view)
        row = self.raw[at]
        decision = row["decision"]
        return Window(
            int(row["second"]), int(row["flow"]), LABELS[decision["label"]], float(decision["probability"]),
            float(decision["confidence"]), bool(decision["uncertain"]), int(row["bytes_up"]), int(row["bytes_down"]),
            int(row["packets_up"]), int(row["packets_down"]), int(row["dscp"]), reason_name(int(row["dscp_reason"])),
            self.features[at], self.bins[at], self.tuple_of(int(at)),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Window]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<Windows: {len(self)} of view {self.view}>"

    def tuple_of(self, at: int) -> FlowTuple:
        raw = self.raw[at]["tuple"]
        return flow_tuple((raw["ip_version"], raw["client"].tobytes(), raw["server"].tobytes(), raw["client_port"],
                           raw["server_port"], raw["protocol"]))  # fmt: skip

    @property
    def second(self) -> NDArray[np.int64]:
        return self.raw["second"]

    @property
    def flow(self) -> NDArray[np.uint64]:
        return self.raw["flow"]

    @property
    def probability(self) -> NDArray[np.float32]:
        return self.raw["decision"]["probability"]

    @property
    def confidence(self) -> NDArray[np.float32]:
        return self.raw["decision"]["confidence"]

    @property
    def video(self) -> NDArray[np.bool_]:
        return self.raw["decision"]["label"].astype(bool)

    @property
    def uncertain(self) -> NDArray[np.bool_]:
        return self.raw["decision"]["uncertain"].astype(bool)

    @property
    def labels(self) -> list[str]:
        return [LABELS[label] for label in self.raw["decision"]["label"]]

    def to_pandas(self, features: bool = False) -> pd.DataFrame:
        """A row a window; with `features`, a column for each feature as well. Needs pandas."""
        import pandas as pd

        columns: dict[str, Any] = {"second": self.second, "flow": self.flow, "label": self.labels}
        columns |= {name: getattr(self, name) for name in ("probability", "confidence", "uncertain")}
        columns |= {name: self.raw[name] for name in ("packets_up", "packets_down", "bytes_up", "bytes_down", "dscp")}
        if self.view == "packet":
            tuples = [self.tuple_of(i) for i in range(len(self))]
            columns |= {name: [at[i] for at in tuples] for i, name in enumerate(FlowTuple._fields)}
        frame = pd.DataFrame(columns)
        if not features:
            return frame
        return frame.join(pd.DataFrame(self.features, columns=list(feature_names(self.view))))


class Qos(NamedTuple):
    """What an app or network should do for the session, from this second on."""

    prefetch_depth: int
    """Clips to fetch ahead."""
    buffer_target_ms: int
    """Media to hold before fetching pauses."""
    max_bitrate_kbps: int
    """0: no limit."""
    throughput_kbps: int
    """Estimate that these rest on; 0: not known."""
    prefetch_reason: str
    buffer_reason: str
    bitrate_reason: str
    changed: bool
    """Differs from the second before."""


class Second(NamedTuple):
    """A second of the whole session: all flows of a classifier together, idle seconds too."""

    second: int
    label: str
    """Is video being watched? Also through idle seconds between bursts."""
    probability: float
    confidence: float
    uncertain: bool
    qos: Qos
    bytes_up: int
    bytes_down: int
    windows: int
    """Flows with packets in it."""
    live_flows: int


FLOW_ENDS = ("finished", "idle", "active", "reopened", "evicted", "time_step", "end")


class FlowSummary(NamedTuple):
    """A flow that ended."""

    flow: int
    reason: str
    """One of "finished", "idle", "active", "reopened", "evicted", "time_step", "end"."""
    first_ns: int
    last_ns: int
    packets_up: int
    packets_down: int
    bytes_up: int
    bytes_down: int
    windows: int
    idle_windows: int
    video_windows: int
    tuple: FlowTuple


@dataclass(frozen=True)
class Counters:
    """What a classifier has counted so far."""

    records: int
    """Packets, or reads and writes, that count for a flow."""
    packets: int
    """Those they stand for (offloads merge packets)."""
    late: int
    dropped: dict[str, int]
    """Frames that hold no readable IP packet, and others left out, by reason; without the zeros."""
    flows: int
    ended: dict[str, int]
    """Flows that ended, by reason; without the zeros."""
    windows: int
    video_windows: int
    uncertain_windows: int
    idle_windows: int
    time_steps: int
    refused_calls: int
    """Calls that came while another ran."""
    live_flows: int
    peak_flows: int
    memory_bytes: int
    """What the classifier holds at most, its model not counted."""
