"""The router against the server's OpenAPI document: same paths, shapes and statuses for what it serves."""

from __future__ import annotations

import json
import threading

import contract
import numpy as np
import pytest
from requests_of import BAD_CLASSIFY, BAD_INFER, PACKETS, UE, classify, infer, tensor, window

import reelsense

fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

from reelsense.fastapi import Limits, create_app, openapi_document, router  # noqa: E402
from reelsense.fastapi.app import SERVED  # noqa: E402
from reelsense.fastapi.problems import PROBLEMS  # noqa: E402
from reelsense.fastapi.service import Service  # noqa: E402

JSON = {"Content-Type": "application/json"}


class Api:
    """Asks the application, and holds every answer to the document."""

    def __init__(self, **options) -> None:
        self.client = testclient.TestClient(create_app(**options), raise_server_exceptions=True)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None):
        answer = self.client.request(method, path, content=body, headers=headers or (JSON if body is not None else {}))
        pattern = contract.operation(method, path)
        contract.check(method, pattern, answer.status_code, answer.headers, answer.content)
        return answer

    def classify(self, **body):
        answer = self.ask("POST", "/v1/classify", classify(**body))
        assert answer.status_code == 200, answer.text
        return answer.json()["labels"]


@pytest.fixture(scope="module")
def api() -> Api:
    return Api()


def test_served_paths_and_methods_are_the_documents():
    for path, methods in SERVED.items():
        for method in methods:
            assert method in contract.DOCUMENT["paths"][path]
    served = openapi_document()["paths"]
    assert served.keys() == SERVED.keys()
    for path, operations in served.items():
        for method in SERVED[path]:
            assert operations[method] == contract.DOCUMENT["paths"][path][method]


def test_problems_are_the_documents(root):
    known = contract.DOCUMENT["components"]["schemas"]["Problem"]["properties"]["type"]["enum"]
    errors = (root / "docs/reference/server-errors.md").read_text()
    source = (root / "server/http/problem.cc").read_text()
    for slug, (status, title) in PROBLEMS.items():
        assert f"/problems/{slug}" in known
        assert f"| `{slug}` | {status} |" in errors
        assert f'"{title}"' in source


def test_windows_are_labelled_as_the_model_does(api, real_rows, model):
    decisions = model.classify(real_rows)
    labels = api.classify(windows=[{"flow": f"w{i}", "second": 7, "features": row.tolist(), "bins": [0] * 40}
                                   for i, row in enumerate(real_rows)])  # fmt: skip
    assert [at["label"] for at in labels] == decisions.labels
    assert np.array_equal(np.array([at["probability"] for at in labels], np.float32), decisions.probability)
    assert np.array_equal(np.array([at["confidence"] for at in labels], np.float32), decisions.confidence)
    assert [at["uncertain"] for at in labels] == decisions.uncertain.tolist()


def test_packets_give_the_extractors_windows(api, model):
    """In one request and packet by packet: the rows, and so the labels, of reelsense.extract."""
    random = np.random.default_rng(3)
    times = 1_700_000_000 * 10**9 + np.sort(random.integers(0, 8 * 10**9, 600))
    sizes = random.integers(40, 1501, 600, dtype=np.uint32)
    ways = random.integers(0, 2, 600, dtype=np.uint8)
    rows = reelsense.extract(times, sizes, ways)
    wanted = model.classify(rows.values)
    parts = [f"[{t // 10**9}.{t % 10**9:09d},{s},{w}]" for t, s, w in zip(times.tolist(), sizes, ways, strict=True)]

    def ask(flow: str, packets: list[str], end: bool) -> list[dict]:
        sent = f'{{"flow":"{flow}","packets":[{",".join(packets)}],"end":{str(end).lower()}}}'
        body = f'{{"model":"{UE}","flows":[{sent}]}}'
        return api.ask("POST", "/v1/classify", body.encode()).json()["labels"]

    at_once = ask("at once", parts, True)
    one_by_one = [label for i, part in enumerate(parts) for label in ask("one by one", [part], i == len(parts) - 1)]
    for labels in (at_once, one_by_one):
        assert [at["second"] for at in labels] == rows.seconds.tolist()
        assert np.array_equal(np.array([at["probability"] for at in labels], np.float32), wanted.probability)


