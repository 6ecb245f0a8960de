"""Bytes of a mixed connection by path, from recorded network logs, and the labels that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from packets import SECOND, frame, pcap
from reelsense_lab import flow_truth, netlog, testbed, truth
from reelsense_lab.errors import LabError
from reelsense_lab.netlog import Connection, NetLog, Received

DATA = Path(__file__).resolve().parent / "data"
CDN, CLIENT = ("10.77.0.60", 443), ("10.77.0.2", 40_000)


@pytest.mark.parametrize(("name", "protocol"), [("netlog-h2.json", "tcp"), ("netlog-h3.json", "udp")])
def test_read_recorded_log_attributes_every_body_to_its_path(name: str, protocol: str) -> None:
    log = netlog.read(DATA / name)
    assert 60_000 <= log.bytes_by_folder["video"] <= 60_000 + 1_000
    assert 20_000 <= log.bytes_by_folder["image"] <= 20_000 + 1_000
    (connection,) = log.received
    assert connection.protocol == protocol
    count = list(log.received[connection].values())
    known = sum(each.video + each.other for each in count)
    assert known / (known + sum(each.unknown for each in count)) > 0.99


def test_read_log_times_are_epoch_seconds() -> None:
    log = netlog.read(DATA / "netlog-h2.json")
    (by_second,) = log.received.values()
    offset = 1_795_000_000  # the log was made on 2026-11-23
    assert all(offset < second < offset + 1_000_000 for second in by_second)


def test_read_log_cut_in_a_line_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    text = (DATA / "netlog-h3.json").read_text()
    cut = tmp_path / "cut.json"
    cut.write_text(text[: len(text) // 2])
    assert 0 < netlog.read(cut).bytes_by_folder["video"] < 60_000


def test_read_other_file_is_refused_with_its_name(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(LabError, match=r"other\.json"):
        netlog.read(other)


def test_mixed_labels_silent_seconds_take_the_last_label_and_the_first_the_next() -> None:
    received = {3: Received(video=10, other=4), 5: Received(video=1, other=9), 7: Received(unknown=5)}
    assert flow_truth.mixed_labels([1, 3, 4, 5, 7], received) == ["video", "video", "video", "non-video", "non-video"]


def test_mixed_labels_flow_without_any_attributed_byte_is_not_video() -> None:
    assert flow_truth.mixed_labels([1, 2], {}) == ["non-video", "non-video"]


def test_build_mixed_flow_carries_its_video_bytes_and_background_is_left_out(tmp_path: Path) -> None:
    capture = tmp_path / "made.pcap"
    background = ("10.77.0.61", 8080)
    times = [(5 * SECOND, CDN), (6 * SECOND, CDN), (6 * SECOND + 1, background)]
    capture.write_bytes(pcap([(time, frame(server, CLIENT, 1000)) for time, server in times]))
    log = NetLog()
    log.received[Connection("udp", CLIENT[1])] = {5: Received(video=900), 6: Received(other=800, video=100)}
    rows = truth.truth_rows(truth.read_packets(capture), frozenset())
    made = flow_truth.build(rows, log, lambda second: "reels")
    assert [(e.row.time, e.row.label, e.video_bytes_down, e.server_class) for e in made.seconds] == [
        (5, "video", 900, "cdn"),
        (6, "non-video", 100, "cdn"),
    ]
    assert (made.background_flows, made.background_bytes["down"]) == (1, 1028)
    assert made.attributed_share == 1


def test_build_download_of_another_device_is_not_video_whatever_is_in_front(tmp_path: Path) -> None:
    capture = tmp_path / "made.pcap"
    files, other = ("10.77.0.30", 443), (testbed.OTHER_DEVICE, 40_000)
    packets = [(SECOND, frame(files, other, 1000)), (SECOND + 1, frame(("10.77.0.10", 443), CLIENT, 500))]
    capture.write_bytes(pcap(packets))
    rows = truth.truth_rows(truth.read_packets(capture), frozenset())
    found = {each.server_class: each for each in flow_truth.build(rows, None, lambda second: "reels").seconds}
    assert (found["files"].row.label, found["files"].workload, found["files"].other_device) == (
        "non-video",
        "download",
        True,
    )
    assert (found["video"].row.label, found["video"].workload, found["video"].other_device) == ("video", "reels", False)


def test_build_call_flow_seen_from_the_peer_is_still_the_calls(tmp_path: Path) -> None:
    capture = tmp_path / "made.pcap"
    capture.write_bytes(pcap([(SECOND, frame(("10.77.0.70", 50_000), ("10.77.0.2", 40_000), 100))]))
    rows = truth.truth_rows(truth.read_packets(capture), frozenset())
    (only,) = flow_truth.build(rows, None, lambda second: "videocall").seconds
    assert (only.server_class, only.row.label) == ("call", "non-video")
