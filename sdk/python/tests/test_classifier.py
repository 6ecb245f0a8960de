from __future__ import annotations

import gc
import os
import threading

import numpy as np
import pytest

import reelsense
from reelsense import (
    Classifier,
    ReelsenseArgumentError,
    ReelsenseBusyError,
    ReelsenseClosedError,
    ReelsenseMismatchError,
)

NS = 10**9
START = 1_700_000_000 * NS


def video(classifier: Classifier, seconds: int = 12, start: int = START) -> int:
    """A flow as a reels player reads it: a request and a megabyte, every two seconds."""
    flow = classifier.flow_open(start)
    for second in range(0, seconds, 2):
        at = start + second * NS
        classifier.flow_write(flow, 700, at)
        for i in range(60):
            classifier.flow_read(flow, 16_384, at + 50_000_000 + i * 5_000_000)
    return flow


def frame(time_ns: int, size: int, *, up: bool) -> reelsense.classifier.Frame:
    """An Ethernet frame with IPv4 and TCP headers and nothing else captured."""
    client, server = bytes([10, 0, 0, 7]), bytes([203, 0, 113, 80])
    ports = (40_000, 443) if up else (443, 40_000)
    source, destination = (client, server) if up else (server, client)
    ip = bytes([0x45, 0]) + size.to_bytes(2, "big") + bytes(4) + bytes([64, 6, 0, 0]) + source + destination
    tcp = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + bytes(8) + bytes([0x50, 0x10]) + bytes(6)
    return time_ns, bytes(12) + b"\x08\x00" + ip + tcp, size + 14


def test_socket_view_labels_every_second(socket_model):
    windows: list[reelsense.Window] = []
    seconds: list[reelsense.Second] = []
    ended: list[reelsense.FlowSummary] = []
    with Classifier(socket_model, on_windows=windows.extend, on_second=seconds.append, on_flow_end=ended.append) as c:
        flow = video(c)
        c.flow_close(flow, START + 12 * NS)
        c.advance(START + 13 * NS)
        counters = c.counters()
    assert [w.second for w in windows] == [1_700_000_000 + k for k in range(0, 12, 2)]
    assert {w.flow for w in windows} == {flow}
    assert windows[0].bytes_down == 60 * 16_384 and windows[0].bytes_up == 700
    assert windows[0].features.shape == (28,) and windows[0].bins.sum() == windows[0].bytes_down + 700
    assert windows[0].tuple == ("", 0, "", 0, 0)
    assert [s.second for s in seconds[:3]] == [1_700_000_000, 1_700_000_001, 1_700_000_002]
    assert seconds[0].bytes_down == 60 * 16_384 and seconds[1].windows == 0
    assert seconds[-1].qos.buffer_target_ms > 0
    assert [(f.flow, f.reason, f.windows, f.bytes_down) for f in ended] == [(flow, "finished", 6, 6 * 60 * 16_384)]
    assert (counters.windows, counters.records, counters.ended) == (6, 6 * 61, {"finished": 1})


def test_frames_and_packets_give_the_same_windows(model):
    times = [START + i * 20_000_000 for i in range(200)]
    found = []
    for kind in ("frames", "packets"):
        seen: list[reelsense.Windows] = []
        with Classifier(model, on_windows=seen.append) as classifier:
            if kind == "frames":
                classifier.add_frames([frame(t, 1400 if i % 4 else 90, up=i % 4 == 0) for i, t in enumerate(times)])
            else:
                up = [i % 4 == 0 for i in range(len(times))]
                ends = ("10.0.0.7", "203.0.113.80")
                classifier.add_packets(reelsense.packets(
                    times, [ends[not way] for way in up], [ends[way] for way in up],
                    [40_000 if way else 443 for way in up], [443 if way else 40_000 for way in up],
                    [90 if way else 1400 for way in up], tcp_flags=16,
                ))  # fmt: skip
        found.append(reelsense.Windows.concat(seen, "packet"))
    frames, packets = found
    assert len(frames) == 4
    assert np.array_equal(frames.features, packets.features)
    assert frames[0].tuple == packets[0].tuple == ("10.0.0.7", 40_000, "203.0.113.80", 443, 6)


def test_frames_that_are_no_packets_are_counted(model):
    with Classifier(model) as classifier:
        classifier.add_frames([(START, b"\xff" * 60, 60), frame(START, 100, up=True)])
        classifier.add_frames([])
        counters = classifier.counters()
    assert counters.records == 1 and sum(counters.dropped.values()) == 1


def test_windows_stay_valid_after_the_callback(socket_model):
    kept: list[reelsense.Windows] = []
    with Classifier(socket_model, on_windows=kept.append) as classifier:
        video(classifier, 40)
    gc.collect()
    labelled = socket_model.classify(np.concatenate([w.features for w in kept]))
    assert np.array_equal(labelled.probability, np.concatenate([w.probability for w in kept]))


