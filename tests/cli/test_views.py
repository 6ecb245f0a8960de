"""`reelsense features --view socket|record`: golden vectors, captures and series as these views, bad input."""

import csv
import io
import json
import math
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import SOURCE, T0, CliTest, download, pcap, run, tcp_packet
from test_features import matrix, series

GOLDEN = SOURCE / "tests" / "golden" / "views"
SOCKET_HEADER = "time_ns,connection,direction,bytes\n"
RECORD_HEADER = "start_ns,end_ns,flow,bytes_up,bytes_down,packets_up,packets_down\n"


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


class GoldenVectors(CliTest):
    def compare(self, name):
        view = name.split("_")[0]
        log = GOLDEN / "logs" / f"{name}.csv"
        done = run("features", "--view", view, log)
        self.assert_exit(done, 0)
        column = "connection" if view == "socket" else "flow"
        events = [row for row in table(log.read_text()) if view == "record" or row["bytes"] != "0"]
        numbers = {flow: str(i) for i, flow in enumerate(dict.fromkeys(row[column] for row in events))}
        expected = table((GOLDEN / "vectors" / f"{name}.csv").read_text())
        got = table(done.stdout.decode())
        self.assertEqual(len(got), len(expected), name)
        for flow, number in numbers.items():
            ours = [row for row in got if row["flow"] == number]
            theirs = [row for row in expected if row["flow"] == flow]
            self.assertEqual([row["second"] for row in ours], [row["second"] for row in theirs], name)
            for a, b in zip(ours, theirs, strict=True):
                for feature in list(b)[2:]:
                    x, y = float(a[feature]), float(b[feature])
                    near = math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-6)
                    self.assertTrue(near, f"{name} flow {flow} second {a['second']} {feature}: {x} is not {y}")

    def test_every_log_gives_the_references_rows(self):
        names = sorted(path.stem for path in (GOLDEN / "vectors").glob("*.csv"))
        self.assertGreaterEqual(len(names), 10)
        for name in names:
            with self.subTest(name):
                self.compare(name)

    def test_vectors_are_what_the_reference_writes_today(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, GOLDEN / "make_views.py", folder], check=True)
            for made in Path(folder).rglob("*.csv"):
                kept = GOLDEN / made.relative_to(folder)
                self.assertEqual(made.read_bytes(), kept.read_bytes(), kept.name)


def segment(up, length, sequence, flags=0x10):
    ends = ("10.0.0.2", "192.0.2.10", 40000, 443) if up else ("192.0.2.10", "10.0.0.2", 443, 40000)
    frame = bytearray(tcp_packet(*ends, length, flags))
    frame[14 + 20 + 4 : 14 + 20 + 8] = (sequence % 2**32).to_bytes(4, "big")
    return bytes(frame)


