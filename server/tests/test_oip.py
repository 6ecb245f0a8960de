"""The Open Inference Protocol through a client of others: tritonclient, unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from harness import MODELS, Server
from traffic import CLOSE, edge_golden, ue_golden
from tritonclient.utils import InferenceServerException

EDGE = "reelsense-edge"
UE = "reelsense-ue"


class Client:
    """tritonclient's two clients under one name. `binary`: tensors as bytes; False: JSON, only over HTTP."""

    def __init__(self, server: Server, kind: str) -> None:
        self.is_http = kind != "grpc"
        self.binary = kind != "http-json"
        self.module: Any = over_http if self.is_http else over_grpc
        if self.is_http:
            self.client = over_http.InferenceServerClient(f"127.0.0.1:{server.http_port}")
        else:
            self.client = over_grpc.InferenceServerClient(server.grpc_target)

    def tensor(self, name: str, values: np.ndarray, datatype: str = "FP32") -> Any:
        tensor = self.module.InferInput(name, list(values.shape), datatype)
        if self.is_http:
            tensor.set_data_from_numpy(values, binary_data=self.binary)
        else:
            tensor.set_data_from_numpy(values)
        return tensor

    def output(self, name: str) -> Any:
        if self.is_http:
            return over_http.InferRequestedOutput(name, binary_data=self.binary)
        return over_grpc.InferRequestedOutput(name)

    def infer(self, model: str, outputs: list[str] | None = None, *, more: dict[str, Any] | None = None,
              **tensors: np.ndarray) -> Any:  # fmt: skip
        return self.client.infer(
            model,
            [self.tensor(name, values) for name, values in tensors.items()],
            outputs=[self.output(name) for name in outputs] if outputs else None,
            **(more or {}),
        )


@pytest.fixture(params=["http", "http-json", "grpc"])
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[Client]:
    opened = Client(server, request.param)
    yield opened
    opened.client.close()


def as_dict(answer: Any) -> Any:
    """gRPC's messages like HTTP's JSON."""
    if isinstance(answer, (dict, list)):
        return answer
    from google.protobuf import json_format

    return json_format.MessageToDict(answer, preserving_proto_field_name=True)


def test_server_is_live_and_ready(client: Client) -> None:
    assert client.client.is_server_live()
    assert client.client.is_server_ready()
    assert client.client.is_model_ready(EDGE)
    assert client.client.is_model_ready(EDGE, "1.0.0")
    assert not client.client.is_model_ready(EDGE, "9.9.9")
    assert not client.client.is_model_ready("nobody")


def test_server_metadata(client: Client) -> None:
    metadata = as_dict(client.client.get_server_metadata())
    assert metadata["name"].startswith("reelsense") and metadata["version"]
    assert "sequence" in metadata["extensions"]


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        (EDGE, {"window": 88, "state": 65}, {"probability": 1, "next_state": 65, "label": 1, "confidence": 1}),
        (UE, {"features": 48}, {"probability": 1, "label": 1, "confidence": 1}),
    ],
)
def test_model_metadata(client: Client, model: str, inputs: dict[str, int], outputs: dict[str, int]) -> None:
    metadata = as_dict(client.client.get_model_metadata(model))
    assert metadata["name"] == model and metadata["versions"] == ["1.0.0"]
    for tensors, expected in ((metadata["inputs"], inputs), (metadata["outputs"], outputs)):
        shapes = {tensor["name"]: [int(size) for size in tensor["shape"]] for tensor in tensors}
        assert shapes == {name: [-1, columns] for name, columns in expected.items()}
        types = {tensor["name"]: tensor["datatype"] for tensor in tensors}
        assert types == {name: "BYTES" if name == "label" else "FP32" for name in expected}


def test_repository_index(client: Client) -> None:
    index = as_dict(client.client.get_model_repository_index())
    models = index if isinstance(index, list) else index["models"]
    assert {(m["name"], m["version"], m["state"]) for m in models} == {
        (p.parent.name, p.name, "READY") for p in MODELS.glob("*/*")
    }


def test_edge_model_with_the_clients_state(client: Client) -> None:
    golden = edge_golden()
    state = np.zeros_like(golden.state)
    for t in range(golden.probability.shape[1]):
        answer = client.infer(EDGE, ["probability", "next_state"], window=golden.windows[:, t], state=state)
        np.testing.assert_allclose(answer.as_numpy("probability")[:, 0], golden.probability[:, t], atol=CLOSE)
        state = answer.as_numpy("next_state")
    np.testing.assert_allclose(state, golden.state, atol=1e-4)


def test_edge_model_without_a_state_begins_anew(client: Client) -> None:
    golden = edge_golden()
    answer = client.infer(EDGE, window=golden.windows[:, 0])
    np.testing.assert_allclose(answer.as_numpy("probability")[:, 0], golden.probability[:, 0], atol=CLOSE)


