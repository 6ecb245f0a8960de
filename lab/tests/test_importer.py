"""Captures of others into the lab's format: link types, labels, and nothing left that says who or what."""

from __future__ import annotations

import csv
import ipaddress
import json
import struct
from collections import Counter
from pathlib import Path

import pytest
from packets import SECOND, frame, pcap, pcapng
from reelsense_lab import anonymise, cli, foreign, importer, truth
from reelsense_lab.errors import LabError

PHONE, VIDEO, WEB = ("10.1.2.3", 40_000), ("142.250.1.9", 443), ("93.184.216.34", 443)
KEY = bytes(range(32))


def capture(tmp_path: Path, *, link: int = 101) -> Path:
    """Ten seconds: a server of video and one of pages, 60 kB a second each."""
    frames = []
    for second in range(100, 110):
        for server, port in ((VIDEO, 40_000), (WEB, 40_001)):
            for packet in range(50):
                data = frame(server, (PHONE[0], port), 1172)
                frames.append((second * SECOND + packet * 1_000_000, data[14:] if link == 101 else data))
    file = tmp_path / "phone.pcapng"
    file.write_bytes(pcapng(frames, link=link))
    return file


def log(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "actions.csv"
    file.write_text(text)
    return file


def labels(folder: Path) -> Counter[tuple[str, str]]:
    with (folder / "truth.csv").open() as text:
        return Counter((row["server_ip"], row["label"]) for row in csv.DictReader(text))


@pytest.mark.parametrize("link", [1, 101])
def test_import_server_filter_labels_only_its_flows(tmp_path: Path, link: int) -> None:
    actions = log(tmp_path, "time,label,workload,server\n100,video,reels,142.250.0.0/15\n105,non-video,feed,\n")
    words = ["import", str(capture(tmp_path, link=link)), "--actions", str(actions), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--design", "shorts"]) == 0
    folder = tmp_path / "out/phone"
    counts = sorted(labels(folder).values())
    assert counts == [5, 5, 10]  # the video server's ten seconds in two labels, and ten of the other one
    with (tmp_path / "out/index.csv").open() as text:
        (index,) = csv.DictReader(text)
    assert (index["design"], index["path"], index["label"], index["flow_seconds"]) == ("shorts", "real", "mixed", "20")
    assert json.loads((folder / "summary.json").read_text())["flow_seconds_by_label"] == {"non-video": 15, "video": 5}


def test_import_without_filter_big_flows_of_a_video_action_are_video(tmp_path: Path) -> None:
    actions = log(tmp_path, "time,label,workload\n1970-01-01T00:01:40+00:00,video,reels\n")
    importer.run(importer.Request(capture(tmp_path), actions, tmp_path / "out"))
    assert {label for _, label in labels(tmp_path / "out/phone")} == {"video"}


def test_import_app_filter_leaves_other_apps_out(tmp_path: Path) -> None:
    actions = log(tmp_path, "time,label,workload\n100,video,reels\n")
    connections = tmp_path / "connections.csv"
    connections.write_text(
        "IPProto,SrcIP,SrcPort,DstIp,DstPort,App\n"
        f"17,{PHONE[0]},40000,{VIDEO[0]},443,Reels\n17,{PHONE[0]},40001,{WEB[0]},443,Mail\n"
    )
    request = importer.Request(capture(tmp_path), actions, tmp_path / "out", pcapdroid=connections, app=["Reels"])
    importer.run(request)
    assert sum(labels(tmp_path / "out/phone").values()) == 10


def test_import_trace_holds_no_address_payload_or_option_of_the_original(tmp_path: Path) -> None:
    options = bytearray(frame(("8.8.8.8", 443), PHONE, 500, protocol=6))
    options[14 + 20 + 12] = 0x80  # a header of 32 bytes
    payload = b"\x08\x0a\xde\xad\xbe\xef\xca\xfe\xf0\x0d\x01\x01" + b"GET /secret"
    file = tmp_path / "one.pcap"
    file.write_bytes(pcap([(100 * SECOND, bytes(options) + payload)]))
    actions = log(tmp_path, "time,label,workload\n100,non-video,browse\n")
    importer.run(importer.Request(file, actions, tmp_path / "out"))
    written = (tmp_path / "out/one/trace.pcap").read_bytes()
    for secret in (b"secret", b"\xde\xad\xbe\xef", ipaddress.ip_address("8.8.8.8").packed):
        assert secret not in written
    (packet,) = truth.read_packets(tmp_path / "out/one/trace.pcap")
    assert packet.ip_bytes == 20 + 20 + 500
    assert packet.source.port == 443


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label\nvideo\n", "time: expected this column"),
        ("time,label,workload\n100,maybe,reels\n", "line 2: label: expected one of"),
        ("time,label,workload\nnoon,video,reels\n", "line 2: expected epoch seconds"),
        ("time,label,workload\n2026-01-01T10:00:00,video,reels\n", "no offset from UTC"),
        ("time,label,workload\n105,video,reels\n100,video,reels\n", "never go back"),
        ("time,label,workload\n9000,video,reels\n", "do not overlap"),
        ("time,label,workload\n", "at least one action"),
    ],
)
def test_import_bad_log_is_refused_with_the_reason(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(LabError, match=expected):
        importer.run(importer.Request(capture(tmp_path), log(tmp_path, text), tmp_path / "out"))


def test_scrambler_keeps_prefixes_together_and_private_private() -> None:
    scrambler = anonymise.Scrambler(KEY)
    one, two, far = (scrambler.address(ip) for ip in ("142.250.1.9", "142.250.1.200", "20.1.1.1"))
    assert one.rsplit(".", 1)[0] == two.rsplit(".", 1)[0] != far.rsplit(".", 1)[0]
    assert one != "142.250.1.9"
    assert scrambler.address("10.1.2.3").startswith("10.") and scrambler.address("10.1.2.3") != "10.1.2.3"
    assert truth.is_private(scrambler.address("fd00::5"))
    assert scrambler.address("142.250.1.9") == one == anonymise.Scrambler(KEY).address("142.250.1.9")
    assert anonymise.Scrambler(KEY[::-1]).address("142.250.1.9") != one


def test_scrambler_public_never_becomes_private() -> None:
    scrambler = anonymise.Scrambler(KEY)
    for first in range(1, 224):
        ip = f"{first}.77.3.1"
        if not truth.is_private(ip):
            assert not truth.is_private(scrambler.address(ip))


@pytest.mark.parametrize("cut", [3, 20, 40, 70, 101])
def test_foreign_cut_pcapng_is_refused_or_shorter_never_a_crash(tmp_path: Path, cut: int) -> None:
    whole = pcapng([(SECOND, frame(VIDEO, PHONE, 100)[14:])])
    file = tmp_path / "cut.pcapng"
    file.write_bytes(whole[:-cut])
    with pytest.raises(truth.CaptureError, match=r"cut\.pcapng"):
        list(foreign.read(file, Counter()))


def test_foreign_false_lengths_are_refused(tmp_path: Path) -> None:
    whole = bytearray(pcapng([(SECOND, frame(VIDEO, PHONE, 100)[14:])]))
    struct.pack_into("<I", whole, 28 + 20 + 8 + 12, 9999)
    file = tmp_path / "false.pcapng"
    file.write_bytes(bytes(whole))
    with pytest.raises(truth.CaptureError, match="9999 bytes"):
        list(foreign.read(file, Counter()))