def test_peek_answers_before_the_second_ends(socket_model):
    with Classifier(socket_model) as classifier:
        flow = classifier.flow_open(START)
        classifier.flow_write(flow, 700, START)
        classifier.flow_read(flow, 900_000, START + 300_000_000)
        peeked = classifier.flow_peek(flow)
        assert peeked.label in ("video", "non-video") and 0.5 <= peeked.confidence <= 1
        assert classifier.counters().windows == 0


def test_set_model_swaps_and_refuses_another_view(model, socket_model):
    linear = reelsense.load("reelsense-ue-linear")
    with Classifier(model) as classifier:
        classifier.set_model(linear)
        with pytest.raises(ReelsenseMismatchError, match="view socket"):
            classifier.set_model(socket_model)


def test_features_without_a_model():
    windows: list[reelsense.Window] = []
    with Classifier(view="socket", on_windows=windows.extend) as classifier:
        video(classifier, 2)
    assert windows[0].uncertain and windows[0].probability == 0.5 and windows[0].features.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_flows": 0}, "max_flows"),
        ({"max_flows": -1}, "max_flows"),
        ({"max_flows": 2**40}, "max_flows"),
        ({"idle_timeout_ns": 1}, "idle_timeout"),
        ({"active_timeout_ns": 10**18}, "active_timeout"),
        ({"view": "record"}, "packet, socket"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ReelsenseArgumentError, match=message):
        Classifier(**options)


def test_a_model_of_another_view_is_refused(socket_model):
    with pytest.raises(ReelsenseMismatchError):
        Classifier(socket_model, view="packet")


def test_a_backend_is_no_model():
    class Other:
        view = "packet"

    with pytest.raises(ReelsenseArgumentError, match=r"reelsense\.Model is expected"):
        Classifier(Other())


def test_calls_of_the_other_view_are_refused(model, socket_model, reels):
    with Classifier(model) as classifier, pytest.raises(ReelsenseMismatchError, match="socket"):
        classifier.flow_open(START)
    packets = reelsense.packets([START], ["10.0.0.7"], ["203.0.113.80"], [40_000], [443], [100])
    with Classifier(socket_model) as sockets, reelsense.Capture(reels) as capture:
        for call in (
            lambda: sockets.add_frames([frame(START, 100, up=True)]),
            lambda: sockets.add_packets(packets),
            lambda: sockets.add_capture(capture),
        ):
            with pytest.raises(ReelsenseMismatchError, match="view packet, not socket"):
                call()


def test_frames_and_packets_out_of_range_are_refused(model):
    packets = reelsense.packets([START], ["10.0.0.7"], ["203.0.113.80"], [40_000], [443], [100])
    with Classifier(model) as classifier:
        with pytest.raises(reelsense.ReelsenseUnsupportedError, match="link type 147"):
            classifier.add_frames([frame(START, 100, up=True)], link=147)
        with pytest.raises(ReelsenseArgumentError, match=r"reelsense\.PACKET"):
            classifier.add_packets(np.zeros(3))
        packets["ip_version"] = 5
        with pytest.raises(ReelsenseArgumentError, match="version"):
            classifier.add_packets(packets)
        assert classifier.counters().records == 0


def test_closed_flows_are_refused(socket_model):
    with Classifier(socket_model) as classifier:
        flow = classifier.flow_open(START)
        classifier.flow_close(flow, START)
        for call in (classifier.flow_read, classifier.flow_write):
            with pytest.raises(ReelsenseClosedError, match=str(flow)):
                call(flow, 1, START)
        with pytest.raises(ReelsenseClosedError):
            classifier.flow_close(flow, START)
        with pytest.raises(ReelsenseClosedError):
            classifier.flow_peek(flow)
        with pytest.raises(ReelsenseClosedError):
            classifier.flow_read(0, 1, START)
        again = classifier.flow_open(START)
        assert again not in (0, flow)


def test_a_full_table_evicts_the_quietest(socket_model):
    ended: list[reelsense.FlowSummary] = []
    with Classifier(socket_model, max_flows=2, on_flow_end=ended.append) as classifier:
        first, second = classifier.flow_open(START), classifier.flow_open(START)
        classifier.flow_read(first, 10, START + NS)
        classifier.flow_open(START + 2 * NS)
        with pytest.raises(ReelsenseClosedError):
            classifier.flow_read(second, 10, START + 2 * NS)
    assert [(f.flow, f.reason) for f in ended][:1] == [(second, "evicted")]


