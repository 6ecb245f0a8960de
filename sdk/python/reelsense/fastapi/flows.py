"""What the service remembers of flows: their last labels, and the open second of those that send packets."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelsense._core import ffi, lib, pointer
from reelsense.errors import ReelsenseMemoryError

REMEMBERED = 8
Key = tuple[int, str, str]
"""(principal, flow's name, model): a flow may be asked of several models."""


@dataclass
class Past:
    """An answer that was given, or will be when its batch is scored."""

    second: int
    probability: float = 0.5


@dataclass
class Flow:
    generation: int
    used: float
    windows: int = 0
    first_second: int = 0
    last_second: int = -1
    past: deque[Past] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    packets: PacketWindows | None = None

    def recall(self, second: int) -> Past | None:
        return next((past for past in self.past if past.second == second), None)

    def remember(self, past: Past) -> None:
        if self.windows == 0:
            self.first_second = past.second
        self.windows += 1
        self.last_second = past.second
        self.past.append(past)


    def close_windows(
        self, times_ns: NDArray[np.int64], sizes: NDArray[np.uint32], directions: NDArray[np.uint8], until_ns: int,
        end: bool,
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:  # fmt: skip
        """Second and row of each window that these packets, the time or the end close."""
        if self.packets is None and len(times_ns):
            self.packets = PacketWindows()
        if self.packets is None:
            return iter(())
        seconds, rows = self.packets.add(times_ns, sizes, directions, until_ns, end)
        return zip(seconds.tolist(), rows, strict=True)


class PacketWindows:
    """One flow's packets → feature windows, with core's extractor and the server's rules."""

    def __init__(self) -> None:
        made = lib.rspy_flow_new()
        if made == ffi.NULL:
            raise ReelsenseMemoryError("no memory for a flow's features")
        self._pointer = ffi.gc(made, lib.rspy_flow_free)

    def add(
        self, times_ns: NDArray[np.int64], sizes: NDArray[np.uint32], directions: NDArray[np.uint8], until_ns: int,
        end: bool,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
        """Seconds [n] and rows [n, 48 features + 40 bins] of the windows that this closes."""
        n = len(times_ns)
        # A window a second that has packets, and the one that was open.
        most = 1 + (len(np.unique(times_ns // 10**9)) if n else 0)
        rows = np.empty((most, lib.RSPY_ROW), np.float32)
        seconds = np.empty(most, np.int64)
        closed = lib.rspy_flow_add(
            self._pointer, pointer("float*", rows), pointer("int64_t*", seconds), pointer("const int64_t*", times_ns),
            pointer("const uint32_t*", sizes), pointer("const uint8_t*", directions), n, until_ns, end,
        )  # fmt: skip
        return seconds[:closed], rows[:closed]


class Flows:
    """A bounded table; the flow that was used longest ago goes first. For one thread at a time."""

    def __init__(self, most: int, idle_s: float) -> None:
        self._most, self._idle_s = most, idle_s
        self._flows: OrderedDict[Key, Flow] = OrderedDict()
        self._key = secrets.token_bytes(16)
        self._generation = 0

    def __len__(self) -> int:
        return len(self._flows)

    def get(self, key: Key, now: float) -> Flow:
        """The flow, made if it is not there."""
        self._expire(now)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= self._most:
                self._flows.popitem(last=False)
            self._generation += 1
            flow = self._flows[key] = Flow(self._generation, now)
        flow.used = now
        self._flows.move_to_end(key)
        return flow

    def find(self, principal: int, name: str, models: list[str], now: float) -> tuple[Key, Flow] | None:
        """The flow of that name that was used last."""
        self._expire(now)
        found = list(self._of(principal, name, models))
        return max(found, key=lambda at: at[1].used) if found else None

    def forget(self, principal: int, name: str, models: list[str], now: float) -> bool:
        self._expire(now)
        found = [key for key, _ in self._of(principal, name, models)]
        for key in found:
            del self._flows[key]
        return bool(found)

    def drop(self, key: Key) -> None:
        self._flows.pop(key, None)

    def hash(self, principal: int, name: str) -> str:
        """Keyed, as the server's log has it: 16 hexadecimal digits."""
        salt = principal.to_bytes(8, "little")
        return hashlib.blake2b(name.encode(), digest_size=8, key=self._key, salt=salt).hexdigest()

    def _of(self, principal: int, name: str, models: list[str]) -> Iterator[tuple[Key, Any]]:
        for model in models:
            key = (principal, name, model)
            if key in self._flows:
                yield key, self._flows[key]

    def _expire(self, now: float) -> None:
        while self._flows:
            oldest = next(iter(self._flows.values()))
            if now - oldest.used <= self._idle_s:
                return
            self._flows.popitem(last=False)