def test_a_second_is_labelled_when_it_is_over(api):
    assert [at["second"] for at in api.classify(flows=[{"flow": "p", "packets": PACKETS}])] == [1_700_000_000]
    assert [at["second"] for at in api.classify(flows=[{"flow": "p", "packets": [], "until": 1700000001.5}])] == []
    labels = api.classify(flows=[{"flow": "p", "packets": [], "until": 1700000002}])
    assert [at["second"] for at in labels] == [1_700_000_001]
    assert api.classify(flows=[{"flow": "p", "packets": [], "end": True}]) == []
    assert api.ask("GET", "/v1/flows/p").status_code == 404


def test_repeated_and_old_seconds(api):
    first = api.classify(windows=[window("r", second) for second in range(20, 32)])
    assert not any("repeated" in at for at in first)
    again = api.classify(windows=[window("r", 31) | {"features": [9.0] * 48}, window("r", 24), window("r", 23)])
    assert again[0]["repeated"] and again[0]["probability"] == first[-1]["probability"]
    assert again[1]["repeated"]
    assert again[2] == {"flow": "r", "second": 23, "error": "out_of_order"}
    twice = api.classify(windows=[window("r2", 5), window("r2", 5) | {"features": [9.0] * 48}])
    assert twice[1]["repeated"] and twice[0]["probability"] == twice[1]["probability"]


def test_flows_are_remembered_and_forgotten(api):
    api.classify(windows=[window("a/b c?é", second) for second in (5, 6, 9)])
    view = api.client.get("/v1/flows/a%2Fb%20c%3F%C3%A9")
    contract.check("GET", "/v1/flows/{flow}", view.status_code, view.headers, view.content)
    told = view.json()
    assert (told["windows"], told["first_second"], told["last_second"]) == (3, 5, 9)
    assert [past["second"] for past in told["last"]] == [9, 6, 5] and told["model"] == "reelsense-ue@1.0.0"
    assert api.client.delete("/v1/flows/a%2Fb%20c%3F%C3%A9").status_code == 204
    assert api.client.get("/v1/flows/a%2Fb%20c%3F%C3%A9").status_code == 404
    api.classify(windows=[window("ended", 5, end=True)])
    assert api.ask("GET", "/v1/flows/ended").status_code == 404
    assert api.ask("GET", "/v1/flows/" + "x" * 257).status_code == 400


@pytest.mark.parametrize("wrong", BAD_CLASSIFY)
def test_bad_bodies_are_refused_and_change_nothing(api, wrong):
    answer = api.ask("POST", "/v1/classify", BAD_CLASSIFY[wrong])
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/invalid-request" and answer.json()["errors"]
    assert api.classify(windows=[window(f"after {wrong}")])[0]["label"] in ("video", "non-video")


def test_messages_say_where_and_what(api):
    answer = api.ask("POST", "/v1/classify", BAD_CLASSIFY["second negative"]).json()
    assert answer["detail"] == "windows[0].second: an integer from 0 to 7258118400 is expected, not -1"
    assert answer["errors"] == [{"where": "windows[0].second",
                                 "problem": "an integer from 0 to 7258118400 is expected, not -1"}]  # fmt: skip


def test_unknown_models_are_named(api):
    answer = api.ask("POST", "/v1/classify", json.dumps({"windows": [], "model": "nobody"}).encode())
    assert answer.status_code == 404 and answer.json()["type"] == "/problems/unknown-model"
    assert "reelsense-ue@1.0.0" in answer.json()["detail"]
    for path in ("/v2/models/nobody", "/v2/models/reelsense-ue/versions/9.9.9", "/v2/models/nobody/ready"):
        assert api.ask("GET", path).status_code == 404
    assert api.ask("POST", "/v2/models/nobody/infer", infer(tensor())).json()["error"]


