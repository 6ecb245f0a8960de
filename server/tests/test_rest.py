"""REST of an ordinary server: labels, flows, ground truth, models, documents."""

from __future__ import annotations

import numpy as np
import pytest
from harness import MODELS, Server
from traffic import CLOSE, capture_windows, decimal_seconds, edge_golden, new_flow, udp_flows, ue_golden, window

START = 1_700_000_000


def test_health_live_and_ready(server: Server) -> None:
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}


def test_every_answer_has_a_request_id_and_keeps_the_clients(server: Server) -> None:
    assert server.get("/v2").headers["X-Request-Id"]
    assert server.get("/v2", headers={"X-Request-Id": "trace-7"}).headers["X-Request-Id"] == "trace-7"


def test_metadata_names_the_server_and_its_extensions(server: Server) -> None:
    metadata = server.get("/v2").json()
    assert metadata["name"].startswith("reelsense")
    assert {"binary_tensor_data", "sequence"} <= set(metadata["extensions"])


@pytest.mark.parametrize("one_request", [True, False], ids=["one request", "a window a request"])
def test_edge_windows_are_labelled_as_the_golden_sequences(server: Server, one_request: bool) -> None:
    golden = edge_golden()
    count, steps = golden.probability.shape
    flows = [new_flow("golden") for _ in range(count)]
    windows = [window(flows[q], START + t, golden.windows[q, t]) for t in range(steps) for q in range(count)]
    if one_request:
        labels = server.classify(model="reelsense-edge", windows=windows)
    else:
        labels = [server.classify(model="reelsense-edge", windows=[one])[0] for one in windows]
    got = np.array([label["probability"] for label in labels]).reshape(steps, count).T
    np.testing.assert_allclose(got, golden.probability, atol=CLOSE)
    for label, one in zip(labels, windows, strict=True):
        assert (label["flow"], label["second"]) == (one["flow"], one["second"])
        assert label["label"] == ("video" if label["probability"] >= 0.5 else "non-video")
        assert label["confidence"] == pytest.approx(max(label["probability"], 1 - label["probability"]), abs=CLOSE)


def test_ue_windows_are_labelled_as_the_golden_rows(server: Server) -> None:
    golden = ue_golden()
    windows = [window(new_flow("ue"), START, row) for row in golden.rows]
    labels = server.classify(model="reelsense-ue", windows=windows)
    np.testing.assert_allclose([label["probability"] for label in labels], golden.probability, atol=CLOSE)


@pytest.mark.parametrize("model", ["reelsense-ue", "reelsense-edge"])
def test_packets_are_labelled_as_the_windows_that_the_extractor_makes_of_them(server: Server, model: str) -> None:
    windows = [w for w in capture_windows("reels-h3.pcap") if w.second < 1_795_422_572]
    names = {flow: new_flow("windows") for flow in {w.flow for w in windows}}
    by_windows = server.classify(model=model, windows=[window(names[w.flow], w.second, w.row) for w in windows])
    end = windows[-1].second + 1
    flows = list(udp_flows("reels-h3.pcap").values())[: len(names)]
    by_packets = server.classify(
        model=model,
        flows=[
            {
                "flow": new_flow("packets"),
                "packets": [
                    [decimal_seconds(p.time_us), p.size, "up" if p.up else "down"]
                    for p in packets
                    if p.time_us < end * 1_000_000
                ],
                "until": end,
            }
            for packets in flows
        ],
    )
    assert len(by_windows) == len(by_packets) > 10
    for flow in names.values():
        expected = [(label["second"], label["probability"]) for label in by_windows if label["flow"] == flow]
        candidates = [
            [(label["second"], label["probability"]) for label in by_packets if label["flow"] == other]
            for other in {label["flow"] for label in by_packets}
        ]
        assert any(
            [s for s, _ in expected] == [s for s, _ in got]
            and np.allclose([p for _, p in expected], [p for _, p in got], atol=CLOSE)
            for got in candidates
        )


def test_packets_in_parts_are_labelled_as_in_one(server: Server) -> None:
    first = next(iter(udp_flows("reels-h3.pcap").values()))
    packets = [[decimal_seconds(p.time_us), p.size, int(not p.up)] for p in first]
    whole = server.classify(flows=[{"flow": new_flow(), "packets": packets, "end": True}])
    name, parts = new_flow(), []
    for at in range(0, len(packets), 977):
        last = at + 977 >= len(packets)
        parts += server.classify(flows=[{"flow": name, "packets": packets[at : at + 977], "end": last}])
    assert [label["second"] for label in parts] == [label["second"] for label in whole]
    np.testing.assert_allclose(
        [label["probability"] for label in parts], [label["probability"] for label in whole], atol=CLOSE
    )


