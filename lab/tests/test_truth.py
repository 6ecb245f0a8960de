"""The truth tool against packets built by hand, and the shipped captures against their shipped truth."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path

import pytest
from packets import SECOND, frame, pcap
from reelsense_lab import shipped, truth

CAPTURES = Path(__file__).resolve().parents[2] / "tests/captures"
CLIENT, VIDEO, WEB = ("10.77.0.2", 40_000), ("10.77.0.10", 443), ("10.77.0.20", 443)
CLIENT6, VIDEO6 = ("fd77:77::2", 40_001), ("fd77:77::10", 443)
VIDEO_ADDRESSES = frozenset((VIDEO[0], VIDEO6[0]))


def rows_of(tmp_path: Path, frames: list[tuple[int, bytes]]) -> list[truth.Row]:
    capture = tmp_path / "made.pcap"
    capture.write_bytes(pcap(frames))
    return truth.truth_rows(truth.read_packets(capture), VIDEO_ADDRESSES)


def test_rows_flow_over_two_seconds_counts_ip_bytes_by_direction(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        [
            (5 * SECOND, frame(CLIENT, VIDEO, 100)),
            (5 * SECOND + 1, frame(VIDEO, CLIENT, 1200)),
            (5 * SECOND + 2, frame(VIDEO, CLIENT, 1000)),
            (7 * SECOND, frame(VIDEO, CLIENT, 10)),
        ],
    )
    headers = 28
    assert rows == [
        truth.Row(
            5,
            truth.Endpoint(*CLIENT),
            truth.Endpoint(*VIDEO),
            "udp",
            "video",
            1,
            2,
            100 + headers,
            2200 + 2 * headers,
        ),
        truth.Row(7, truth.Endpoint(*CLIENT), truth.Endpoint(*VIDEO), "udp", "video", 0, 1, 0, 10 + headers),
    ]


def test_rows_packet_one_ns_before_the_boundary_belongs_to_the_earlier_second(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [(6 * SECOND - 1, frame(CLIENT, VIDEO)), (6 * SECOND, frame(CLIENT, VIDEO))])
    assert [(row.time, row.packets_up) for row in rows] == [(5, 1), (6, 1)]


def test_label_follows_the_address_of_the_server(tmp_path: Path) -> None:
    ends = ((CLIENT, VIDEO), (CLIENT, WEB), (CLIENT6, VIDEO6))
    rows = rows_of(tmp_path, [(time_ns, frame(*pair)) for time_ns, pair in enumerate(ends)])
    assert [(row.server.ip, row.label) for row in rows] == [
        (VIDEO[0], "video"),
        (WEB[0], "non-video"),
        (VIDEO6[0], "video"),
    ]


def test_ipv6_bytes_are_payload_length_plus_40(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, [(0, frame(CLIENT6, VIDEO6, 500, protocol=6))])
    assert (row.bytes_up, row.protocol) == (40 + 20 + 500, "tcp")


def test_client_is_the_sender_of_the_syn_even_from_a_low_port(tmp_path: Path) -> None:
    low = ("10.77.0.2", 80)
    (row,) = rows_of(tmp_path, [(0, frame(low, VIDEO, protocol=6, flags=0x02))])
    assert row.client == low


def test_client_of_a_flow_seen_midway_is_the_side_with_the_higher_port(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, [(0, frame(VIDEO, CLIENT, 1000, protocol=6))])
    assert (row.client, row.packets_down, row.packets_up) == (CLIENT, 1, 0)


def test_same_ports_over_tcp_and_udp_are_two_flows(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, [(0, frame(CLIENT, VIDEO)), (1, frame(CLIENT, VIDEO, protocol=6))])
    assert [row.protocol for row in rows] == ["udp", "tcp"]


def test_parse_anything_but_tcp_and_udp_is_skipped() -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    icmp = frame(CLIENT, VIDEO, protocol=1)
    fragment = bytearray(frame(CLIENT, VIDEO))
    fragment[20:22] = b"\x20\x00"
    for data in (b"", arp, icmp, bytes(fragment), frame(CLIENT, VIDEO)[:30]):
        assert truth.parse(0, data) is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [True, False])
@pytest.mark.parametrize("suffix", [".pcap", ".pcap.gz"])
def test_records_every_form_of_classic_pcap_gives_the_same(
    tmp_path: Path, order: str, nanoseconds: bool, suffix: str
) -> None:
    frames = [(3 * SECOND + 1000, b"abc"), (4 * SECOND, b"")]
    data = pcap(frames, order=order, nanoseconds=nanoseconds)
    capture = tmp_path / f"made{suffix}"
    capture.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    assert list(truth.records(capture)) == frames


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a classic pcap"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "not a classic pcap"),
        (pcap([], link=113), "link type 113"),
        (pcap([(0, b"abcdef")])[:-1], "byte 24"),
        (pcap([(0, b"abcdef")]) + b"\0", "cut in a record header"),
    ],
)
def test_records_bad_file_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    capture = tmp_path / "bad.pcap"
    capture.write_bytes(data)
    with pytest.raises(truth.CaptureError, match=reason):
        list(truth.records(capture))


def test_csv_has_the_agreed_columns(tmp_path: Path) -> None:
    out = io.StringIO()
    truth.write_csv(rows_of(tmp_path, [(9 * SECOND, frame(CLIENT, WEB, 2, protocol=6))]), out)
    assert out.getvalue() == (
        "time,client_ip,client_port,server_ip,server_port,protocol,label,"
        "packets_up,packets_down,bytes_up,bytes_down\n"
        "9,10.77.0.2,40000,10.77.0.20,443,tcp,non-video,1,0,42,0\n"
    )


def test_stem_drops_compression_and_capture_suffix() -> None:
    names = ("x/a-h2.pcap", "x/a-h2.pcap.gz", "x/a-h2.pcap.zst")
    assert {truth.stem(Path(name)) for name in names} == {Path("x/a-h2")}


@pytest.mark.parametrize("scenario", sorted(CAPTURES.glob("*.scenario.json")), ids=lambda path: path.name)
def test_shipped_capture_fits_its_scenario_and_its_truth(scenario: Path) -> None:
    """Every rule of shipped.py: MTU, addresses, protocol, bit rate, clock, and the truth file itself."""
    if list(CAPTURES.glob(f"{scenario.name.split('.')[0]}.pcap.zst")) and shutil.which("zstd") is None:
        pytest.skip("no zstd command")
    _, rows, found = shipped.check(scenario)
    assert rows
    assert found == []