def test_content_types_sizes_and_times(api):
    assert api.ask("POST", "/v1/classify", b"{}", {"Content-Type": "text/plain"}).status_code == 415
    assert api.ask("POST", "/v1/classify", b"{}", JSON | {"Content-Encoding": "gzip"}).status_code == 415
    assert api.ask("POST", "/v1/classify", b"{}", {"Content-Type": ""}).status_code == 400
    for wrong in ("0", "x", "600001", "-1"):
        assert api.ask("POST", f"/v1/classify?timeout_ms={wrong}", classify(windows=[])).status_code == 400
    assert api.ask("POST", "/v1/classify?timeout_ms=1000", classify(windows=[])).status_code == 200
    small = Api(limits=Limits(max_body_bytes=1000))
    assert small.ask("POST", "/v1/classify", b"x" * 1001).status_code == 413

    def parts():
        yield from [b"x" * 600] * 2  # chunked: no length is told

    answer = small.client.post("/v1/classify", content=parts(), headers=JSON)
    assert answer.status_code == 413


def test_a_late_request_is_a_deadline():
    service = Service(None, "reelsense-ue", "native", Limits(), clock=lambda: 5.0)
    with pytest.raises(Exception, match="in time") as caught:
        service.classify(0, classify(windows=[window()]), begun=0.0, timeout_s=0.001)
    assert caught.value.status == 504


def test_request_ids_are_echoed_or_made(api):
    answer = api.ask("GET", "/v1/models", headers={"X-Request-Id": "trace-1/a"})
    assert answer.headers["x-request-id"] == "trace-1/a"
    made = api.ask("POST", "/v1/classify", b"", JSON | {"X-Request-Id": "not sane"})
    assert made.headers["x-request-id"] == made.json()["request_id"] != "not sane"


