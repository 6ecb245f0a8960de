"""Requests and answers of both clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

Packet = tuple[int, int, str]
"""(time in ns since the epoch, bytes with IP header, "up" or "down")."""


@dataclass(frozen=True)
class FlowWindow:
    """One second of one flow, as the extractor gives it."""

    flow: str
    """Any name of at most 256 bytes that is unique to the flow while it lives. The server keeps a keyed hash of it."""
    second: int
    features: ArrayLike
    """[features of the model's view]."""
    bins: ArrayLike | None = None
    """[40]; the edge tier needs them."""
    end: bool = False
    """The flow's last window: the server forgets it afterwards."""


@dataclass(frozen=True)
class FlowPackets:
    """Packets of one flow, in the order of their times. A second is labelled when it is over: by a packet of a later
    one, by `until_ns`, or by `end`."""

    flow: str
    packets: Sequence[Packet]
    until_ns: int | None = None
    end: bool = False


@dataclass(frozen=True)
class WindowLabel:
    """The label of a window, or why it has none."""

    flow: str
    second: int
    label: str | None
    """"video", "non-video"; None: see `error`."""
    confidence: float = 0.5
    probability: float = 0.5
    uncertain: bool = True
    repeated: bool = False
    """Asked before: the answer given then."""
    restarted: bool = False
    """The flow began anew because its model version is no longer served. REST only."""
    error: str | None = None
    """"out_of_order", "invalid", "deadline", "cancelled", "internal"."""
    model: str = ""
    """name@version that answered."""


@dataclass(frozen=True)
class Truth:
    """What a window really was."""

    flow: str
    second: int
    label: str
    """"video" or "non-video"."""


@dataclass(frozen=True)
class ServedModel:
    """A model version of a server."""

    name: str
    version: str
    state: str
    """"ready", "failed", "vanished", "unloaded"."""
    reason: str = ""
    tier: str = ""
    view: str = ""
    schema_hash: str = ""
    bins: int = 0
    features: tuple[str, ...] = field(default=(), repr=False)
