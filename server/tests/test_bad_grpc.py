"""Bad calls over gRPC: each has a documented code and message (docs/reference/server-errors.md)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from bundles import tiny_row
from harness import Server, wait_until
from traffic import edge_golden, new_flow, ue_golden
from tritonclient.grpc import service_pb2 as oip

START = 1_700_000_000
INVALID = grpc.StatusCode.INVALID_ARGUMENT
UE = "reelsense-ue"


@pytest.fixture(autouse=True)
def still_serving(server: Server) -> Iterator[None]:
    yield
    server.check_serving()


def refused(call: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED or caught.value.details()
    return caught.value


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"flow": b""}, "windows[0].flow"),
        ({"flow": b"x" * 257}, "windows[0].flow"),
        ({"flow": b"x" * (1 << 20)}, "windows[0].flow"),
        ({"second": -1}, "windows[0].second"),
        ({"second": 2**62}, "windows[0].second"),
        ({"features": []}, "windows[0].features"),
        ({"features": [0.0] * 47}, "windows[0].features"),
        ({"features": [0.0] * 49}, "windows[0].features"),
    ],
)
def test_wrong_windows_name_the_place(
    classifier: Any, stubs: SimpleNamespace, change: dict[str, Any], where: str
) -> None:
    window = stubs.pb.Window(**{"flow": b"f", "second": START, "features": [0.0] * 48, **change})
    error = refused(classifier.Classify, stubs.pb.ClassifyRequest(model=UE, windows=[window]))
    assert error.code() == INVALID and where in error.details(), error.details()
    assert len(error.details()) < 500


def test_edge_windows_need_their_bins(classifier: Any, stubs: SimpleNamespace) -> None:
    window = stubs.pb.Window(flow=b"f", second=START, features=[0.0] * 48, bins=[1] * 39)
    error = refused(classifier.Classify, stubs.pb.ClassifyRequest(windows=[window]))
    assert error.code() == INVALID and "windows[0].bins" in error.details()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"time_ns": -1}, "flows[0].packets[0].time_ns"),
        ({"time_ns": 2**63 - 1}, "flows[0].packets[0].time_ns"),
        ({"direction": 0}, "flows[0].packets[0].direction"),
        ({"direction": 9}, "flows[0].packets[0].direction"),
    ],
)
def test_wrong_packets_name_the_place(
    classifier: Any, stubs: SimpleNamespace, change: dict[str, Any], where: str
) -> None:
    packet = stubs.pb.Packet(**{"time_ns": START * 10**9, "size": 100, "direction": 1, **change})
    flow = stubs.pb.FlowPackets(flow=b"f", packets=[packet])
    error = refused(classifier.Classify, stubs.pb.ClassifyRequest(flows=[flow]))
    assert error.code() == INVALID and where in error.details(), error.details()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_get_no_label_and_spoil_no_neighbour(
    classifier: Any, stubs: SimpleNamespace, value: float
) -> None:
    golden = edge_golden()
    flow = new_flow("nan").encode()
    windows = []
    for t in range(4):
        row = golden.windows[0, t].copy()
        windows.append(stubs.pb.Window(flow=flow, second=START + t, features=row[:48], bins=[int(v) for v in row[48:]]))
    bad = stubs.pb.Window(flow=b"other", second=START, features=[value] * 48, bins=[0] * 40)
    labels = classifier.Classify(stubs.pb.ClassifyRequest(windows=[*windows[:2], bad, *windows[2:]])).labels
    assert labels[2].error == stubs.pb.WINDOW_ERROR_INVALID
    got = [labels[i].probability for i in (0, 1, 3, 4)]
    np.testing.assert_allclose(got, golden.probability[0, :4], atol=1e-5)


def test_late_windows_are_told(classifier: Any, stubs: SimpleNamespace) -> None:
    flow = new_flow("late").encode()
    row = ue_golden().rows[0]

    def ask(second: int) -> Any:
        window = stubs.pb.Window(flow=flow, second=second, features=row)
        return classifier.Classify(stubs.pb.ClassifyRequest(model=UE, windows=[window])).labels[0]

    first = ask(START)
    again = ask(START)
    assert again.repeated_window and again.probability == first.probability
    assert ask(START - 1).error == stubs.pb.WINDOW_ERROR_OUT_OF_ORDER
    assert ask(START + 1).error == stubs.pb.WINDOW_ERROR_NONE


def test_unknown_model_and_version(classifier: Any, stubs: SimpleNamespace) -> None:
    for reference in ("nobody", "reelsense-ue@9.9.9", "x" * 5000):
        for call in (classifier.Classify, lambda request, **more: list(classifier.Watch(request, **more))):
            kind = stubs.pb.ClassifyRequest if call == classifier.Classify else stubs.pb.WatchRequest
            error = refused(call, kind(model=reference), timeout=30)
            assert error.code() == grpc.StatusCode.NOT_FOUND
            assert "reelsense-ue@1.0.0" in error.details() and len(error.details()) < 1000


def test_wrong_feedback_and_watch(classifier: Any, stubs: SimpleNamespace) -> None:
    for truth in ({"flow": b""}, {"truth": 0}, {"truth": 7}, {"second": -1}):
        one = stubs.pb.Truth(**{"flow": b"f", "second": 1, "truth": 2, **truth})
        error = refused(classifier.Feedback, stubs.pb.FeedbackRequest(truths=[one]))
        assert error.code() == INVALID and "truths[0]" in error.details()
    for request in ({"only": 9}, {"max_confidence": float("nan")}, {"max_confidence": 2.0}):
        error = refused(lambda r: list(classifier.Watch(r, timeout=30)), stubs.pb.WatchRequest(**request))
        assert error.code() == INVALID


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\x12\xff\xff\xff\xff\x0f", b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"]
)
@pytest.mark.parametrize(
    "method", ["/reelsense.v1.FlowClassifier/Classify", "/inference.GRPCInferenceService/ModelInfer"]
)
def test_malformed_protobuf(channel: grpc.Channel, method: str, data: bytes) -> None:
    # gRPC's own answer: it has no other for what it cannot parse.
    assert refused(channel.unary_unary(method), data).code() == grpc.StatusCode.UNIMPLEMENTED


def test_malformed_protobuf_ends_a_stream(channel: grpc.Channel) -> None:
    # gRPC tells the server of it as of a half-close: what came before is answered.
    call = channel.stream_stream("/reelsense.v1.FlowClassifier/ClassifyStream")
    assert list(call(iter([b"\xff\xff\xff\xff"]), timeout=30)) == []


def test_a_model_name_that_is_not_utf8(channel: grpc.Channel) -> None:
    error = refused(channel.unary_unary("/reelsense.v1.FlowClassifier/Classify"), b"\x0a\x02\xff\xfe")
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_over_the_limit(classifier: Any, stubs: SimpleNamespace) -> None:
    window = stubs.pb.Window(flow=b"x" * (5 << 20), second=1, features=[0.0] * 48)
    error = refused(classifier.Classify, stubs.pb.ClassifyRequest(model=UE, windows=[window]))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_more_windows_than_one_message_may_carry(classifier: Any, stubs: SimpleNamespace) -> None:
    windows = [stubs.pb.Window(flow=b"f", second=i, features=[0.0] * 48) for i in range(4097)]
    error = refused(classifier.Classify, stubs.pb.ClassifyRequest(model=UE, windows=windows))
    assert error.code() == INVALID and "4096" in error.details()


def test_unknown_methods(channel: grpc.Channel) -> None:
    for method in ("/reelsense.v1.FlowClassifier/Nothing", "/nobody/Nothing"):
        assert refused(channel.unary_unary(method), b"").code() == grpc.StatusCode.UNIMPLEMENTED


def tensor(**changes: Any) -> Any:
    return oip.ModelInferRequest.InferInputTensor(
        **{"name": "features", "datatype": "FP32", "shape": [1, 48],
           "contents": oip.InferTensorContents(fp32_contents=[0.0] * 48), **changes}
    )  # fmt: skip


def contents(count: int) -> Any:
    return oip.InferTensorContents(fp32_contents=[0.0] * count)


@pytest.mark.parametrize(
    "request_",
    [
        {"inputs": []},
        {"inputs": [tensor(), tensor()]},
        {"inputs": [tensor(name="window")]},
        {"inputs": [tensor(datatype="INT32")]},
        {"inputs": [tensor(datatype="")]},
        {"inputs": [tensor(shape=[48])]},
        {"inputs": [tensor(shape=[1, 1, 48])]},
        {"inputs": [tensor(shape=[-1, 48])]},
        {"inputs": [tensor(shape=[0, 48], contents=contents(0))]},
        {"inputs": [tensor(shape=[2, 48])]},
        {"inputs": [tensor(shape=[2**62, 48])]},
        {"inputs": [tensor(shape=[5000, 48], contents=contents(5000 * 48))]},
        {"inputs": [tensor(contents=contents(47))]},
        {"inputs": [tensor(contents=None)]},
        {"inputs": [tensor(contents=None)], "raw_input_contents": [bytes(191)]},
        {"inputs": [tensor(contents=None)], "raw_input_contents": [bytes(192), bytes(192)]},
        {"inputs": [tensor()], "raw_input_contents": [bytes(192)]},
        {"inputs": [tensor(contents=None)], "raw_input_contents": [b"\x00\x00\xc0\x7f" * 48]},
        {"inputs": [tensor()], "outputs": [oip.ModelInferRequest.InferRequestedOutputTensor(name="nothing")]},
        {"inputs": [tensor()], "parameters": {"sequence_id": oip.InferParameter(bool_param=True)}},
        {"inputs": [tensor()], "parameters": {"timeout": oip.InferParameter(int64_param=-1)}},
    ],
)
def test_wrong_tensors(channel: grpc.Channel, request_: dict[str, Any]) -> None:
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=oip.ModelInferRequest.SerializeToString,
        response_deserializer=oip.ModelInferResponse.FromString,
    )
    error = refused(call, oip.ModelInferRequest(model_name=UE, **request_))
    assert error.code() == INVALID, error


def test_a_full_queue_is_resource_exhausted(start_server, stubs: SimpleNamespace) -> None:
    small: Server = start_server("--scheduler.queue-windows", "8", "--scheduler.max-wait-ms", "1000")
    with grpc.insecure_channel(small.grpc_target) as channel:
        stub = stubs.rpc.FlowClassifierStub(channel)
        windows = [stubs.pb.Window(flow=b"%d" % i, second=1, features=tiny_row(9.0)) for i in range(9)]
        waiting = stub.Classify.future(stubs.pb.ClassifyRequest(windows=windows[:8]))
        wait_until(lambda: small.metric("reelsense_server_queue_depth") == 8, "eight windows in the queue")
        error = refused(stub.Classify, stubs.pb.ClassifyRequest(windows=windows[8:]))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(error.trailing_metadata())["retry-after-ms"]) >= 1
        assert len(waiting.result().labels) == 8
    small.check_serving()


def test_without_a_log_feedback_is_unimplemented(start_server, stubs: SimpleNamespace) -> None:
    server: Server = start_server("--log.file", "")
    with grpc.insecure_channel(server.grpc_target) as channel:
        truth = stubs.pb.Truth(flow=b"f", second=1, truth=2)
        error = refused(stubs.rpc.FlowClassifierStub(channel).Feedback, stubs.pb.FeedbackRequest(truths=[truth]))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    server.check_serving()
