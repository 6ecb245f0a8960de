from __future__ import annotations

import threading

import numpy as np
import pytest
from stub_server import Received, Reply, StubServer, closed_port, problem

import reelsense
from reelsense import ReelsenseArgumentError
from reelsense.client import RestClient
from reelsense.client.retry import NO_RETRY
from reelsense.escalation import Escalated, Escalator, TokenBucket


class Edge:
    """A server that is sure of everything."""

    def __init__(self) -> None:
        self.stub = StubServer()
        self.stub.otherwise = self.label

    def label(self, received: Received) -> Reply:
        sure = {"label": "video", "confidence": 0.99, "probability": 0.99, "uncertain": False}
        labels = [{"flow": at["flow"], "second": at["second"]} | sure for at in received.json()["windows"]]
        return Reply(body={"model": "reelsense-edge@1.0.0", "labels": labels})

    def client(self) -> RestClient:
        return RestClient(self.stub.url, retry=NO_RETRY, timeout_s=5)

    def sent(self) -> list[dict]:
        return [window for received in self.stub.received for window in received.json()["windows"]]


@pytest.fixture
def edge():
    one = Edge()
    yield one
    one.stub.stop()


@pytest.fixture(scope="module")
def windows(root) -> reelsense.Windows:
    return reelsense.classify_capture(root / "tests/captures/reels-h3.pcap").windows


def total(counters) -> int:
    return sum(vars(counters).values())


def test_uncertain_windows_come_back_labelled(edge, windows):
    got: list[Escalated] = []
    with Escalator(edge.client(), got.extend, enabled=True, burst=100) as escalator:
        assert escalator.offer(windows) == 10
        assert escalator.wait()
        counters = escalator.counters()
    uncertain = windows[windows.uncertain]
    assert [(at.flow, at.second) for at in got] == [(int(w.flow), int(w.second)) for w in uncertain]
    assert {(at.label, at.confidence, at.uncertain) for at in got} == {("video", 0.99, False)}
    assert (counters.answered, counters.certain) == (10, 22) and total(counters) == len(windows)
    for sent, window in zip(edge.sent(), uncertain, strict=True):
        assert np.array_equal(np.array(sent["features"], np.float32), window.features)
        assert sent["bins"] == window.bins.tolist()


def test_it_is_off_unless_enabled(edge, windows):
    with Escalator(edge.client(), lambda labels: None) as escalator:
        assert escalator.offer(windows) == 0
        escalator.enable()
        assert escalator.offer(windows) > 0
        assert escalator.wait()
        escalator.disable()
        assert escalator.offer(windows) == 0
        assert escalator.counters().disabled == 2 * len(windows)
    assert len(edge.sent()) == 10


def test_names_are_random_by_flow_and_tell_no_time(edge, windows):
    with Escalator(edge.client(), lambda labels: None, enabled=True, burst=100) as escalator:
        escalator.offer(windows)
        assert escalator.wait()
        first = edge.sent()
        flow = int(windows[windows.uncertain].flow[0])
        escalator.flow_ended(flow)
        escalator.offer(windows)
        assert escalator.wait()
        again = edge.sent()[len(first) :]
    uncertain = windows[windows.uncertain]
    by_flow = {int(w.flow): {sent["flow"] for sent, at in zip(first, uncertain, strict=True) if at.flow == w.flow}
               for w in uncertain}  # fmt: skip
    assert all(len(names) == 1 for names in by_flow.values())
    names = [next(iter(names)) for names in by_flow.values()]
    assert len(set(names)) == len(by_flow) and all(len(name) == 32 for name in names)
    assert by_flow[flow] != {again[0]["flow"]}, "an ended flow gets another name"
    for sent, window in zip(first, uncertain, strict=True):
        assert abs(sent["second"] - window.second) > 3600
    seconds = [sent["second"] for sent in first if sent["flow"] == first[0]["flow"]]
    wanted = [int(w.second) for w in uncertain if int(w.flow) == int(uncertain.flow[0])]
    assert np.diff(seconds).tolist() == np.diff(wanted).tolist()


def test_windows_are_batched(edge, windows):
    with Escalator(edge.client(), lambda labels: None, enabled=True, burst=100, batch=4, max_wait_s=5) as escalator:
        many = reelsense.Windows.concat([windows, windows], "packet")
        escalator.offer(many)  # 20 uncertain ones: five full batches, none has to wait
        assert escalator.wait(4)
    assert [len(received.json()["windows"]) for received in edge.stub.received] == [4] * 5


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_limited(edge, windows):
    clock = Clock()
    with Escalator(edge.client(), lambda labels: None, enabled=True, rate=2, burst=3, clock=clock) as escalator:
        assert escalator.offer(windows) == 3
        clock.now += 1.0
        assert escalator.offer(windows) == 2
        clock.now += 1000.0
        assert escalator.wait()
        assert escalator.offer(windows) == 3  # no more than the burst, however long it was quiet
        assert escalator.counters().dropped_limited == 30 - 8


