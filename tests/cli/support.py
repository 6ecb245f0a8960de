"""What the CLI tests share: the built command, captures made with struct, a tiny model bundle."""

import csv
import hashlib
import io
import ipaddress
import json
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from onnx_bytes import linear_model

REELSENSE = os.environ["REELSENSE"]
SOURCE = Path(__file__).resolve().parents[2]

T0 = 1_700_000_000
CLIENT, SERVER = "10.0.0.2", "192.0.2.10"


def run(*arguments, stdin=None, env=None, **options):
    """Runs the command without a terminal; standard output stays bytes."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    return subprocess.run(
        [REELSENSE, *map(str, arguments)], input=stdin, capture_output=True, env=environment, timeout=60, **options
    )


def tcp_packet(source, destination, source_port, destination_port, length, flags=0x10):
    """An Ethernet frame with an IP packet of `length` bytes; only headers are filled."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    tcp = struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 1, 5 << 4, flags, 65535, 0, 0)
    if a.version == 4:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 1, 0x4000, 64, 6, 0, a.packed, b.packed)
        kind = 0x0800
    else:
        ip = struct.pack("!IHBB16s16s", 6 << 28, length - 40, 6, 64, a.packed, b.packed)
        kind = 0x86DD
    return b"\x02" * 6 + b"\x04" * 6 + struct.pack("!H", kind) + (ip + tcp).ljust(length, b"\0")


def pcap(packets, *, link=1, snap=96, cut=0):
    """A classic pcap; packets are (seconds since T0, frame)."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link)
    for at, frame in packets:
        us = round(at * 1_000_000)
        kept = frame[:snap]
        out += struct.pack("<IIII", T0 + us // 1_000_000, us % 1_000_000, len(kept), len(frame)) + kept
    return out[: len(out) - cut]


def download(start, seconds, *, client=CLIENT, server=SERVER, port=40000, per_second=40, size=1400):
    """A flow that receives `per_second` full packets each second."""
    packets = [(start, tcp_packet(client, server, port, 443, 60, 0x02))]
    for second in range(seconds):
        for i in range(per_second):
            at = start + second + 0.01 + i * 0.9 / per_second
            packets.append((at, tcp_packet(server, client, 443, port, size)))
            if i % 2:
                packets.append((at + 0.001, tcp_packet(client, server, port, 443, 52)))
    return packets


def chat(start, seconds, *, client=CLIENT, server="198.51.100.7", port=50000):
    """One small packet each way a second."""
    packets = []
    for second in range(seconds):
        packets.append((start + second + 0.1, tcp_packet(client, server, port, 443, 120)))
        packets.append((start + second + 0.2, tcp_packet(server, client, 443, port, 100)))
    return packets


class CliTest(unittest.TestCase):
    """A folder of its own with the bundle tiny-ue 1.0.0: video is what receives more than about 4 kB a second."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        described = json.loads(run("features", "--describe", "--format", "json").stdout)
        self.schema_hash = described["schema_hash"]
        self.names = [feature["name"] for feature in described["features"]]
        self.models = self.folder / "models"
        self.bundle = self.write_bundle()
        self.with_model = ("--models-dir", self.models, "--model", "tiny-ue")

    def onnx(self, **options):
        return linear_model({"down_bytes_log2": 1.0}, -12.0, self.schema_hash, **options)

    def write_bundle(self, onnx=None, manifest=None, version="1.0.0"):
        bundle = self.models / "tiny-ue" / version
        bundle.mkdir(parents=True, exist_ok=True)
        onnx = onnx or self.onnx(metadata={"reelsense.version": version})
        (bundle / "model.onnx").write_bytes(onnx)
        content = {
            "format": 1, "name": "tiny-ue", "version": version, "tier": "ue", "view": "packet",
            "schema_hash": self.schema_hash, "features": ["down_bytes_log2"], "labels": ["non-video", "video"],
            "threshold": 0.5, "uncertain": [0.3, 0.7], "calibration": {}, "metrics": {"worst_cell": 0.5},
            "training_data": {"digest": "0" * 64}, "reference_histograms": {}, "source_commit": "",
            "files": {"model.onnx": hashlib.sha256(onnx).hexdigest()},
        }  # fmt: skip
        content.update(manifest or {})
        (bundle / "manifest.json").write_text(json.dumps(content))
        return bundle

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def classify(self, *arguments, **options):
        return run("classify", *self.with_model, *arguments, **options)

    def rows(self, done):
        return list(csv.DictReader(io.StringIO(done.stdout.decode())))

    def assert_exit(self, done, code):
        self.assertEqual(done.returncode, code, done.stderr.decode(errors="replace"))
