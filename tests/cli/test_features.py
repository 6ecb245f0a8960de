"""`reelsense features` and `reelsense predict`: what training is built on."""

import ast
import csv
import io
import json
import math
import struct
import unittest
import zipfile

from support import T0, CliTest, chat, download, pcap, run


def read_npy(path):
    """(shape, values) of a float32 .npy file."""
    data = path.read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    (length,) = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10 : 10 + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"]
    return header["shape"], list(struct.unpack(f"<{(len(data) - 10 - length) // 4}f", data[10 + length :]))


def npy(kind, values):
    """Bytes of a one-dimensional .npy array; kind is (descr, struct letter)."""
    descr, letter = kind
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({len(values)},), }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    data = struct.pack(f"<{len(values)}{letter}", *values)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def matrix(rows):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    flat = [value for row in rows for value in row]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(flat)}f", *flat)


def series(flows):
    """An .npz of flows, each a list of (t_us, size, up)."""
    offsets = [0]
    for flow in flows:
        offsets.append(offsets[-1] + len(flow))
    packets = [packet for flow in flows for packet in flow]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("off.npy", npy(("<i8", "q"), offsets))
        archive.writestr("t_us.npy", npy(("<u4", "I"), [p[0] for p in packets]))
        archive.writestr("size.npy", npy(("<u2", "H"), [p[1] for p in packets]))
        archive.writestr("up.npy", npy(("|b1", "?"), [bool(p[2]) for p in packets]))
    return out.getvalue()


class Captures(CliTest):
    def setUp(self):
        super().setUp()
        packets = sorted(download(0.5, 3) + chat(0, 4), key=lambda p: p[0])
        self.capture = self.write("trace.pcap", pcap(packets))

    def test_csv_and_npy_hold_the_same_rows(self):
        done = run("features", self.capture, "--bins")
        self.assert_exit(done, 0)
        table = list(csv.DictReader(io.StringIO(done.stdout.decode())))
        out, index = self.folder / "rows.npy", self.folder / "rows.csv"
        self.assert_exit(run("features", self.capture, "--bins", "--format", "npy", "-o", out, "--index", index), 0)
        shape, values = read_npy(out)
        self.assertEqual(shape, (len(table), len(self.names) + 40))
        columns = [*self.names, *(f"bin_{d}_{i}" for d in ("down", "up") for i in range(20))]
        for i, row in enumerate(table):
            got = values[i * shape[1] : (i + 1) * shape[1]]
            want = [struct.unpack("<f", struct.pack("<f", float(row[name])))[0] for name in columns]
            self.assertEqual(got, want)
        listed = list(csv.DictReader(io.StringIO(index.read_text())))
        self.assertEqual([r["time"] for r in listed], [r["time"] for r in table])
        self.assertEqual(int(listed[0]["time"]), T0)
        for row in table:
            self.assertEqual(sum(int(row[f"bin_down_{i}"]) for i in range(20)), int(row["bytes_down"]))
            self.assertAlmostEqual(float(row["down_bytes_log2"]), math.log2(1 + int(row["bytes_down"])), places=4)

    def test_same_packets_as_capture_and_as_series_give_the_same_features(self):
        packets = download(0, 3)
        capture = self.write("one.pcap", pcap(packets))
        as_series = [(round(at * 1e6), len(frame) - 14, frame[26:30] == b"\x0a\0\0\2") for at, frame in packets]
        npz = self.write("one.npz", series([as_series]))
        first, second = self.folder / "a.npy", self.folder / "b.npy"
        self.assert_exit(run("features", capture, "--format", "npy", "-o", first), 0)
        self.assert_exit(run("features", npz, "--format", "npy", "-o", second), 0)
        self.assertEqual(read_npy(first), read_npy(second))


