"""The gRPC client: unary calls, the stream, the watch. Needs `pip install reelsense[grpc]`.

Its messages are `reelsense.v1`, which `sdk/python/make-stubs` made from proto/ with protoc 3.21: code without a version
check, so that it runs with any protobuf from 4.25 on. A test holds it to proto/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import grpc
import numpy as np

from reelsense.client.errors import BY_CODE, ServerError, ServerFaultError
from reelsense.client.messages import FlowPackets, FlowWindow, Truth, WindowLabel
from reelsense.client.retry import RetryPolicy
from reelsense.client.tls import Tls, check_key_is_safe, host_of
from reelsense.errors import ReelsenseArgumentError
from reelsense.v1 import flow_classifier_pb2, flow_classifier_pb2_grpc

pb: Any = flow_classifier_pb2
stubs: Any = flow_classifier_pb2_grpc

_LABELS: dict[int, str | None] = {0: None, 1: "non-video", 2: "video"}
_NUMBERS = {"non-video": 1, "video": 2}
_DIRECTIONS = {"up": 1, "down": 2}
_ERRORS = {0: None, 1: "out_of_order", 2: "invalid", 3: "deadline", 4: "cancelled", 5: "internal"}


@dataclass(frozen=True)
class WatchedLabel:
    """A label that the server gave to someone."""

    flow_hash: int
    second: int
    label: str
    confidence: float
    uncertain: bool
    model: str
    missed: int
    """Labels that this watcher was too slow for, just before."""


class GrpcClient:
    """Asks an edge server over gRPC.

    target: "localhost:8081". tls: None is plaintext. timeout_s: of one attempt of a unary call. api_key, retry and
    insecure: as of `RestClient`. Any number of threads may use it at once. Raises `ServerError` and its kinds.
    """

    def __init__(
        self,
        target: str,
        *,
        api_key: str | None = None,
        tls: Tls | None = None,
        timeout_s: float = 10.0,
        retry: RetryPolicy | None = None,
        insecure: bool = False,
    ) -> None:
        check_key_is_safe(api_key, encrypted=tls is not None, host=host_of(target), insecure=insecure)
        self._target = target
        self._timeout_s = timeout_s
        self._retry = retry or RetryPolicy()
        self._metadata = () if api_key is None else (("authorization", f"Bearer {api_key}"),)
        # Retries are ours: they follow the server's retry-after-ms, and never repeat packets.
        options = [("grpc.enable_retries", 0)]
        if tls is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(*tls.pem()), options)
        self._stub = stubs.FlowClassifierStub(self._channel)

    def classify_windows(self, windows: Iterable[FlowWindow], *, model: str = "") -> list[WindowLabel]:
        """Labels in the order of the windows; sent again after a lost connection."""
        request = pb.ClassifyRequest(model=model, windows=[_window(window) for window in windows])
        return self._classify(request, idempotent=True)

    def classify_packets(self, flows: Iterable[FlowPackets], *, model: str = "") -> list[WindowLabel]:
        """Labels of the seconds that are over. Not sent again once it may have arrived: packets would count twice."""
        return self._classify(pb.ClassifyRequest(model=model, flows=[_flow(flow) for flow in flows]), idempotent=False)

    def feedback(self, truths: Iterable[Truth]) -> int:
        """Ground truth; returns how many are on the server's disk."""
        given = [pb.Truth(flow=t.flow.encode(), second=t.second, truth=_number(t.label)) for t in truths]
        return self._unary(self._stub.Feedback, pb.FeedbackRequest(truths=given), idempotent=False).stored

    def stream(
        self, requests: Iterable[Sequence[FlowWindow] | FlowPackets], *, model: str = ""
    ) -> Iterator[WindowLabel]:
        """Many requests over one call, labels as they come, in the order of the windows inside each flow.

        requests: lists of windows, or packets of one flow. Read while it sends: the server stops reading while 4,096
        windows are unanswered. A request that is refused raises its error; the ones before it were answered. A call
        that breaks raises UnavailableError: streams are not begun again, since only the caller knows where.
        """
        try:
            call = self._stub.ClassifyStream(self._requests(requests, model), metadata=self._metadata)
            answered_by = ""
            for answer in call:
                answered_by = answer.model or answered_by
                yield from (_label(label, answered_by) for label in answer.labels)
                if answer.error:
                    call.cancel()
                    raise _error_of_code(answer.error_code, f"request {answer.failed_request_id}: {answer.error}")
        except grpc.RpcError as error:
            raise _error_of(error) from error

    def _requests(self, requests: Iterable[Sequence[FlowWindow] | FlowPackets], model: str) -> Iterator[Any]:
        for number, given in enumerate(requests):
            if isinstance(given, FlowPackets):
                yield pb.ClassifyRequest(model=model, flows=[_flow(given)], request_id=number)
            else:
                yield pb.ClassifyRequest(model=model, windows=[_window(one) for one in given], request_id=number)

    def watch(self, *, model: str = "", only: str = "", max_confidence: float = 0.0) -> Iterator[WatchedLabel]:
        """Every label that the server gives, of flows this client may see, from the return of this call on.

        model: "" all; only: "video" or "non-video"; max_confidence: 0 all. Ends with UnavailableError when the server
        does.
        """
        request = pb.WatchRequest(model=model, only=_number(only) if only else 0, max_confidence=max_confidence)
        call = self._stub.Watch(request, metadata=self._metadata)
        try:
            call.initial_metadata()  # from here on nothing is missed
        except grpc.RpcError as error:
            raise _error_of(error) from error
        return self._watched(call)

    def _watched(self, call: Any) -> Iterator[WatchedLabel]:
        try:
            for answer in call:
                missed = answer.missed
                for at in answer.labels:
                    yield WatchedLabel(at.flow_hash, at.second, _LABELS[at.label] or "", at.confidence, at.uncertain,
                                       at.model, missed)  # fmt: skip
                    missed = 0
        except grpc.RpcError as error:
            raise _error_of(error) from error
        finally:
            call.cancel()

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _classify(self, request: Any, *, idempotent: bool) -> list[WindowLabel]:
        answer = self._unary(self._stub.Classify, request, idempotent=idempotent)
        return [_label(label, answer.model) for label in answer.labels]

    def _unary(self, method: Any, request: Any, *, idempotent: bool) -> Any:
        def attempt() -> Any:
            try:
                return method(request, timeout=self._timeout_s, metadata=self._metadata)
            except grpc.RpcError as error:
                raise _error_of(error) from error

        return self._retry.run(attempt, idempotent=idempotent)


