"""/metrics: it parses, and its counters add up to what was asked."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import grpc
import pytest
from bundles import tiny_row
from harness import CAPTURES, ROOT, Server, packets_of_a_second, run_server_command, wait_until
from prometheus_client.parser import text_string_to_metric_families

MODEL = "tiny-ue@1.0.0"


@pytest.fixture
def used(start_server, stubs: SimpleNamespace) -> Server:
    """Asked for 30 windows over REST (10 of them again, 1 too late, 1 with NaN over gRPC) and 20 over gRPC."""
    server: Server = start_server()
    windows = [{"flow": f"f{i % 3}", "second": i, "features": tiny_row(4 + i % 20)} for i in range(30)]
    server.classify(windows=windows)
    again = server.classify(windows=windows[-10:])
    assert all(label["repeated"] for label in again)
    (late,) = server.classify(windows=windows[:1])
    assert late["error"] == "out_of_order"
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = stubs.rpc.FlowClassifierStub(channel)
        rows = [stubs.pb.Window(flow=b"g", second=i, features=tiny_row(20.0)) for i in range(20)]
        stub.Classify(stubs.pb.ClassifyRequest(windows=rows))
        bad = stubs.pb.Window(flow=b"h", second=1, features=tiny_row(float("nan")))
        stub.Classify(stubs.pb.ClassifyRequest(windows=[bad]))
    assert server.post("/v1/classify", {"windows": 1}).status_code == 400
    wait_until(lambda: server.metric("reelsense_server_log_rows_total") == 50, "50 rows in the log")
    return server


def test_counters_add_up(used: Server) -> None:
    by_label = {label: used.metric("reelsense_server_windows_total", model=MODEL, label=label)
                for label in ("video", "non-video")}  # fmt: skip
    assert sum(by_label.values()) == 50
    assert by_label["video"] >= 20
    assert used.metric("reelsense_server_repeated_windows_total", model=MODEL) == 10
    assert used.metric("reelsense_server_confidence_count", model=MODEL) == 50
    assert used.metric("reelsense_server_queue_seconds_count", model=MODEL) == 50
    assert used.metric("reelsense_server_batch_size_sum", model=MODEL) == 50
    batches = used.metric("reelsense_server_batch_size_count", model=MODEL)
    assert used.metric("reelsense_server_compute_seconds_count", model=MODEL) == batches > 0
    assert used.metric("reelsense_server_flows_opened_total") >= 4
    assert used.metric("reelsense_server_queue_depth") == 0
    assert used.metric("reelsense_server_log_dropped_total") == 0


def test_window_errors_are_counted(used: Server) -> None:
    assert used.metric("reelsense_server_window_errors_total", model=MODEL, code="invalid") == 1
    assert used.metric("reelsense_server_window_errors_total", model=MODEL, code="out_of_order") == 1


def test_requests_are_counted_by_route_and_status(used: Server) -> None:
    requests = "reelsense_server_requests_total"
    assert used.metric(requests, api="rest", route="/v1/classify", status="200") == 3
    assert used.metric(requests, api="rest", route="/v1/classify", status="400") == 1
    assert used.metric(requests, api="grpc", route="FlowClassifier/Classify", status="OK") == 2
    assert used.metric("reelsense_server_request_duration_seconds_count", api="rest", route="/v1/classify") == 4
    assert used.metric("reelsense_server_refused_total", api="rest", reason="bad_request") == 1
    used.get("/nowhere/" + "x" * 50)
    routes = {labels["route"] for name, labels, _ in used.samples() if name == requests}
    assert not any("nowhere" in route for route in routes)  # a client cannot make series


def test_histograms_are_cumulative_and_end_at_their_count(used: Server) -> None:
    buckets: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    counts: dict[tuple[str, str], float] = {}
    for name, labels, value in used.samples():
        bound = labels.pop("le", None)
        key = (name.removesuffix("_bucket").removesuffix("_count"), str(sorted(labels.items())))
        if bound is not None:
            buckets[key].append((float(bound), value))
        elif name.endswith("_count"):
            counts[key] = value
    assert len(buckets) >= 6
    for key, values in buckets.items():
        rising = [count for _, count in sorted(values)]
        assert rising == sorted(rising), key
        assert rising[-1] == counts[key], key


def test_analysed_windows_count_too(start_server) -> None:
    server: Server = start_server()
    answer = server.request(
        "POST", "/v1/analyses", data=(CAPTURES / "feed-h2.pcap").read_bytes(),
        headers={"Content-Type": "application/vnd.tcpdump.pcap"},
    )  # fmt: skip
    path = f"/v1/analyses/{answer.json()['id']}"
    wait_until(lambda: server.get(path).json()["state"] == "done", "analysis done", 60)
    windows = server.get(path).json()["summary"]["windows"]
    assert server.metric("reelsense_server_windows_total", model=MODEL) == windows > 0


def test_live_flows_follow_the_flows(start_server) -> None:
    server: Server = start_server()
    server.classify(flows=[packets_of_a_second(f"f{i}", end=False) for i in range(7)])
    assert server.metric("reelsense_server_live_flows") == 7
    server.classify(flows=[{"flow": f"f{i}", "packets": [], "end": True} for i in range(3)])
    assert server.metric("reelsense_server_live_flows") == 4


def test_the_reference_page_names_every_family(used: Server) -> None:
    page = run_server_command("--reference", "metrics").stdout
    families = {family.name for family in text_string_to_metric_families(used.get("/metrics").text)}
    assert len(families) > 20
    for family in families:
        assert family in page, family
    written = ROOT / "docs/reference/server-metrics.md"
    assert not written.exists() or written.read_text() == page
