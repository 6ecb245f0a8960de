"""The classifier: packets or socket bytes in, labels and decisions out by callback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from reelsense import _callbacks
from reelsense._core import LABELS, PACKET, check, ffi, lib, pointer, text, time_ns, view_number
from reelsense.errors import ReelsenseArgumentError, ReelsenseBusyError, ReelsenseClosedError
from reelsense.model import Model
from reelsense.policy import Policy
from reelsense.types import FLOW_ENDS, Counters, FlowSummary, Second, Windows

if TYPE_CHECKING:
    from reelsense.capture import Capture, CaptureStatus

LINK_ETHERNET = 1
LINK_RAW = 101
_PUMP_RECORDS = 65_536  # records between two looks at the signals: some 10 ms

Frame = tuple[int, bytes, int]
"""(time in ns, bytes from the link layer's first, length on the link)."""


class Decision(NamedTuple):
    """What is known of a flow at one moment."""

    label: str
    probability: float
    confidence: float
    uncertain: bool


class Classifier:
    """Labels flows second by second. It has no thread and no clock: it works inside the calls below, with their times.

    model: None gives features without labels. view: "packet" or "socket", the model's if there is one.
    on_windows: the windows of a second, before its on_second; on_second: the session and its decisions; on_flow_end.
    They get objects of their own, which stay valid. What they raise is raised by the call they ran in.
    max_flows: beyond it the flow that was quiet for longest is evicted. Timeouts in ns of event time: a flow that was
    idle or is active for so long ends and begins anew; in the socket view its features do, and its number stays.

    Threads: one call at a time. A call that comes while another runs, from a callback or another thread, raises
    ReelsenseBusyError and changes nothing. As a context manager it finishes (unless an exception passes) and closes.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        view: str | None = None,
        on_windows: Callable[[Windows], None] | None = None,
        on_second: Callable[[Second], None] | None = None,
        on_flow_end: Callable[[FlowSummary], None] | None = None,
        max_flows: int = 256,
        idle_timeout_ns: int = 120_000_000_000,
        active_timeout_ns: int = 3_600_000_000_000,
        policy: Policy | None = None,
    ) -> None:
        self.view = view or (model.view if model is not None else "packet")
        self._lock = threading.Lock()
        self._refused = 0
        self._sink = _callbacks.Sink(self.view, on_windows, on_second, on_flow_end)
        self._handle = ffi.new_handle(self._sink)
        options = ffi.new("rs_options*")
        lib.rs_options_init(options, ffi.sizeof("rs_options"))
        options.view = view_number(self.view)
        _fill(options, "max_flows", max_flows)
        _fill(options, "idle_timeout_ns", idle_timeout_ns)
        _fill(options, "active_timeout_ns", active_timeout_ns)
        options.policy = policy._pointer if policy is not None else ffi.NULL
        options.user = self._handle
        if on_windows is not None:
            options.on_windows = lib.rspy_on_windows
        if on_second is not None:
            options.on_second = lib.rspy_on_second
        if on_flow_end is not None:
            options.on_flow_end = lib.rspy_on_flow_end
        out = ffi.new("rs_classifier**")
        error = ffi.new("rs_error*")
        check(lib.rs_classifier_create(out, _pointer_of(model), options, error), error, "classifier")
        self._pointer: Any = ffi.gc(out[0], lib.rs_classifier_free)

    @contextmanager
    def _call(self) -> Iterator[Any]:
        """Refuses a second call at a time and a closed classifier; raises what a callback raised."""
        self._enter()
        try:
            yield self._pointer
        finally:
            self._leave()

    def _enter(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._refuse()
        if self._pointer is None:
            self._lock.release()
            raise ReelsenseClosedError("the classifier was closed")

    def _leave(self) -> None:
        error, self._sink.error = self._sink.error, None
        self._lock.release()
        if error is not None:
            raise error

    # ---- packet view ----

    def add_frames(self, frames: Iterable[Frame], link: int = LINK_ETHERNET) -> None:
        """Frames in the order they were captured; link: a DLT number. Those without a readable IP packet are counted.

        For live sources; for files use `add_capture`, which makes no Python object a packet.
        """
        given = list(frames)
        array = ffi.new("rs_frame[]", len(given))
        alive = []
        for at, (time, data, wire) in zip(array, given, strict=True):
            at.time_ns = time_ns(time, "time")
            at.captured_bytes = len(data)
            at.wire_bytes = wire
            alive.append(ffi.from_buffer(data))
            at.data = alive[-1]
        with self._call() as classifier:
            added = lib.rs_add_frames(classifier, link, array, len(given))
            check(added, what=self._refusal(f"link type {link} is not one that is read"))

    def add_packets(self, packets: NDArray[np.void]) -> None:
        """Packets whose headers were read elsewhere: an array of `reelsense.PACKET`, in the order of their times.

        source and destination are 16 bytes, IPv4 as ::ffff:a.b.c.d; see `reelsense.packets`.
        """
        if packets.dtype != PACKET or packets.ndim != 1:
            raise ReelsenseArgumentError(f"packets are of {packets.dtype}: a vector of reelsense.PACKET is expected")
        values = np.ascontiguousarray(packets)
        with self._call() as classifier:
            added = lib.rs_add_packets(classifier, pointer("const rs_packet*", values), len(values))
            check(added, what=self._refusal("the time or the IP version of a packet is out of range"))

    def add_capture(self, capture: Capture) -> CaptureStatus:
        """Everything that is left of a capture. Ctrl-C ends it between two batches."""
        with self._call() as classifier:
            records = ffi.new("uint64_t*")
            while True:
                pumped = lib.rspy_capture_pump(capture._pointer, records, classifier, _PUMP_RECORDS)
                check(pumped, what=self._refusal("a record of the capture was refused"))
                if records[0] == 0 or self._sink.error is not None:
                    return capture.status()

    def _refusal(self, reason: str) -> str:
        """Why packets were refused."""
        return reason if self.view == "packet" else f"packets need a classifier of view packet, not {self.view}"

    # ---- socket view ----

    def flow_open(self, now_ns: int) -> int:
        """A connection was opened: its number, never given twice."""
        flow = ffi.new("uint64_t*")
        with self._call() as classifier:
            opened = lib.rs_flow_open(classifier, flow, time_ns(now_ns))
            check(opened, what="flow_open needs a classifier of view socket")
        return flow[0]

    def flow_read(self, flow: int, count: int, now_ns: int) -> None:
        """The app read `count` bytes, 2^31 at most; 0 only tells the time. Raises ReelsenseClosedError.

        A time outside 1970 … 2200 is dropped and counted, an earlier one than the latest counts as late.
        """
        self._moved(lib.rs_flow_read, flow, count, now_ns)

    def flow_write(self, flow: int, count: int, now_ns: int) -> None:
        """The app wrote `count` bytes, as `flow_read`."""
        self._moved(lib.rs_flow_write, flow, count, now_ns)

    def _moved(self, call: Any, flow: int, count: int, now_ns: int) -> None:
        # As _call, written out: this runs for every read of an app.
        if not self._lock.acquire(False):
            self._refuse()
        try:
            status = call(self._pointer or ffi.NULL, flow, count, now_ns)
        except OverflowError as error:
            raise ReelsenseArgumentError(f"flow {flow}, count {count}, time {now_ns}: {error}") from None
        finally:
            self._lock.release()
        if status or self._sink.error is not None:
            self._settle(status, flow, count)

    def _settle(self, status: int, flow: int, count: int) -> None:
        """After a call that failed, or in which a callback did."""
        error, self._sink.error = self._sink.error, None
        if error is not None:
            raise error
        if self._pointer is None:
            raise ReelsenseClosedError("the classifier was closed")
        if status == lib.RS_CLOSED:
            raise ReelsenseClosedError(f"flow {flow} is not open")
        check(status, what=f"flow {flow}, count {count}: a flow's number and 0 to 2^31 bytes are expected")

    def _refuse(self) -> NoReturn:
        self._refused += 1
        raise ReelsenseBusyError(
            "another call on this classifier is running: one thread at a time, and not from its callbacks"
        )

    def flow_close(self, flow: int, now_ns: int) -> None:
        """Its open window is labelled, then it ends. A second close raises ReelsenseClosedError."""
        with self._call() as classifier:
            check(lib.rs_flow_close(classifier, _number(flow), time_ns(now_ns)), what=f"flow {flow} is not open")

    def flow_peek(self, flow: int) -> Decision:
        """What is known of a flow so far: its open window, labelled as if its second ended now; the latest window's
        label where none is open; uncertain before the first. For decisions before a body is read."""
        decision = ffi.new("rs_decision*")
        with self._call() as classifier:
            check(lib.rs_flow_peek(classifier, decision, _number(flow)), what=f"flow {flow} is not open")
        return Decision(LABELS[decision.label], decision.probability, decision.confidence, bool(decision.uncertain))

    # ---- both ----

    def advance(self, now_ns: int) -> None:
        """Event time has reached now_ns: closes the seconds before it and calls back. Once a second is enough."""
        with self._call() as classifier:
            check(lib.rs_classifier_advance(classifier, time_ns(now_ns)))

    def finish(self) -> None:
        """End of input: closes every window, ends every flow. The classifier may be used again."""
        with self._call() as classifier:
            check(lib.rs_classifier_finish(classifier))

    def set_model(self, model: Model) -> None:
        """Swaps the model, of the same view: windows that are open are scored by the new one."""
        with self._call() as classifier:
            swapped = lib.rs_classifier_set_model(classifier, _pointer_of(model))
            check(swapped, what=f"a model of view {model.view} cannot label windows of view {self.view}")

    def counters(self) -> Counters:
        counters = ffi.new("rs_counters*")
        lib.rs_counters_init(counters, ffi.sizeof("rs_counters"))
        with self._call() as classifier:
            check(lib.rs_classifier_counters(counters, classifier))
        return _counters_of(counters, self._refused)

    def close(self) -> None:
        """Frees it. What is open is dropped without a callback; `finish` first to have it. Safe to repeat."""
        if not self._lock.acquire(blocking=False):
            self._refuse()
        try:
            if self._pointer is not None:
                ffi.release(self._pointer)
                self._pointer = None
        finally:
            self._lock.release()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._pointer is not None:
                self.finish()
        finally:
            self.close()


def _number(flow: int) -> int:
    if not 0 <= flow < 2**64:
        raise ReelsenseArgumentError(f"flow is {flow}: a number that flow_open gave is expected")
    return flow


def _fill(options: Any, name: str, value: int) -> None:
    """Sets an option; one that C cannot hold is refused as those out of range are."""
    try:
        setattr(options, name, value)
    except OverflowError:
        raise ReelsenseArgumentError(f"{name} is {value}: out of range") from None


def _pointer_of(model: Model | None) -> Any:
    if model is None:
        return ffi.NULL
    if not isinstance(model, Model):
        raise ReelsenseArgumentError(
            f"a classifier runs the native engine, not {type(model).__name__}: reelsense.Model is expected; "
            "label its windows with another backend in on_windows (backend.classify(windows.features))"
        )
    return model._pointer


def _counters_of(at: Any, refused: int) -> Counters:
    dropped = {text(lib.rs_drop_name(i)): at.dropped[i] for i in range(lib.RS_DROP_REASONS) if at.dropped[i]}
    ended = {FLOW_ENDS[i]: at.ended[i] for i in range(len(FLOW_ENDS)) if at.ended[i]}
    return Counters(at.records, at.packets, at.late, dropped, at.flows, ended, at.windows, at.video_windows,
                    at.uncertain_windows, at.idle_windows, at.time_steps, at.refused_calls + refused, at.live_flows,
                    at.peak_flows, at.memory_bytes)  # fmt: skip


def packets(
    times_ns: Sequence[int] | NDArray[np.int64], sources: Sequence[str], destinations: Sequence[str],
    source_ports: Sequence[int], destination_ports: Sequence[int], wire_bytes: Sequence[int],
    protocols: Sequence[int] | int = 6, tcp_flags: Sequence[int] | int = 0, header_bytes: Sequence[int] | int = 0,
) -> NDArray[np.void]:  # fmt: skip
    """An array for `Classifier.add_packets` from columns; addresses as text. A sequence of n values each."""
    import ipaddress

    out = np.zeros(len(times_ns), PACKET)
    known: dict[str, tuple[int, bytes]] = {}
    for column, addresses in (("source", sources), ("destination", destinations)):
        for i, address in enumerate(addresses):
            if address not in known:
                parsed = ipaddress.ip_address(address)
                packed = parsed.packed if parsed.version == 6 else bytes(10) + b"\xff\xff" + parsed.packed
                known[address] = (parsed.version, packed)
            version, packed = known[address]
            out["ip_version"][i] = version
            out[column][i] = np.frombuffer(packed, np.uint8)
    out["time_ns"] = times_ns
    out["source_port"] = source_ports
    out["destination_port"] = destination_ports
    out["wire_bytes"] = wire_bytes
    out["protocol"] = protocols
    out["tcp_flags"] = tcp_flags
    out["header_bytes"] = header_bytes
    return out
