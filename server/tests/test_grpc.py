"""reelsense.v1 over gRPC, with stubs made from proto/."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from harness import Server, packets_of_a_second
from traffic import CLOSE, capture_windows, edge_golden, new_flow, ue_golden, window

START = 1_700_000_000


def to_window(pb: Any, flow: str, second: int, row: np.ndarray, **more: Any) -> Any:
    return pb.Window(flow=flow.encode(), second=second, features=row[:48], bins=[int(v) for v in row[48:]], **more)


class Stream:
    """A ClassifyStream that is written and read as the test likes."""

    def __init__(self, classifier: Any) -> None:
        self._requests: queue.Queue[Any] = queue.Queue()
        self.answers = classifier.ClassifyStream(iter(self._requests.get, None), timeout=120)

    def send(self, request: Any) -> None:
        self._requests.put(request)

    def done(self) -> None:
        self._requests.put(None)

    def labels(self, count: int) -> list[Any]:
        got: list[Any] = []
        for answer in self.answers:
            assert not answer.error, answer.error
            got += answer.labels
            if len(got) >= count:
                break
        return got


def test_classify_equals_the_golden_sequences(classifier: Any, stubs: SimpleNamespace) -> None:
    golden = edge_golden()
    count, steps = golden.probability.shape
    flows = [new_flow("grpc") for _ in range(count)]
    windows = [
        to_window(stubs.pb, flows[q], START + t, golden.windows[q, t]) for t in range(steps) for q in range(count)
    ]
    answer = classifier.Classify(stubs.pb.ClassifyRequest(model="reelsense-edge", windows=windows, request_id=7))
    assert answer.model == "reelsense-edge@1.0.0"
    got = np.array([label.probability for label in answer.labels]).reshape(steps, count).T
    np.testing.assert_allclose(got, golden.probability, atol=CLOSE)
    for label, one in zip(answer.labels, windows, strict=True):
        assert (label.flow, label.second, label.request_id) == (one.flow, one.second, 7)
        assert label.label == (stubs.pb.LABEL_VIDEO if label.probability >= 0.5 else stubs.pb.LABEL_NON_VIDEO)
        assert 0.5 <= label.confidence <= 1


def test_classify_equals_rest(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    rows = ue_golden().rows
    windows = [to_window(stubs.pb, new_flow("grpc"), START, row) for row in rows]
    over_grpc = classifier.Classify(stubs.pb.ClassifyRequest(model="reelsense-ue", windows=windows))
    over_rest = server.classify(model="reelsense-ue", windows=[window(new_flow("rest"), START, row) for row in rows])
    names = {stubs.pb.LABEL_VIDEO: "video", stubs.pb.LABEL_NON_VIDEO: "non-video"}
    for a, b in zip(over_grpc.labels, over_rest, strict=True):
        assert (names[a.label], a.uncertain) == (b["label"], b["uncertain"])
        assert a.probability == np.float32(b["probability"])


def test_a_flow_is_the_same_over_both(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    golden = edge_golden()
    flow = new_flow("both")
    for t in range(8):
        if t % 2:
            row = to_window(stubs.pb, flow, START + t, golden.windows[4, t])
            one = classifier.Classify(stubs.pb.ClassifyRequest(windows=[row])).labels[0].probability
        else:
            one = server.classify(windows=[window(flow, START + t, golden.windows[4, t])])[0]["probability"]
        assert one == pytest.approx(golden.probability[4, t], abs=CLOSE)


def test_packets_equal_rest(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    rest = packets_of_a_second(new_flow("rest"))
    packets = [
        stubs.pb.Packet(
            time_ns=round(t * 1e6) * 1000, size=size,
            direction=stubs.pb.DIRECTION_UP if direction == "up" else stubs.pb.DIRECTION_DOWN,
        )
        for t, size, direction in rest["packets"]
    ]  # fmt: skip
    flow = stubs.pb.FlowPackets(flow=new_flow("grpc").encode(), packets=packets, end=True)
    (a,) = classifier.Classify(stubs.pb.ClassifyRequest(flows=[flow])).labels
    (b,) = server.classify(flows=[rest])
    assert (a.second, a.probability) == (b["second"], pytest.approx(b["probability"], abs=CLOSE))


@pytest.mark.parametrize("windows_a_message", [1, 16])
def test_stream_of_many_interleaved_flows(classifier: Any, stubs: SimpleNamespace, windows_a_message: int) -> None:
    golden = edge_golden()
    count, steps = golden.probability.shape
    copies = 20
    flows = {(q, c): new_flow(f"stream-{q}") for q in range(count) for c in range(copies)}
    order = np.random.default_rng(5)
    # Flows move on at random; inside each the seconds rise.
    turns = order.permutation([key for key in flows for _ in range(steps)]).tolist()
    at: dict[tuple[int, int], int] = defaultdict(int)
    stream = Stream(classifier)
    batch: list[Any] = []
    for number, (q, c) in enumerate(turns):
        t = at[q, c]
        at[q, c] += 1
        batch.append(to_window(stubs.pb, flows[q, c], START + t, golden.windows[q, t], end=t == steps - 1))
        if len(batch) == windows_a_message or number == len(turns) - 1:
            model = "reelsense-edge" if number < windows_a_message else ""  # only the first message names it
            stream.send(stubs.pb.ClassifyRequest(model=model, windows=batch, request_id=number))
            batch = []
    stream.done()
    by_flow: dict[bytes, list[tuple[int, float]]] = defaultdict(list)
    models = set()
    for answer in stream.answers:
        assert not answer.error
        models |= {answer.model} - {""}
        for label in answer.labels:
            by_flow[label.flow].append((label.second, label.probability))
    assert models == {"reelsense-edge@1.0.0"}
    assert len(by_flow) == count * copies
    for (q, _), flow in flows.items():
        got = by_flow[flow.encode()]
        assert [second for second, _ in got] == [START + t for t in range(steps)]
        np.testing.assert_allclose([p for _, p in got], golden.probability[q], atol=CLOSE)


def test_stream_equals_rest_on_a_capture(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    windows = capture_windows("overlap-h2-ipv6.pcap.zst")
    suffix = new_flow("")
    over_rest = server.classify(windows=[window(f"rest{w.flow}{suffix}", w.second, w.row) for w in windows])
    stream = Stream(classifier)
    for w in windows:
        stream.send(stubs.pb.ClassifyRequest(windows=[to_window(stubs.pb, f"grpc{w.flow}{suffix}", w.second, w.row)]))
    stream.done()
    streamed = stream.labels(len(windows) + 1)
    assert len(streamed) == len(windows)
    got = {(label.flow.decode()[4:], label.second): label.probability for label in streamed}
    expected = {(label["flow"][4:], label["second"]): label["probability"] for label in over_rest}
    assert got.keys() == expected.keys()
    for key, probability in expected.items():
        assert got[key] == pytest.approx(probability, abs=CLOSE), key


def test_stream_answers_as_it_goes(classifier: Any, stubs: SimpleNamespace) -> None:
    golden = edge_golden()
    flow = new_flow("live")
    stream = Stream(classifier)
    for t in range(4):
        stream.send(stubs.pb.ClassifyRequest(windows=[to_window(stubs.pb, flow, START + t, golden.windows[5, t])]))
        (label,) = stream.labels(1)  # before the next one is sent
        assert label.second == START + t
    stream.done()
    assert stream.labels(1) == []
    assert stream.answers.code() == grpc.StatusCode.OK


def test_stream_goes_on_after_a_bad_request(classifier: Any, stubs: SimpleNamespace) -> None:
    row = ue_golden().rows[0]
    stream = Stream(classifier)
    good = to_window(stubs.pb, new_flow("good"), START, row)
    stream.send(stubs.pb.ClassifyRequest(model="reelsense-ue", windows=[good], request_id=1))
    stream.send(stubs.pb.ClassifyRequest(windows=[to_window(stubs.pb, "x", START, row[:3])], request_id=2))
    stream.send(stubs.pb.ClassifyRequest(model="nobody", request_id=3))
    again = to_window(stubs.pb, new_flow("good"), START, row)
    stream.send(stubs.pb.ClassifyRequest(model="reelsense-ue", windows=[again], request_id=4))
    stream.done()
    answers = list(stream.answers)
    errors = {a.failed_request_id: (a.error_code, a.error) for a in answers if a.error}
    assert errors.keys() == {2, 3}
    assert errors[2][0] == grpc.StatusCode.INVALID_ARGUMENT.value[0] and "features" in errors[2][1]
    assert errors[3][0] == grpc.StatusCode.NOT_FOUND.value[0] and "nobody" in errors[3][1]
    assert {label.request_id for a in answers for label in a.labels} == {1, 4}


def test_cancelled_stream_leaves_the_server_serving(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    stream = Stream(classifier)
    for t in range(500):
        stream.send(
            stubs.pb.ClassifyRequest(windows=[to_window(stubs.pb, "gone", START + t, edge_golden().windows[0, 0])])
        )
    stream.labels(1)
    stream.answers.cancel()
    stream.done()
    server.check_serving()


def watched(stream: Iterator[Any], count: int) -> list[Any]:
    got: list[Any] = []
    for answer in stream:
        assert answer.missed == 0
        got += answer.labels
        if len(got) >= count:
            return got
    return got


def test_watch_tells_every_label(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    golden = ue_golden()
    flow = new_flow("watched")
    watch = classifier.Watch(stubs.pb.WatchRequest(model="reelsense-ue"), timeout=60)
    watch.initial_metadata()  # from now on nothing is missed
    labels = server.classify(model="reelsense-ue", windows=[window(flow, START + i, golden.rows[i]) for i in range(20)])
    got = watched(watch, 20)
    watch.cancel()
    digest = int(server.get(f"/v1/flows/{flow}").json()["hash"], 16)
    assert [label.second for label in got] == [START + i for i in range(20)]
    assert {label.model for label in got} == {"reelsense-ue@1.0.0"}
    assert {label.flow_hash for label in got} == {digest}
    for label, expected in zip(got, labels, strict=True):
        assert (label.label == stubs.pb.LABEL_VIDEO) == (expected["label"] == "video")
        assert label.confidence == np.float32(expected["confidence"])


def test_watch_filters(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    golden = ue_golden()
    video = classifier.Watch(stubs.pb.WatchRequest(model="reelsense-ue@1.0.0", only=stubs.pb.LABEL_VIDEO), timeout=60)
    unsure = classifier.Watch(stubs.pb.WatchRequest(model="reelsense-ue", max_confidence=0.8), timeout=60)
    video.initial_metadata(), unsure.initial_metadata()
    labels = server.classify(
        model="reelsense-ue", windows=[window(new_flow("filter"), START, row) for row in golden.rows]
    )
    videos = [label for label in labels if label["label"] == "video"]
    unsures = [label for label in labels if label["confidence"] <= 0.8]
    assert 0 < len(videos) < 64 and 0 < len(unsures) < 64
    got = watched(video, len(videos))
    assert len(got) == len(videos) and all(label.label == stubs.pb.LABEL_VIDEO for label in got)
    got = watched(unsure, len(unsures))
    assert len(got) == len(unsures) and all(label.confidence <= 0.8 for label in got)
    video.cancel(), unsure.cancel()


def test_feedback(server: Server, classifier: Any, stubs: SimpleNamespace) -> None:
    flow = new_flow("truth")
    server.classify(windows=[window(flow, START, edge_golden().windows[6, 0])])
    truths = [stubs.pb.Truth(flow=flow.encode(), second=START + i, truth=stubs.pb.LABEL_VIDEO) for i in range(3)]
    answer = classifier.Feedback(stubs.pb.FeedbackRequest(truths=truths))
    assert (answer.stored, answer.matched) == (3, 1)


def test_health_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "reelsense.v1.FlowClassifier", "inference.GRPCInferenceService"):
        status = stub.Check(health_pb2.HealthCheckRequest(service=service)).status
        assert status == health_pb2.HealthCheckResponse.SERVING, service
    with pytest.raises(grpc.RpcError) as unknown:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_tells_the_contract(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    services = set(database.get_services())
    assert {"reelsense.v1.FlowClassifier", "inference.GRPCInferenceService", "grpc.health.v1.Health"} <= services
    file = database.FindFileContainingSymbol("reelsense.v1.FlowClassifier")
    (service,) = file.service
    assert [method.name for method in service.method] == ["Classify", "ClassifyStream", "Watch", "Feedback"]


def test_reflection_can_be_off(start_server) -> None:
    server: Server = start_server("--grpc.reflection", "false")
    with grpc.insecure_channel(server.grpc_target) as channel, pytest.raises(grpc.RpcError) as off:
        ProtoReflectionDescriptorDatabase(channel).get_services()
    assert off.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_deadline_that_has_passed(start_server, stubs: SimpleNamespace) -> None:
    # The windows wait a second for others to join their batch; the client does not.
    server: Server = start_server("--scheduler.max-wait-ms", "1000")
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = stubs.rpc.FlowClassifierStub(channel)
        rows = [to_window(stubs.pb, "late", START, np.zeros(48))]
        with pytest.raises(grpc.RpcError) as late:
            stub.Classify(stubs.pb.ClassifyRequest(windows=rows), timeout=0.05)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    server.check_serving()


def test_two_streams_do_not_wait_for_each_other(classifier: Any, stubs: SimpleNamespace) -> None:
    golden = edge_golden()
    results: dict[int, list[float]] = {}

    def run(number: int) -> None:
        stream = Stream(classifier)
        flow = new_flow(f"side-{number}")
        for t in range(8):
            stream.send(
                stubs.pb.ClassifyRequest(windows=[to_window(stubs.pb, flow, START + t, golden.windows[number, t])])
            )
        stream.done()
        results[number] = [label.probability for label in stream.labels(9)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_allclose(results[number], golden.probability[number], atol=CLOSE)