def test_models_metadata_health(api):
    models = api.ask("GET", "/v1/models").json()
    assert [m["name"] for m in models["models"]] == [UE, f"{UE}-linear", f"{UE}-socket"]
    assert models["default"] == f"{UE}@1.0.0"
    assert api.ask("GET", "/v2").json()["name"] == "reelsense"
    assert api.ask("GET", "/v2/health/live").json() == {"live": True}
    assert api.ask("GET", "/v2/health/ready").json() == {"ready": True}
    assert [m["state"] for m in api.ask("POST", "/v2/repository/index", b"").json()] == ["READY"] * 3
    told = api.ask("GET", "/v2/models/reelsense-ue-socket").json()
    assert told["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 28]}]
    assert api.ask("GET", f"/v2/models/{UE}/versions/1.0.0/ready").json() == {"name": UE, "ready": True}
    assert api.client.head("/v1/models").status_code == 200
    assert api.ask("GET", "/openapi.json").json()["paths"].keys() == SERVED.keys()


def test_feedback_is_not_offered(api):
    assert api.ask("POST", "/v1/feedback", b'{"truths": []}').status_code == 501
    assert api.ask("POST", "/v1/observations", b"{}").status_code == 501


def test_paths_and_methods_that_are_not_there(api):
    answer = api.client.get("/v1/nothing")
    assert answer.status_code == 404 and answer.json()["type"] == "/problems/not-found"
    answer = api.client.put("/v1/models")
    assert answer.status_code == 405 and answer.json()["type"] == "/problems/method-not-allowed"
    assert "GET" in answer.headers["allow"]


def test_inside_another_application(model):
    app = fastapi.FastAPI()
    app.include_router(router(), prefix="/reelsense")
    client = testclient.TestClient(app)
    answer = client.post("/reelsense/v1/classify", content=classify(windows=[window()]), headers=JSON)
    assert answer.status_code == 200
    assert client.get("/reelsense/v2/models/nobody").json()["error"]
    assert client.get("/elsewhere").json() == {"detail": "Not Found"}
    assert "/reelsense/v1/classify" not in client.get("/openapi.json").json()["paths"]


# ---- keys ----

KEYS = {"rs_infer": ["infer"], "rs_feedback": ["feedback"], "rs_other": ["infer"]}


def test_keys_open_what_their_scopes_say():
    api = Api(api_keys=KEYS)
    body = classify(windows=[window()])

    def ask(headers: dict) -> int:
        return api.ask("POST", "/v1/classify", body, JSON | headers).status_code

    assert ask({}) == 401
    assert ask({"Authorization": "Bearer nonsense"}) == 401
    assert ask({"Authorization": "Basic rs_infer"}) == 401
    assert ask({"Authorization": "Bearer rs_feedback"}) == 403
    assert ask({"Authorization": "bearer rs_infer"}) == 200
    assert ask({"X-API-Key": "rs_infer"}) == 200
    assert api.ask("GET", "/v2/health/ready").status_code == 200
    assert api.ask("GET", "/openapi.json").status_code == 200
    assert api.ask("GET", "/v1/models").headers["www-authenticate"] == "Bearer"
    with pytest.raises(ValueError, match="scopes"):
        create_app(api_keys={"k": ["everything"]})


def test_flows_of_two_keys_never_meet():
    api = Api(api_keys=KEYS)
    for key in ("rs_infer", "rs_other"):
        answer = api.ask("POST", "/v1/classify", classify(windows=[window("same", 5)]), JSON | {"X-API-Key": key})
        assert "repeated" not in answer.json()["labels"][0]
    assert api.ask("DELETE", "/v1/flows/same", headers={"X-API-Key": "rs_infer"}).status_code == 204
    assert api.ask("GET", "/v1/flows/same", headers={"X-API-Key": "rs_other"}).status_code == 200


# ---- bounds ----


def test_flows_are_bounded_and_idle_ones_forgotten():
    clock = [0.0]
    service = Service(None, "reelsense-ue", "native", Limits(max_flows=3, idle_timeout_s=10), clock=lambda: clock[0])

    def ask(*names: str) -> None:
        service.classify(0, classify(windows=[window(name) for name in names]), clock[0], 1.0)

    ask("a", "b", "c", "a", "d")
    assert len(service.flows) == 3
    with pytest.raises(Exception, match="no flow"):
        service.describe_flow(0, "b")  # the one used longest ago
    assert service.describe_flow(0, "a")["windows"] == 1
    clock[0] += 11
    ask("e")
    assert len(service.flows) == 1


# ---- the Open Inference Protocol ----


def test_infer_json(api, real_rows, model):
    rows = real_rows[:5]
    outputs = [{"name": name} for name in ("probability", "label", "confidence")]
    data = [tensor(5, data=rows.tolist())]
    answer = api.ask("POST", f"/v2/models/{UE}/infer", infer(*data, id="x", outputs=outputs)).json()
    wanted = model.classify(rows)
    assert answer["id"] == "x" and answer["model_version"] == "1.0.0"
    got = {at["name"]: at["data"] for at in answer["outputs"]}
    assert np.array_equal(np.array(got["probability"], np.float32), wanted.probability)
    assert got["label"] == wanted.labels
    assert np.array_equal(np.array(got["confidence"], np.float32), wanted.confidence)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_infer_binary(api, real_rows, model, datatype):
    rows = real_rows[:4].astype("<f4" if datatype == "FP32" else "<f8")
    size = {"binary_data_size": rows.nbytes}
    about = {"name": "features", "datatype": datatype, "shape": [4, 48], "parameters": size}
    head = infer(about, outputs=[{"name": "label"}, {"name": "probability", "parameters": {"binary_data": False}}],
                 parameters={"binary_data_output": True})  # fmt: skip
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    answer = api.ask("POST", f"/v2/models/{UE}/versions/1.0.0/infer", head + rows.tobytes(), headers)
    length = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.content[:length])["outputs"]
    wanted = model.classify(real_rows[:4])
    assert outputs[0]["parameters"]["binary_data_size"] == len(answer.content) - length
    labels = b"".join(len(text).to_bytes(4, "little") + text.encode() for text in wanted.labels)
    assert answer.content[length:] == labels
    assert np.array_equal(np.array(outputs[1]["data"], np.float32), wanted.probability)
    # What is not finite has no label.
    rows[2, 3] = np.nan
    answer = api.ask("POST", f"/v2/models/{UE}/infer", head + rows.tobytes(), headers)
    assert answer.status_code == 400 and "inputs[0][2]" in answer.text
    for cut in (head + rows.tobytes()[:-1], head + rows.tobytes() + b"x"):
        assert api.ask("POST", f"/v2/models/{UE}/infer", cut, headers).status_code == 400
    for wrong in ("x", "-1", str(len(head) + rows.nbytes + 1)):
        headers["Inference-Header-Content-Length"] = wrong
        assert api.ask("POST", f"/v2/models/{UE}/infer", head + rows.tobytes(), headers).status_code == 400