class Derived(CliTest):
    def bytes_by_second(self, *arguments):
        done = run("features", "--view", "socket", *arguments)
        self.assert_exit(done, 0)
        return {int(r["time"]) - T0: (int(r["bytes_up"]), int(r["bytes_down"])) for r in table(done.stdout.decode())}

    def test_tcp_bytes_are_read_in_order_and_once(self):
        start = 2**32 - 1000  # sequence numbers wrap
        capture = self.write("order.pcap", pcap([
            (0.0, segment(True, 40, 9, 0x02)),
            (0.1, segment(True, 140, 10)),
            (0.2, segment(False, 1040, start)),
            (0.3, segment(False, 1040, start + 2000)),  # 1000 bytes are missing before it
            (0.4, segment(True, 140, 10)),  # sent again
            (1.5, segment(False, 1040, start + 1000)),  # fills the hole
            (1.6, segment(False, 1040, start + 1000)),  # and once more
        ]))  # fmt: skip
        self.assertEqual(self.bytes_by_second(capture), {0: (100, 1000), 1: (0, 2000)})

    def test_a_hole_that_nobody_fills_is_passed_over(self):
        capture = self.write("hole.pcap", pcap([
            (0.0, segment(False, 1040, 0)),
            (1.0, segment(False, 1040, 5000)),
            (8.0, segment(False, 1040, 6000)),
        ]))  # fmt: skip
        self.assertEqual(sum(down for _, down in self.bytes_by_second(capture).values()), 3000)

    def test_coalesced_reads_are_the_same_bytes_in_fewer_events(self):
        capture = self.write("one.pcap", pcap([(i / 100, segment(False, 1040, 1000 * i)) for i in range(100)]))
        plain = table(run("features", "--view", "socket", capture).stdout.decode())
        merged = table(run("features", "--view", "socket", "--coalesce-ms", "250", capture).stdout.decode())
        self.assertEqual(sum(int(r["bytes_down"]) for r in plain), sum(int(r["bytes_down"]) for r in merged))
        self.assertEqual(int(plain[0]["packets_down"]), 100)
        self.assertLessEqual(sum(int(r["packets_down"]) for r in merged), 5)

    def test_records_hold_every_byte_and_last_at_least_the_active_timeout(self):
        packets = download(0.5, 30)
        capture = self.write("long.pcap", pcap(packets))
        for timeout in (1, 5):
            done = run("features", "--view", "record", "--active-timeout", timeout, capture)
            self.assert_exit(done, 0)
            rows = table(done.stdout.decode())
            total = sum(int(r["bytes_up"]) + int(r["bytes_down"]) for r in rows)
            self.assertEqual(total, sum(len(frame) - 14 for _, frame in packets))
            for row in rows[:-1]:
                self.assertGreaterEqual(float(row["duration_s"]), timeout - 0.1)
                self.assertLessEqual(float(row["duration_s"]), timeout + 2.01)

    def test_one_way_records_have_no_up_packets(self):
        capture = self.write("long.pcap", pcap(download(0.5, 10)))
        rows = table(run("features", "--view", "record", "--one-way", capture).stdout.decode())
        self.assertEqual({row["packets_up"] for row in rows}, {"0"})
        self.assertEqual({row["down_up_bytes_ratio_log2"] for row in rows}, {"5"})

    def test_a_series_becomes_either_view(self):
        flow = [(0, 52, 1), (10, 300, 1)] + [(20_000 + 1000 * i, 1500, 0) for i in range(500)]
        npz = self.write("s.npz", series([flow]))
        for view in ("socket", "record"):
            done = run("features", "--view", view, npz)
            self.assert_exit(done, 0)
            row = table(done.stdout.decode())[0]
            self.assertEqual(int(row["bytes_down"]), 500 * (1500 - 52 if view == "socket" else 1500))


class Describe(CliTest):
    def test_each_view_has_a_schema_of_its_own(self):
        hashes = set()
        for view in ("packet", "socket", "record"):
            described = json.loads(run("features", "--describe", "--view", view, "--format", "json").stdout)
            self.assertEqual(described["view"], view)
            hashes.add(described["schema_hash"])
        self.assertEqual(len(hashes), 3)

    def test_pages_are_current(self):
        for view in ("socket", "record"):
            page = run("features", "--describe", "--view", view, "--format", "markdown").stdout
            self.assertEqual(page, (SOURCE / "docs" / "reference" / f"features-{view}.md").read_bytes(), "make docs")


