from __future__ import annotations

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest

import reelsense
from reelsense import ReelsenseCorruptError, ReelsenseUnsupportedError


def test_classify_capture_gives_what_the_server_and_command_give(root, reels):
    """The figures of docs/how-to/server-api.md for the same capture and model."""
    result = reelsense.classify_capture(reels)
    assert (result.counters.packets, result.counters.flows, result.counters.windows) == (18_081, 2, 32)
    assert len(result.windows) == 32 and len(result.flows) == 2
    assert result.counters.video_windows == int(result.windows.video.sum()) == 24
    assert result.counters.uncertain_windows == int(result.windows.uncertain.sum()) == 10
    assert result.windows.raw["bytes_down"].sum() == 19_309_291
    assert result.capture.records == 18_081 and result.capture.damage is None


def test_labels_are_those_of_the_model_on_the_features(reels, model):
    windows = reelsense.classify_capture(reels, model).windows
    assert np.array_equal(windows.features, reelsense.featurise_capture(reels).windows.features)
    decisions = model.classify(windows.features)
    assert np.array_equal(decisions.probability, windows.probability)
    assert decisions.labels == windows.labels
    assert np.array_equal(decisions.uncertain, windows.uncertain)


def test_session_decisions_follow_the_video(reels):
    result = reelsense.classify_capture(reels)
    seconds = [second.second for second in result.seconds]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))  # idle ones too
    assert any(second.label == "video" for second in result.seconds)
    reasons = {second.qos.prefetch_reason for second in result.seconds}
    assert reasons <= {"default", "video", "congested", "non_video", "uncertain", "hold", "idle", "bulk"}
    assert any(second.qos.changed for second in result.seconds)
    assert all(second.qos.buffer_target_ms > 0 for second in result.seconds)


@pytest.mark.parametrize("name", ["slow-h2.pcap.gz", "reels-h2.pcap.zst", "overlap-h2-ipv6.pcap.zst"])
def test_compressed_captures_are_read(root, tmp_path, name):
    packed = root / "tests/captures" / name
    if name.endswith(".zst"):
        pytest.importorskip("zstandard")
    result = reelsense.featurise_capture(packed)
    plain = tmp_path / "plain.pcap"
    plain.write_bytes(_unpack(packed))
    wanted = reelsense.featurise_capture(plain)
    assert len(result.windows) > 10
    assert np.array_equal(result.windows.features, wanted.windows.features)
    assert result.capture.damage is None and result.capture.truncated_at is None


def _unpack(path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()


def test_gzip_members_and_padding_are_one_stream(reels, tmp_path):
    raw = reels.read_bytes()
    packed = tmp_path / "two.pcap.gz"
    packed.write_bytes(gzip.compress(raw[:1_000_000]) + gzip.compress(raw[1_000_000:]) + bytes(600_000))
    result = reelsense.featurise_capture(packed)
    assert len(result.windows) == 32 and result.capture.damage is None


def _pcapng_of(path) -> bytes:
    """The same records in the other format, ns resolution, two interfaces in turn."""
    raw = path.read_bytes()
    assert raw[:4] in (b"\x4d\x3c\xb2\xa1", b"\xd4\xc3\xb2\xa1"), "little-endian is expected"
    unit = 1 if raw[:4] == b"\x4d\x3c\xb2\xa1" else 1000
    link = raw[20:22]

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = (len(body) + 12).to_bytes(4, "little")
        return kind.to_bytes(4, "little") + size + body + size

    out = block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a\x01\x00\x00\x00" + b"\xff" * 8)
    out += 2 * block(1, link + bytes(2) + bytes(4) + b"\x09\x00\x01\x00\x09" + bytes(3) + bytes(4))
    at = 24
    number = 0
    while at < len(raw):
        second, fraction, captured, wire = (int.from_bytes(raw[at + i : at + i + 4], "little") for i in (0, 4, 8, 12))
        time = second * 10**9 + fraction * unit
        head = [number % 2, time >> 32, time & 0xFFFFFFFF, captured, wire]
        out += block(6, b"".join(v.to_bytes(4, "little") for v in head) + raw[at + 16 : at + 16 + captured])
        at += 16 + captured
        number += 1
    return out


def test_pcapng_gives_the_windows_of_its_pcap(root, tmp_path):
    pcap = root / "tests/golden/captures/video_like.pcap"
    (tmp_path / "same.pcapng").write_bytes(_pcapng_of(pcap))
    same, wanted = (reelsense.featurise_capture(path) for path in (tmp_path / "same.pcapng", pcap))
    assert "pcapng" in same.capture.description
    assert len(wanted.windows) > 5 and np.array_equal(same.windows.features, wanted.windows.features)


def test_standard_input_is_read_live(reels):
    """As behind `tcpdump -w -`: in its own process, through a pipe."""
    program = "import reelsense; print(len(reelsense.classify_capture('-').windows))"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    ) as child:
        out, _ = child.communicate(reels.read_bytes(), timeout=60)
    assert out.strip() == b"32"


