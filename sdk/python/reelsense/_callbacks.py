"""C callbacks → Python objects. They run inside the native call that caused them, on its thread, with the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reelsense._core import BINS, LABELS, WINDOW, ffi, lib, pointer
from reelsense.features import feature_names
from reelsense.types import FLOW_ENDS, FlowSummary, Qos, Second, Windows, flow_tuple, reason_name

REASONS = tuple(reason_name(i) for i in range(8))


class Sink:
    """Where a classifier's callbacks go. It knows the classifier only by its callbacks, so that neither keeps the other
    alive. What a callback raises is kept and raised by the call it ran in; the callbacks after it are left out."""

    __slots__ = ("error", "on_flow_end", "on_second", "on_windows", "view", "width")

    def __init__(
        self,
        view: str,
        on_windows: Callable[[Windows], None] | None,
        on_second: Callable[[Second], None] | None,
        on_flow_end: Callable[[FlowSummary], None] | None,
    ) -> None:
        self.view = view
        self.width = len(feature_names(view))
        self.on_windows = on_windows
        self.on_second = on_second
        self.on_flow_end = on_flow_end
        self.error: BaseException | None = None

    def windows(self, windows: Any, n: int) -> Windows:
        """Copies what is valid only now."""
        raw = np.frombuffer(ffi.buffer(windows, n * WINDOW.itemsize), WINDOW).copy()
        features = np.empty((n, self.width), np.float32)
        bins = np.empty((n, BINS), np.uint32)
        lib.rspy_gather(pointer("float*", features), pointer("uint32_t*", bins), windows, n, self.width)
        return Windows(raw, features, bins, self.view)


def second_of(at: Any) -> Second:
    qos = at.qos
    session = at.session
    return Second(
        at.second, LABELS[session.label], session.probability, session.confidence, bool(session.uncertain),
        Qos(qos.prefetch_depth, qos.buffer_target_ms, qos.max_bitrate_kbps, qos.throughput_kbps,
            REASONS[qos.prefetch_reason], REASONS[qos.buffer_reason], REASONS[qos.bitrate_reason], bool(qos.changed)),
        at.bytes_up, at.bytes_down, at.windows, at.live_flows,
    )  # fmt: skip


def flow_summary_of(at: Any) -> FlowSummary:
    key = at.tuple
    addresses = flow_tuple((key.ip_version, bytes(key.client), bytes(key.server), key.client_port, key.server_port,
                            key.protocol))  # fmt: skip
    return FlowSummary(
        at.flow, FLOW_ENDS[at.reason], at.first_ns, at.last_ns, at.packets_up, at.packets_down, at.bytes_up,
        at.bytes_down, at.windows, at.idle_windows, at.video_windows, addresses,
    )  # fmt: skip


@ffi.def_extern()  # type: ignore[untyped-decorator]
def rspy_on_windows(user: Any, windows: Any, n: int) -> None:
    sink = ffi.from_handle(user)
    if sink.error is None:
        try:
            sink.on_windows(sink.windows(windows, n))
        except BaseException as error:  # an exception cannot cross C: the call that runs us raises it
            sink.error = error


@ffi.def_extern()  # type: ignore[untyped-decorator]
def rspy_on_second(user: Any, second: Any) -> None:
    sink = ffi.from_handle(user)
    if sink.error is None:
        try:
            sink.on_second(second_of(second))
        except BaseException as error:
            sink.error = error


@ffi.def_extern()  # type: ignore[untyped-decorator]
def rspy_on_flow_end(user: Any, flow: Any) -> None:
    sink = ffi.from_handle(user)
    if sink.error is None:
        try:
            sink.on_flow_end(flow_summary_of(flow))
        except BaseException as error:
            sink.error = error