@pytest.mark.parametrize("text", [False, True], ids=["number", "text"])
def test_edge_model_with_the_servers_state(client: Client, text: bool) -> None:
    golden = edge_golden()
    steps = golden.probability.shape[1]
    base = 1000 * ["http", "grpc"].index("http" if client.is_http else "grpc") + 100 * client.binary
    for t in range(steps):
        for q in range(2):  # interleaved
            number = base + q + 1
            more = {
                "sequence_id": f"camera-{number}" if text else number,
                "sequence_start": t == 0,
                "sequence_end": t == steps - 1,
            }
            answer = client.infer(EDGE, ["probability"], window=golden.windows[q : q + 1, t], more=more)
            assert answer.as_numpy("probability")[0, 0] == pytest.approx(golden.probability[q, t], abs=CLOSE)
    with pytest.raises(InferenceServerException, match="not known"):
        client.infer(EDGE, window=golden.windows[:1, 0], more={"sequence_id": base + 1, "sequence_start": False})


def test_ue_model_answers_golden_rows_labels_and_confidence(client: Client) -> None:
    golden = ue_golden()
    answer = client.infer(UE, ["probability", "label", "confidence"], features=golden.rows)
    np.testing.assert_allclose(answer.as_numpy("probability")[:, 0], golden.probability, atol=CLOSE)
    labels = [label.decode() if isinstance(label, bytes) else label for label in answer.as_numpy("label")[:, 0]]
    probability = answer.as_numpy("probability")[:, 0]
    assert labels == ["video" if p >= 0.5 else "non-video" for p in probability]
    np.testing.assert_allclose(
        answer.as_numpy("confidence")[:, 0], np.maximum(probability, 1 - probability), atol=CLOSE
    )


def test_only_the_outputs_asked_for_are_answered(client: Client) -> None:
    answer = client.infer(UE, ["confidence"], features=ue_golden().rows[:2], more={"request_id": "r-1"})
    assert answer.as_numpy("confidence").shape == (2, 1)
    assert answer.as_numpy("probability") is None
    response = as_dict(answer.get_response())
    assert response["id"] == "r-1" and response["model_version"] == "1.0.0"


def test_fp64_is_rounded_over_http(server: Server) -> None:
    golden = ue_golden()
    for kind in ("http", "http-json"):
        client = Client(server, kind)
        tensor = client.tensor("features", golden.rows.astype(np.float64), "FP64")
        answer = client.client.infer(UE, [tensor])
        np.testing.assert_allclose(answer.as_numpy("probability")[:, 0], golden.probability, atol=CLOSE)
        client.client.close()


def test_a_timeout_is_taken(client: Client) -> None:
    answer = client.infer(UE, features=ue_golden().rows[:1], more={"timeout": 30_000_000})
    assert answer.as_numpy("probability").shape == (1, 1)


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"features": np.zeros((1, 47), np.float32)}, "48"),
        ({"features": np.zeros((2, 2, 12), np.float32)}, "shape|rank"),
        ({"features": np.zeros((0, 48), np.float32)}, "shape|batch|rows"),
        ({"window": np.zeros((1, 48), np.float32)}, "window"),
        ({"features": np.full((1, 48), np.nan, np.float32)}, "NaN|finite|JSON"),
        ({"features": np.full((1, 48), np.inf, np.float32)}, "NaN|finite|JSON"),
        ({"features": np.zeros((1, 48), np.float32), "state": np.zeros((1, 65), np.float32)}, "state"),
    ],
    ids=["width", "rank", "empty", "name", "nan", "infinity", "extra"],
)
def test_wrong_tensors_are_refused(client: Client, tensors: dict[str, np.ndarray], complaint: str) -> None:
    with pytest.raises((InferenceServerException, ValueError), match=complaint):
        client.infer(UE, **tensors)
    assert client.client.is_server_ready()


@pytest.mark.parametrize("datatype", [np.int32, np.uint8, np.float16])
def test_wrong_datatypes_are_refused(client: Client, datatype: Any) -> None:
    values = np.zeros((1, 48), datatype)
    name = {np.int32: "INT32", np.uint8: "UINT8", np.float16: "FP16"}[datatype]
    if name == "FP16" and not client.binary:
        pytest.skip("the client cannot send FP16 as JSON")
    with pytest.raises(InferenceServerException, match=name):
        client.client.infer(UE, [client.tensor("features", values, name)])


def test_an_unknown_model_or_version_is_not_found(client: Client) -> None:
    rows = ue_golden().rows[:1]
    with pytest.raises(InferenceServerException, match="not served"):
        client.infer("nobody", features=rows)
    with pytest.raises(InferenceServerException, match=r"9\.9\.9"):
        client.infer(UE, features=rows, more={"model_version": "9.9.9"})
    assert client.infer(UE, features=rows, more={"model_version": "1.0.0"}).as_numpy("probability") is not None


def test_model_config_over_grpc(server: Server) -> None:
    client = Client(server, "grpc")
    config = as_dict(client.client.get_model_config(EDGE))["config"]
    assert config["name"] == EDGE and config["platform"] == "openvino"
    assert {tensor["name"]: int(tensor["dims"][0]) for tensor in config["input"]} == {"window": 88, "state": 65}
    client.client.close()
