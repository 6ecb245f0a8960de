"""Escalation: windows that the device is not sure of go to the edge server, whose labels come back.

Off unless enabled. A window leaves with its features and bins under a random name that lives as long as its flow here,
and with a second that counts from a random start: neither says who or when. What cannot be sent is dropped by a fixed
rule and counted; the classifier never waits.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from reelsense.client.errors import ServerError
from reelsense.client.messages import FlowWindow, WindowLabel
from reelsense.client.rest import RestClient
from reelsense.errors import ReelsenseArgumentError
from reelsense.types import Windows

_log = logging.getLogger("reelsense.escalation")


@dataclass(frozen=True)
class Escalated:
    """A window's label from the server."""

    flow: int
    """As in the windows given to `offer`."""
    second: int
    label: str
    confidence: float
    probability: float
    uncertain: bool
    """The server is not sure either."""


@dataclass
class EscalationCounters:
    """Every window that was offered is in exactly one of these, or waits."""

    certain: int = 0
    """Not escalated: the device is sure."""
    answered: int = 0
    no_label: int = 0
    """The server answered that it has none."""
    dropped_limited: int = 0
    """Over the rate limit."""
    dropped_full: int = 0
    """The oldest, because the queue was full."""
    dropped_stale: int = 0
    """Waited for longer than max_age_s: nobody acts on it any more."""
    dropped_failed: int = 0
    """Of a request that failed: network gone, server full or refusing."""
    disabled: int = 0
    """Offered while it was off."""


class TokenBucket:
    """`rate` tokens a second, at most `burst`. For one thread at a time."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        if rate <= 0 or burst < 1:
            raise ReelsenseArgumentError(f"rate {rate}, burst {burst}: over 0, and 1 or more are expected")
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock()

    def take(self) -> bool:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True)
class _Waiting:
    flow: int
    second: int
    features: NDArray[np.float32]
    bins: NDArray[np.uint32]
    since: float


class Escalator:
    """Sends uncertain windows to `client`'s /v1/classify and gives the labels to `on_labels`, from a thread of its own.

    enabled: off by default; `enable` and `disable` at any time. model: which one the server asks, "" its default. rate:
    windows a second in the long run, burst: at once. batch: windows of a request; max_wait_s: how long the first of a
    batch waits for others. queue: windows that wait at most. max_age_s: older ones are not sent any more. Give it a
    client without retries and with a timeout of about max_age_s.

    `offer` and the rest may be called by any thread; `offer` does no I/O.
    """

    def __init__(
        self,
        client: RestClient,
        on_labels: Callable[[list[Escalated]], None],
        *,
        enabled: bool = False,
        model: str = "",
        rate: float = 2.0,
        burst: float = 16.0,
        batch: int = 32,
        max_wait_s: float = 0.05,
        max_age_s: float = 5.0,
        queue: int = 256,
        flows: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (1 <= batch <= 4096 and queue >= batch and flows >= 1):
            expected = "1 … 4096, batch or more, 1 or more are expected"
            raise ReelsenseArgumentError(f"batch {batch}, queue {queue}, flows {flows}: {expected}")
        self._client, self._on_labels, self._model = client, on_labels, model
        self._batch, self._max_wait_s, self._max_age_s = batch, max_wait_s, max_age_s
        self._most, self._flows, self._clock = queue, flows, clock
        self._bucket = TokenBucket(rate, burst, clock)
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._names: OrderedDict[int, tuple[str, int]] = OrderedDict()
        self._counters = EscalationCounters()
        self._enabled = enabled
        self._running = True
        self._in_flight = 0
        self._thread = threading.Thread(target=self._run, name="reelsense-escalation", daemon=True)
        self._thread.start()

    def offer(self, windows: Windows) -> int:
        """Takes the uncertain windows of a callback; returns how many wait now because of it."""
        sure = ~windows.uncertain
        with self._changed:
            if not self._enabled or not self._running:
                self._counters.disabled += len(windows)
                return 0
            self._counters.certain += int(sure.sum())
            taken = 0
            for i in np.flatnonzero(~sure):
                if not self._bucket.take():
                    self._counters.dropped_limited += 1
                    continue
                if len(self._waiting) == self._most:
                    self._waiting.popleft()
                    self._counters.dropped_full += 1
                self._waiting.append(_Waiting(int(windows.flow[i]), int(windows.second[i]), windows.features[i],
                                              windows.bins[i], self._clock()))  # fmt: skip
                taken += 1
            if taken:
                self._changed.notify_all()
            return taken

    def flow_ended(self, flow: int) -> None:
        """Its random name is forgotten; the server forgets it by itself after some minutes. For on_flow_end."""
        with self._changed:
            self._names.pop(flow, None)

    def enable(self) -> None:
        with self._changed:
            self._enabled = True

    def disable(self) -> None:
        """Nothing is taken or sent any more; what waits is dropped and counted as disabled."""
        with self._changed:
            self._enabled = False
            self._counters.disabled += len(self._waiting)
            self._waiting.clear()
            self._names.clear()
            self._changed.notify_all()

    def counters(self) -> EscalationCounters:
        with self._changed:
            return EscalationCounters(**vars(self._counters))

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Until nothing waits and no request runs; False if it took longer. For tests and orderly ends."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._in_flight, timeout_s)

    def close(self) -> None:
        """Ends the thread after the request that runs; what waits is dropped and counted. Safe to repeat."""
        self.disable()
        with self._changed:
            self._running = False
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Escalator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._in_flight = 0
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or not self._running)
                if not self._running:
                    return
                self._changed.wait_for(lambda: len(self._waiting) >= self._batch or not self._waiting, self._max_wait_s)
                batch, sent = self._take_batch()
                self._in_flight = len(batch)
            if batch:
                self._ask(batch, sent)

    def _take_batch(self) -> tuple[list[_Waiting], list[FlowWindow]]:
        oldest = self._clock() - self._max_age_s
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._batch:
            window = self._waiting.popleft()
            if window.since < oldest:
                self._counters.dropped_stale += 1
            else:
                batch.append(window)
        sent = []
        for window in batch:
            name, start = self._name_of(window.flow, window.second)
            sent.append(FlowWindow(name, window.second - start, window.features, window.bins))
        return batch, sent

    def _name_of(self, flow: int, second: int) -> tuple[str, int]:
        """A flow's random name, and what is taken from its seconds so that they begin at a random one."""
        known = self._names.get(flow)
        if known is None:
            if len(self._names) >= self._flows:
                self._names.popitem(last=False)
            known = secrets.token_hex(16), second - (1_000_000_000 + secrets.randbelow(600_000_000))
            self._names[flow] = known
        self._names.move_to_end(flow)
        return known

    def _ask(self, batch: list[_Waiting], sent: list[FlowWindow]) -> None:
        labels: list[WindowLabel] = []
        failed = False
        try:
            labels = self._client.classify_windows(sent, model=self._model)
        except ServerError:
            failed = True
        found = [
            Escalated(window.flow, window.second, at.label, at.confidence, at.probability, at.uncertain)
            for window, at in zip(batch, labels, strict=False)
            if at.label is not None
        ]
        with self._changed:
            self._counters.answered += len(found)
            if failed:
                self._counters.dropped_failed += len(batch)
            else:
                self._counters.no_label += len(batch) - len(found)
        if found:
            try:
                self._on_labels(found)
            except Exception:  # the app's own fault must not end the thread
                _log.exception("on_labels failed")