def _number(label: str) -> int:
    if label not in _NUMBERS:
        raise ReelsenseArgumentError(f'label {label!r}: "video" or "non-video" is expected')
    return _NUMBERS[label]


def _window(window: FlowWindow) -> Any:
    bins = () if window.bins is None else np.asarray(window.bins).tolist()
    features = np.asarray(window.features, dtype=np.float32)
    return pb.Window(flow=window.flow.encode(), second=int(window.second), features=features, bins=bins, end=window.end)


def _flow(flow: FlowPackets) -> Any:
    try:
        packets = [pb.Packet(time_ns=t, size=size, direction=_DIRECTIONS[way]) for t, size, way in flow.packets]
    except KeyError as error:
        raise ReelsenseArgumentError(f'direction {error}: "up" or "down" is expected') from None
    return pb.FlowPackets(flow=flow.flow.encode(), packets=packets, until_ns=flow.until_ns or 0, end=flow.end)


def _label(at: Any, model: str) -> WindowLabel:
    error = _ERRORS.get(at.error, "internal")
    label = None if error else _LABELS[at.label]
    return WindowLabel(at.flow.decode(errors="replace"), at.second, label, at.confidence, at.probability, at.uncertain,
                       at.repeated_window, False, error, model)  # fmt: skip


# Of google.rpc.Code, as a stream's error_code has it.
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def _error_of_code(code: int, detail: str) -> ServerError:
    name = _CODES.get(code, "UNKNOWN")
    return BY_CODE.get(name, ServerFaultError)(detail, name)


def _error_of(error: Any) -> ServerError:
    name = error.code().name
    metadata = dict(error.trailing_metadata() or ())
    milliseconds = str(metadata.get("retry-after-ms", ""))
    retry_after_s = min(int(milliseconds) / 1000, 3600.0) if milliseconds.isdigit() else None
    detail = error.details() or name
    # UNAVAILABLE without an answer of the server's: gRPC does not tell whether the request had left.
    not_taken = name == "RESOURCE_EXHAUSTED" or (name == "UNAVAILABLE" and "failed to connect" in detail.lower())
    return BY_CODE.get(name, ServerFaultError)(detail, name, not_taken=not_taken, retry_after_s=retry_after_s)