@pytest.mark.parametrize("wrong", BAD_INFER)
def test_bad_tensors_are_refused(api, wrong):
    answer = api.ask("POST", f"/v2/models/{UE}/infer", BAD_INFER[wrong])
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == answer.json()["detail"]


def test_sequences_begin_go_on_and_end(api):
    def ask(**parameters):
        body = infer(tensor(), parameters={"sequence_id": 9, **parameters})
        return api.ask("POST", f"/v2/models/{UE}/infer", body).status_code

    assert ask() == 400
    assert [ask(sequence_start=True), ask(), ask(sequence_end=True), ask()] == [200, 200, 200, 400]
    body = infer(tensor(2), parameters={"sequence_id": 0})
    assert api.ask("POST", f"/v2/models/{UE}/infer", body).status_code == 200


def test_large_requests_run_off_the_loop(api, real_rows, model):
    rows = np.tile(real_rows, (4096 // len(real_rows) + 1, 1))[:4096]
    answer = api.ask("POST", f"/v2/models/{UE}/infer", infer(tensor(4096, data=rows.ravel().tolist()))).json()
    assert np.array_equal(np.array(answer["outputs"][0]["data"], np.float32), model.classify(rows).probability)


def test_many_clients_at_once(api, real_rows, model):
    """Each has flows of its own, in its own thread: every label is right, and none is taken for another's."""
    wanted = model.classify(real_rows).probability
    wrong: list[str] = []

    def work(name: str) -> None:
        for begin in range(0, 120, 10):
            windows = [{"flow": name, "second": i, "features": real_rows[i].tolist()} for i in range(begin, begin + 10)]
            labels = api.classify(windows=windows)
            got = np.array([at["probability"] for at in labels], np.float32)
            if not np.array_equal(got, wanted[begin : begin + 10]) or any("repeated" in at for at in labels):
                wrong.append(f"{name} {begin}")

    threads = [threading.Thread(target=work, args=(f"client {i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_router_on_another_backend(real_rows):
    pytest.importorskip("onnxruntime")
    api = Api(bundles=[reelsense.find(UE)], backend="onnxruntime")
    labels = api.classify(windows=[{"flow": "w", "second": 1, "features": real_rows[0].tolist()}])
    wanted = reelsense.find(UE).load("onnxruntime").classify(real_rows[0])
    assert np.float32(labels[0]["probability"]) == wanted.probability[0]
    assert api.ask("GET", "/v1/models").json()["models"][0]["engine"] == "onnxruntime"


def test_defaults_that_are_not_there_are_named():
    with pytest.raises(reelsense.ReelsenseArgumentError, match="nobody"):
        router(default="nobody")