class Series(CliTest):
    def test_rows_come_by_flow_and_second(self):
        flows = [[(0, 60, 1), (100, 1400, 0), (2_500_000, 1400, 0)], [], [(0, 80, 1), (10, 500, 0)]]
        npz = self.write("s.npz", series(flows))
        out, index = self.folder / "rows.npy", self.folder / "rows.csv"
        self.assert_exit(run("features", npz, "--format", "npy", "--output", out, "--index", index), 0)
        self.assertEqual(read_npy(out)[0], (3, len(self.names)))
        self.assertEqual(index.read_text().splitlines(), [
            "flow,second,packets_up,packets_down,bytes_up,bytes_down",
            "0,0,1,1,60,1400", "0,2,0,1,0,1400", "2,0,1,1,80,500",
        ])  # fmt: skip

    def test_phase_moves_packets_into_other_seconds(self):
        npz = self.write("s.npz", series([[(0, 60, 1), (300_000, 1400, 0)]]))
        out, index = self.folder / "rows.npy", self.folder / "rows.csv"
        command = ["features", npz, "--format", "npy", "-o", out, "--index", index, "--phase-us"]
        self.assert_exit(run(*command, 699_999), 0)
        self.assertEqual(len(index.read_text().splitlines()), 1 + 1)
        self.assert_exit(run(*command, 700_000), 0)
        self.assertEqual(index.read_text().splitlines()[1:], ["0,0,1,0,60,0", "0,1,0,1,0,1400"])

    def test_damaged_series_is_refused(self):
        npz = self.write("s.npz", series([[(0, 60, 1)]])[:-30])
        done = run("features", npz)
        self.assert_exit(done, 2)
        self.assertIn(str(npz), done.stderr.decode())


class Describe(CliTest):
    def test_json_names_every_feature(self):
        described = json.loads(run("features", "--describe", "--format", "json").stdout)
        self.assertEqual((described["view"], described["version"]), ("packet", 1))
        self.assertEqual(set(described["features"][0]), {"name", "unit", "robust", "missing", "formula"})
        self.assertEqual(len(described["schema_hash"]), 64)
        self.assertTrue(described["terms"])

    def test_text_is_the_default(self):
        text = run("features", "--describe").stdout.decode()
        for name in self.names:
            self.assertIn(name, text)


class Predict(CliTest):
    def setUp(self):
        super().setUp()
        self.at = self.names.index("down_bytes_log2")
        self.model = self.bundle / "model.onnx"
        self.values = [0.0, 5.0, 12.0, 20.0, 13.25] * 130
        self.want = [1 / (1 + math.exp(12.0 - v)) for v in self.values]

    def expect(self, model, rows):
        given, out = self.write("rows.npy", matrix(rows)), self.folder / "p.npy"
        done = run("predict", model, given, "--output", out)
        self.assert_exit(done, 0)
        shape, got = read_npy(out)
        self.assertEqual(shape, (len(rows),))
        for a, b in zip(got, self.want, strict=True):
            self.assertAlmostEqual(a, b, places=6)

    def test_full_rows_go_through_the_models_features(self):
        self.expect(self.model, [[v if i == self.at else 7.0 for i in range(len(self.names))] for v in self.values])

    def test_rows_as_wide_as_the_inputs_go_straight_in(self):
        self.expect(self.model, [[v] for v in self.values])

    def test_other_widths_are_refused(self):
        given = self.write("rows.npy", matrix([[1.0, 2.0]]))
        done = run("predict", self.model, given, "--output", self.folder / "p.npy")
        self.assert_exit(done, 2)
        self.assertIn("found 2", done.stderr.decode())

    def test_files_that_are_no_float32_matrix_are_refused(self):
        for name, data in (("a", b"no"), ("b", npy(("<f8", "d"), [1.0])), ("c", npy(("<f4", "f"), [1.0])),
                           ("d", matrix([[1.0]])[:-1])):  # fmt: skip
            done = run("predict", self.model, self.write(name + ".npy", data), "--output", self.folder / "p.npy")
            self.assert_exit(done, 2)


if __name__ == "__main__":
    unittest.main()