class Models(CliTest):
    def socket_model(self, **changes):
        described = json.loads(run("features", "--describe", "--view", "socket", "--format", "json").stdout)
        metadata = {"reelsense.view": "socket", "reelsense.schema_hash": described["schema_hash"], **changes}
        return described, self.onnx(metadata=metadata)

    def test_a_socket_model_scores_socket_rows(self):
        described, onnx = self.socket_model()
        names = [f["name"] for f in described["features"]]
        rows = [[13.0 if name == "down_bytes_log2" else 0.0 for name in names]]
        out = self.folder / "p.npy"
        done = run("predict", self.write("m.onnx", onnx), self.write("rows.npy", matrix(rows)), "-o", out)
        self.assert_exit(done, 0)

    def test_view_and_schema_that_do_not_match_are_refused(self):
        for changes in ({"reelsense.view": "record"}, {"reelsense.view": "packet"}, {"reelsense.view": "other"}):
            _, onnx = self.socket_model(**changes)
            done = run("model", "inspect", self.write("m.onnx", onnx))
            self.assert_exit(done, 2)

    def test_packets_need_a_packet_model(self):
        _, onnx = self.socket_model()
        done = run("classify", "--model", self.write("m.onnx", onnx), self.write("a.pcap", pcap(download(0, 1))))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("view socket", done.stderr.decode())


class BadInput(CliTest):
    def refused(self, view, text, *words):
        path = self.write("bad.csv", text if isinstance(text, bytes) else text.encode())
        done = run("features", "--view", view, path)
        self.assert_exit(done, 2)
        for word in (str(path), *words):
            self.assertIn(word, done.stderr.decode())

    def test_lines_that_are_no_event_are_named(self):
        good = f"{T0}000000000,a,down,5\n"
        self.refused("socket", SOCKET_HEADER + good + "x,a,down,5\n", ":3:", "time_ns")
        self.refused("socket", SOCKET_HEADER + "-1,a,down,5\n", ":2:", "time_ns")
        self.refused("socket", SOCKET_HEADER + "9999999999999999999,a,down,5\n", "time_ns")
        self.refused("socket", SOCKET_HEADER + "1,,down,5\n", "connection")
        self.refused("socket", SOCKET_HEADER + "1," + "n" * 65 + ",down,5\n", "connection")
        self.refused("socket", SOCKET_HEADER + "1,a,left,5\n", "up or down")
        self.refused("socket", SOCKET_HEADER + "1,a,down,2147483649\n", "bytes")
        self.refused("socket", SOCKET_HEADER + "1,a,down\n", "bytes")
        self.refused("socket", SOCKET_HEADER + "1,a,down,5,6\n", "no more fields")
        self.refused("socket", SOCKET_HEADER + "1,a,down,5" + "0" * 600 + "\n", "more than")
        self.refused("socket", SOCKET_HEADER.encode() + b"\0\0\0\n", ":2:")

    def test_lines_that_are_no_record_are_named(self):
        self.refused("record", RECORD_HEADER + "5,4,f,1,1,1,1\n", ":2:", "end_ns")
        self.refused("record", RECORD_HEADER + "4,5,f,1,1,1\n", "packets_down")
        self.refused("record", RECORD_HEADER + "4,5,f,1,-1,1,1\n", "bytes_down")

    def test_a_file_that_is_nothing_known_is_refused(self):
        self.refused("socket", "some,other,header\n1,2,3\n")
        self.refused("record", b"")

    def test_a_log_of_another_view_is_refused(self):
        path = self.write("log.csv", SOCKET_HEADER.encode())
        for view in ("packet", "record"):
            self.assert_exit(run("features", "--view", view, path), 1)

    def test_records_have_no_bins(self):
        self.assert_exit(
            run("features", "--view", "record", "--bins", self.write("log.csv", RECORD_HEADER.encode())), 1
        )

    def test_a_header_alone_gives_no_rows(self):
        for view, header in (("socket", SOCKET_HEADER), ("record", RECORD_HEADER)):
            done = run("features", "--view", view, self.write(f"{view}.csv", header.encode()))
            self.assert_exit(done, 0)
            self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_absurd_times_cost_one_packet(self):
        packets = download(0, 3)
        far = [(400_000.0, packets[-1][1])]
        clean = run("features", "--view", "socket", self.write("a.pcap", pcap(packets))).stdout
        odd = run("features", "--view", "socket", self.write("b.pcap", pcap(packets[:50] + far + packets[50:]))).stdout
        self.assertEqual(clean, odd)


if __name__ == "__main__":
    unittest.main()