def test_times_and_counts_out_of_range_are_refused(socket_model):
    with Classifier(socket_model) as classifier:
        flow = classifier.flow_open(START)
        for time in (-1, 2**63, 10**20):
            with pytest.raises(ReelsenseArgumentError, match="1970"):
                classifier.advance(time)
        with pytest.raises(ReelsenseArgumentError):
            classifier.flow_read(flow, -1, START)
        with pytest.raises(ReelsenseArgumentError):
            classifier.flow_read(-1, 1, START)
        with pytest.raises(ReelsenseArgumentError):
            classifier.flow_read(flow, 2**31 + 1, START)
        classifier.flow_read(flow, 5, START - NS)  # late: counts in the latest second
        classifier.advance(START - NS)  # earlier than the latest: nothing
        classifier.flow_read(flow, 5, -1)  # before 1970: dropped
        counters = classifier.counters()
        assert (counters.records, counters.late, sum(counters.dropped.values())) == (1, 1, 1)


def test_a_closed_classifier_refuses_and_closes_again(socket_model):
    classifier = Classifier(socket_model)
    classifier.close()
    classifier.close()
    read = lambda: classifier.flow_read(1, 1, START)  # noqa: E731
    for call in (classifier.finish, classifier.counters, lambda: classifier.flow_open(START), read):
        with pytest.raises(ReelsenseClosedError):
            call()


def test_callbacks_may_not_call_back(socket_model):
    refused: list[type] = []

    def on_windows(_windows: reelsense.Windows) -> None:
        for call in (lambda: classifier.advance(START), classifier.close, classifier.counters):
            try:
                call()
            except ReelsenseBusyError as error:
                refused.append(type(error))

    classifier = Classifier(socket_model, on_windows=on_windows)
    video(classifier, 2)
    classifier.finish()
    assert refused == [ReelsenseBusyError] * 3
    assert classifier.counters().refused_calls == 3
    classifier.close()


def test_what_a_callback_raises_comes_out_of_the_call(socket_model):
    calls: list[int] = []

    def on_windows(windows: reelsense.Windows) -> None:
        calls.append(len(windows))
        raise LookupError("of the app")

    seconds: list[reelsense.Second] = []
    classifier = Classifier(socket_model, on_windows=on_windows, on_second=seconds.append)
    video(classifier, 1)
    with pytest.raises(LookupError, match="of the app"):
        classifier.advance(START + 5 * NS)
    assert calls == [1] and seconds == []  # left out after the first error
    classifier.advance(START + 6 * NS)
    assert seconds  # and it goes on
    classifier.close()


def test_two_threads_one_is_refused(socket_model):
    """The second call comes surely while the first runs: the first waits in its callback."""
    inside, leave = threading.Event(), threading.Event()

    def on_windows(_windows: reelsense.Windows) -> None:
        inside.set()
        assert leave.wait(30)

    classifier = Classifier(socket_model, on_windows=on_windows)
    video(classifier, 1)
    worker = threading.Thread(target=classifier.advance, args=(START + 2 * NS,))
    worker.start()
    try:
        assert inside.wait(30)
        with pytest.raises(ReelsenseBusyError, match="one thread at a time"):
            classifier.flow_open(START)
        with pytest.raises(ReelsenseBusyError):
            classifier.close()
    finally:
        leave.set()
        worker.join()
    assert classifier.counters().refused_calls == 2
    classifier.close()


def test_two_threads_at_full_speed_lose_nothing(socket_model):
    """Each call either counts or raises ReelsenseBusyError."""
    classifier = Classifier(socket_model)
    flow = classifier.flow_open(START)
    done = [0, 0]

    def work(place: int) -> None:
        for _ in range(20_000):
            try:
                classifier.flow_read(flow, 1, START)
                done[place] += 1
            except ReelsenseBusyError:
                pass

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters = classifier.counters()
    assert counters.records == sum(done) == 40_000 - counters.refused_calls
    classifier.close()


def test_an_exception_inside_with_does_not_finish(socket_model):
    windows: list[reelsense.Window] = []
    with pytest.raises(KeyError), Classifier(socket_model, on_windows=windows.extend) as classifier:
        video(classifier, 1)
        raise KeyError
    assert windows == []


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_nothing_leaks(root, model, socket_model):
    """Models, classifiers with callbacks, open flows and errors, again and again: memory stays where it is."""
    onnx = (root / "models/reelsense-ue/1.0.0/model.onnx").read_bytes()

    def round_trip() -> None:
        own = reelsense.Model(onnx)
        classifier = Classifier(own, on_windows=lambda windows: None, on_second=lambda second: None, max_flows=4096)
        classifier.add_frames([frame(START + i * 10_000_000, 1400, up=i % 3 == 0) for i in range(300)])
        if len(round_trips) % 2:  # half of them are left to the collector
            classifier.close()
        with pytest.raises(ReelsenseArgumentError):
            Classifier(own, max_flows=0)
        round_trips.append(None)

    round_trips: list[None] = []
    for _ in range(30):
        round_trip()
    gc.collect()
    before = resident_bytes()
    for _ in range(150):
        round_trip()
    gc.collect()
    grown = resident_bytes() - before
    # A classifier of 4,096 flows holds 2 MB, a model 0.3 MB: one leaked kind would be 40 MB and more.
    assert grown < 8 << 20, f"{grown / 2**20:.1f} MiB more after 150 rounds"