def test_token_bucket_keeps_its_rate():
    clock = Clock()
    bucket = TokenBucket(0.5, 1, clock)
    taken = 0
    for _ in range(800):
        taken += bucket.take()
        clock.now += 0.125  # exact in binary: 100 s in all
    assert taken == 1 + 49
    for rate, burst in ((0, 1), (1, 0)):
        with pytest.raises(ReelsenseArgumentError):
            TokenBucket(rate, burst)


def test_a_full_queue_drops_the_oldest(edge, windows):
    leave = threading.Event()
    edge.stub.replies.append(lambda received: (leave.wait(30), edge.label(received))[1])
    got: list[Escalated] = []
    options = {"enabled": True, "burst": 1000, "batch": 2, "queue": 4, "max_wait_s": 0.0}
    with Escalator(edge.client(), got.extend, **options) as escalator:
        escalator.offer(windows[windows.uncertain][:2])
        while not edge.stub.received:  # the first batch is with the server
            threading.Event().wait(0.01)
        escalator.offer(windows[windows.uncertain][2:])
        assert escalator.counters().dropped_full == 4
        leave.set()
        assert escalator.wait()
    uncertain = windows[windows.uncertain]
    kept = [*range(2), *range(6, 10)]
    assert [(at.flow, at.second) for at in got] == [(int(uncertain.flow[i]), int(uncertain.second[i])) for i in kept]


def test_old_windows_are_not_sent(edge, windows):
    clock = Clock()
    leave = threading.Event()
    edge.stub.replies.append(lambda received: (leave.wait(30), edge.label(received))[1])
    options = {"enabled": True, "burst": 1000, "batch": 1, "max_wait_s": 0.0, "max_age_s": 5.0, "clock": clock}
    with Escalator(edge.client(), lambda labels: None, **options) as escalator:
        escalator.offer(windows[windows.uncertain])
        while not edge.stub.received:
            threading.Event().wait(0.01)
        clock.now += 6
        leave.set()
        assert escalator.wait()
        assert (escalator.counters().answered, escalator.counters().dropped_stale) == (1, 9)


@pytest.mark.parametrize("failure", ["gone", "full", "refused", "wrong"])
def test_what_fails_is_dropped_and_counted(edge, windows, failure):
    client = edge.client()
    if failure == "gone":
        client = RestClient(f"http://127.0.0.1:{closed_port()}", retry=NO_RETRY)
    edge.stub.otherwise = {"gone": edge.label, "full": problem(429, "queue-full"), "wrong": Reply(500, b"x"),
                           "refused": problem(404, "unknown-model")}[failure]  # fmt: skip
    got: list[Escalated] = []
    with Escalator(client, got.extend, enabled=True, burst=100) as escalator:
        escalator.offer(windows)
        assert escalator.wait()
        assert escalator.counters().dropped_failed == 10 and got == []
        edge.stub.otherwise = edge.label
        if failure != "gone":  # and it goes on
            escalator.offer(windows)
            assert escalator.wait()
            assert len(got) == 10


def test_windows_the_server_cannot_label_are_counted(edge, windows):
    def refuse(received: Received) -> Reply:
        asked = received.json()["windows"]
        labels = [{"flow": at["flow"], "second": at["second"], "error": "out_of_order"} for at in asked]
        return Reply(body={"model": "m", "labels": labels})

    edge.stub.otherwise = refuse
    with Escalator(edge.client(), lambda labels: None, enabled=True, burst=100) as escalator:
        escalator.offer(windows)
        assert escalator.wait()
        assert escalator.counters().no_label == 10


def test_an_apps_error_does_not_end_it(edge, windows, caplog):
    def on_labels(labels: list[Escalated]) -> None:
        raise LookupError("of the app")

    with Escalator(edge.client(), on_labels, enabled=True, burst=100) as escalator:
        for _ in range(2):
            escalator.offer(windows)
            assert escalator.wait()
        assert escalator.counters().answered == 20
    assert "of the app" in caplog.text


def test_with_a_classifier_live(edge, model, reels):
    """As an app has it: the classifier's callbacks feed it."""
    got: list[Escalated] = []
    with (
        Escalator(edge.client(), got.extend, enabled=True, rate=1e6, burst=1e6) as escalator,
        reelsense.Capture(reels) as capture,
        reelsense.Classifier(
            model, on_windows=escalator.offer, on_flow_end=lambda flow: escalator.flow_ended(flow.flow)
        ) as classifier,
    ):
        classifier.add_capture(capture)
        classifier.finish()
        assert escalator.wait()
    assert len(got) == 10
    assert escalator._names == {}


def test_options_out_of_range_are_refused(edge):
    for options in ({"batch": 0}, {"batch": 5000}, {"batch": 8, "queue": 4}, {"flows": 0}, {"rate": 0}):
        with pytest.raises(ReelsenseArgumentError):
            Escalator(edge.client(), lambda labels: None, **options)


def test_closing_twice_and_offering_afterwards(edge, windows):
    escalator = Escalator(edge.client(), lambda labels: None, enabled=True)
    escalator.close()
    escalator.close()
    assert escalator.offer(windows) == 0
