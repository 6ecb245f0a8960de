"""What only a server that misbehaves shows: retries, hints, keys, streams that break."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

grpc = pytest.importorskip("grpc")

from reelsense.client import (  # noqa: E402
    AuthError,
    FlowPackets,
    FlowWindow,
    GrpcClient,
    NotOfferedError,
    OverloadedError,
    RetryPolicy,
    Tls,
    Truth,
    UnavailableError,
)
from reelsense.client.retry import NO_RETRY  # noqa: E402
from reelsense.errors import ReelsenseArgumentError  # noqa: E402
from reelsense.v1 import flow_classifier_pb2 as pb  # noqa: E402
from reelsense.v1 import flow_classifier_pb2_grpc as stubs  # noqa: E402

WINDOW = FlowWindow("a", 5, [0.0] * 48)
LABEL = pb.WindowLabel(flow=b"a", second=5, label=pb.LABEL_VIDEO, confidence=0.75, probability=0.75)


class Servicer(stubs.FlowClassifierServicer):
    """Fails as often as it is told, then answers."""

    def __init__(self) -> None:
        self.failures: list[tuple[grpc.StatusCode, tuple]] = []
        self.calls = 0
        self.breaks_at = -1
        self.metadata: dict[str, str] = {}

    def fail(self, context) -> None:
        self.calls += 1
        self.metadata = dict(context.invocation_metadata())
        if self.failures:
            code, trailing = self.failures.pop(0)
            context.set_trailing_metadata(trailing)
            context.abort(code, "because")

    def Classify(self, request, context):
        self.fail(context)
        return pb.ClassifyResponse(labels=[LABEL], model="m@1")

    def ClassifyStream(self, requests, context):
        for request in requests:
            if request.request_id == self.breaks_at:
                context.abort(grpc.StatusCode.UNAVAILABLE, "because")
            yield pb.ClassifyResponse(labels=[pb.WindowLabel(flow=w.flow, second=w.second, label=1)
                                              for w in request.windows], model="m@1")  # fmt: skip

    def Watch(self, request, context):
        yield pb.WatchResponse(labels=[pb.WatchedLabel(second=1, label=2, model="m@1")] * 2, missed=7)
        context.abort(grpc.StatusCode.UNAVAILABLE, "the server ends")


@pytest.fixture
def servicer():
    one = Servicer()
    server = grpc.server(ThreadPoolExecutor(4))
    stubs.add_FlowClassifierServicer_to_server(one, server)
    one.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield one
    server.stop(None)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(servicer, waits):
    retry = RetryPolicy(sleep=waits.append, draw=lambda: 0.5, first_s=1)
    with GrpcClient(f"127.0.0.1:{servicer.port}", retry=retry) as opened:
        yield opened


def test_full_servers_are_asked_again_when_they_say(client, servicer, waits):
    servicer.failures = [(grpc.StatusCode.RESOURCE_EXHAUSTED, (("retry-after-ms", "1200"),))] * 2
    labels = client.classify_packets([FlowPackets("a", [])])
    assert waits == [pytest.approx(1.35)] * 2 and servicer.calls == 3
    assert (labels[0].label, labels[0].probability, labels[0].model) == ("video", 0.75, "m@1")


def test_what_may_have_been_taken_is_repeated_only_if_it_may_be(client, servicer, waits):
    servicer.failures = [(grpc.StatusCode.UNAVAILABLE, ())]
    client.classify_windows([WINDOW])
    assert waits == [0.5]
    servicer.failures = [(grpc.StatusCode.UNAVAILABLE, ())]
    with pytest.raises(UnavailableError):
        client.classify_packets([FlowPackets("a", [])])
    assert servicer.calls == 3


def test_errors_are_typed(client, servicer):
    servicer.failures = [(grpc.StatusCode.PERMISSION_DENIED, ())]
    with pytest.raises(AuthError, match="PERMISSION_DENIED: because"):
        client.classify_windows([WINDOW])
    with pytest.raises(NotOfferedError):  # the servicer has no Feedback
        client.feedback([Truth("a", 5, "video")])
    with pytest.raises(ReelsenseArgumentError, match='"video" or "non-video"'):
        client.feedback([Truth("a", 5, "maybe")])
    with pytest.raises(ReelsenseArgumentError, match='"up" or "down"'):
        client.classify_packets([FlowPackets("a", [(0, 1, "left")])])


def test_a_stream_that_breaks_says_what_came_before(client, servicer):
    servicer.breaks_at = 2
    seen = []
    with pytest.raises(UnavailableError, match="because"):
        for label in client.stream([FlowWindow("a", second, [0.0] * 48)] for second in range(5)):
            seen.append(label.second)
    assert seen == [0, 1]


def test_a_watch_counts_what_it_missed_and_ends(client):
    seen = []
    with pytest.raises(UnavailableError, match="ends"):
        for label in client.watch():
            seen.append((label.second, label.label, label.missed))
    assert seen == [(1, "video", 7), (1, "video", 0)]


def test_a_key_goes_only_where_it_is_safe(servicer):
    with pytest.raises(ReelsenseArgumentError, match="unencrypted"):
        GrpcClient("edge.example:8081", api_key="rs_secret")
    GrpcClient("edge.example:8081", api_key="rs_secret", tls=Tls()).close()
    with GrpcClient(f"127.0.0.1:{servicer.port}", api_key="rs_secret", retry=NO_RETRY) as client:
        client.classify_windows([WINDOW])
        assert servicer.metadata["authorization"] == "Bearer rs_secret"
        servicer.failures = [(grpc.StatusCode.RESOURCE_EXHAUSTED, ())]
        with pytest.raises(OverloadedError) as caught:
            client.classify_windows([WINDOW])
        assert caught.value.not_taken and caught.value.retry_after_s is None