def test_cut_and_damaged_captures_give_what_came_before(reels, tmp_path):
    raw = reels.read_bytes()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(raw[: len(raw) // 2])
    result = reelsense.featurise_capture(cut)
    assert 5 < len(result.windows) < 32 and result.capture.truncated_at is not None
    packed = tmp_path / "damaged.pcap.gz"
    whole = bytearray(gzip.compress(raw))
    whole[len(whole) // 2 : len(whole) // 2 + 64] = bytes(64)
    packed.write_bytes(bytes(whole))
    result = reelsense.featurise_capture(packed)
    assert len(result.windows) < 32
    assert "decompressing" in (result.capture.damage or "")


def test_what_is_no_capture_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        reelsense.classify_capture(tmp_path / "nowhere.pcap")
    with pytest.raises(IsADirectoryError):
        reelsense.classify_capture(tmp_path)
    text = tmp_path / "text.pcap"
    text.write_text("this is no capture")
    with pytest.raises(ReelsenseUnsupportedError, match=r"text\.pcap: not a capture"):
        reelsense.classify_capture(text)
    (tmp_path / "empty.pcap").touch()
    with pytest.raises(ReelsenseCorruptError, match="empty"):
        reelsense.classify_capture(tmp_path / "empty.pcap")
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"neither is this"))
    with pytest.raises(ReelsenseUnsupportedError, match=r"bad\.gz: not a capture"):
        reelsense.classify_capture(tmp_path / "bad.gz")
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00rest is missing")
    with pytest.raises(ReelsenseCorruptError, match=r"cut\.gz"):
        reelsense.classify_capture(tmp_path / "cut.gz")


def test_a_capture_that_is_closed_early_ends_its_decompression(reels, tmp_path):
    packed = tmp_path / "reels.pcap.gz"
    packed.write_bytes(gzip.compress(reels.read_bytes() + bytes(8_000_000), 1))
    for _ in range(20):
        reelsense.Capture(packed).close()
    assert len(os.listdir("/proc/self/fd")) < 100


def test_callbacks_errors_stop_the_capture(reels):
    def on_windows(_windows: reelsense.Windows) -> None:
        raise LookupError("enough")

    with (
        reelsense.Capture(reels) as capture,
        pytest.raises(LookupError),
        reelsense.Classifier(view="packet", on_windows=on_windows) as classifier,
    ):
        classifier.add_capture(capture)


def test_tables_have_a_row_a_window(reels):
    pandas = pytest.importorskip("pandas")
    windows = reelsense.classify_capture(reels).windows
    frame = windows.to_pandas(features=True)
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == 32 and set(reelsense.feature_names("packet")) <= set(frame.columns)
    assert (frame.groupby("label")["bytes_down"].sum() > 0).all()
    assert frame["server_port"].unique().tolist() == [443]
    part = windows[windows.video]
    assert len(part) == 24 and part.labels == ["video"] * 24