def test_a_flow_shows_its_last_labels_until_it_ends(server: Server) -> None:
    golden = edge_golden()
    flow = new_flow("with / and ü")
    path = "/v1/flows/" + flow.replace("/", "%2F").replace(" ", "%20").replace("ü", "%C3%BC")
    assert server.get(path).status_code == 404
    labels = server.classify(windows=[window(flow, START + t, golden.windows[0, t]) for t in range(3)])
    view = server.get(path).json()
    assert view["model"] == "reelsense-edge@1.0.0"
    assert (view["windows"], view["first_second"], view["last_second"]) == (3, START, START + 2)
    assert [past["second"] for past in view["last"]] == [START + 2, START + 1, START]
    assert [past["probability"] for past in view["last"]] == [label["probability"] for label in labels[::-1]]
    server.classify(windows=[window(flow, START + 3, golden.windows[0, 3], end=True)])
    assert server.get(path).status_code == 404


def test_a_deleted_flow_begins_anew(server: Server) -> None:
    golden = edge_golden()
    flow = new_flow()
    first = server.classify(windows=[window(flow, START, golden.windows[1, 0])])
    assert server.request("DELETE", f"/v1/flows/{flow}").status_code == 204
    assert server.request("DELETE", f"/v1/flows/{flow}").status_code == 404
    again = server.classify(windows=[window(flow, START, golden.windows[1, 0])])
    assert "repeated" not in again[0]
    assert again[0]["probability"] == pytest.approx(first[0]["probability"], abs=CLOSE)


def test_feedback_matches_what_is_remembered(server: Server) -> None:
    golden = edge_golden()
    flow = new_flow()
    server.classify(windows=[window(flow, START + t, golden.windows[2, t]) for t in range(2)])
    truths = [{"flow": flow, "second": START + t, "truth": "video"} for t in range(3)]
    assert server.post("/v1/feedback", {"truths": truths}).json() == {"stored": 3, "matched": 2}
    assert server.post("/v1/feedback", {"truths": []}).json() == {"stored": 0, "matched": 0}


def test_models_lists_what_is_shipped(server: Server) -> None:
    listed = server.get("/v1/models").json()
    assert listed["default"] == "reelsense-edge@1.0.0"
    models = {model["id"]: model for model in listed["models"]}
    assert set(models) == {f"{p.parent.name}@{p.name}" for p in MODELS.glob("*/*")}
    assert all(model["state"] == "ready" for model in models.values())
    edge = models["reelsense-edge@1.0.0"]
    assert (edge["tier"], edge["view"], edge["bins"], len(edge["features"])) == ("server", "packet", 40, 48)
    assert "native trees" in edge["engine"] and ("native network" in edge["engine"] or "OpenVINO" in edge["engine"])


def test_an_alias_is_another_name(server: Server) -> None:
    path = "/v1/aliases/champion"
    try:
        assert server.request("PUT", path, json={"model": "reelsense-ue"}).status_code == 200
        assert server.get("/v1/models").json()["aliases"]["champion"] == "reelsense-ue"
        answer = server.post("/v1/classify", {"model": "champion", "windows": []})
        assert answer.json() == {"model": "reelsense-ue@1.0.0", "labels": []}
    finally:
        assert server.request("DELETE", path).status_code == 204
    assert server.post("/v1/classify", {"model": "champion", "windows": []}).status_code == 404


def test_documents(server: Server) -> None:
    document = server.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    docs = server.get("/docs")
    assert docs.headers["Content-Type"].startswith("text/html")
    for path in document["paths"]:
        assert path in docs.text, path
    root = server.get("/", allow_redirects=False)
    assert (root.status_code, root.headers["Location"]) == (303, "/docs")


def test_every_problem_type_leads_to_its_explanation(server: Server) -> None:
    problem = server.get("/nowhere")
    assert problem.status_code == 404
    assert problem.headers["Content-Type"] == "application/problem+json"
    assert server.get(problem.json()["type"]).status_code == 200  # redirected to /docs


def test_head_is_get_without_a_body(server: Server) -> None:
    get, head = server.get("/openapi.json"), server.request("HEAD", "/openapi.json")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
