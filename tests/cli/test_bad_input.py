"""Inputs that cannot be used, or only in part: what is said, and with which exit code."""

import json
import struct
import unittest

from support import CliTest, chat, download, pcap, run


class BadCaptures(CliTest):
    def expect_refusal(self, path, *words):
        done = self.classify(path)
        self.assert_exit(done, 2)
        message = done.stderr.decode(errors="replace")
        for word in (str(path), *words):
            self.assertIn(word, message)
        self.assertEqual(len(done.stdout.splitlines()), 1)  # the header alone

    def test_not_a_capture_names_file_magic_and_what_is_read(self):
        self.expect_refusal(self.write("x.pcap", b"GIF89a, not a capture at all" * 4), "47", "pcap")

    def test_empty_file(self):
        self.expect_refusal(self.write("empty.pcap", b""), "empty")

    def test_missing_file(self):
        self.expect_refusal(self.folder / "no.pcap", "No such file")

    def test_folder(self):
        self.expect_refusal(self.folder)

    def test_unknown_link_type_is_named(self):
        self.expect_refusal(self.write("usb.pcap", pcap(download(0, 1), link=189)), "189")

    def test_header_cut_short(self):
        self.expect_refusal(self.write("cut.pcap", pcap([])[:10]))

    def test_cut_inside_a_record_keeps_every_whole_packet(self):
        whole = pcap(download(0, 2))
        capture = self.write("cut.pcap", whole[:-7])
        done = self.classify(capture, "--summary=json")
        self.assert_exit(done, 3)
        lines = done.stderr.decode().splitlines()
        record_bytes = 16 + 66  # the last record: an ACK
        self.assertIn(str(len(whole) - record_bytes), lines[0])
        self.assertEqual(json.loads(lines[-1])["packet_records"], len(download(0, 2)) - 1)
        self.assertGreater(len(self.rows(done)), 0)

    def test_absurd_record_length_is_counted_and_the_rest_goes_on(self):
        good = pcap(download(0, 1))
        bad = struct.pack("<IIII", 1_700_000_001, 0, 0x7FFFFFFF, 0x7FFFFFFF)
        more = pcap(download(1, 1))[24:]
        done = self.classify(self.write("bad.pcap", good + bad + more), "--summary=json")
        self.assertIn(done.returncode, (0, 3))
        summary = json.loads(done.stderr.decode().splitlines()[-1])
        self.assertGreaterEqual(summary["skipped"].get("bad_length", 0) + (done.returncode == 3), 1)
        self.assertGreaterEqual(summary["packet_records"], len(download(0, 1)))

    def test_absurd_time_costs_one_packet(self):
        packets = download(0, 2)
        packets.insert(5, (900_000_000, packets[5][1]))
        done = self.classify(self.write("time.pcap", pcap(packets)), "--summary=json")
        self.assert_exit(done, 0)
        summary = json.loads(done.stderr.decode().splitlines()[-1])
        self.assertEqual(summary["packet_records"], len(packets) - 1)
        self.assertEqual(summary["dropped"], {"time_step": 1})

    def test_one_bad_file_does_not_stop_the_others(self):
        bad = self.write("bad.pcap", b"nothing of use in here, really")
        good = self.write("good.pcap", pcap(chat(0, 3)))
        done = self.classify(bad, good)
        self.assert_exit(done, 2)
        self.assertEqual(len(self.rows(done)), 3)


class BadModels(CliTest):
    def setUp(self):
        super().setUp()
        self.capture = self.write("trace.pcap", pcap(chat(0, 1)))

    def expect_refusal(self, *words):
        done = self.classify(self.capture)
        self.assert_exit(done, 2)
        self.assertEqual(done.stdout, b"")
        for word in ("model.onnx", *words):
            self.assertIn(word, done.stderr.decode(errors="replace"))

    def test_other_schema_hash_names_both(self):
        self.write_bundle(self.onnx(metadata={"reelsense.schema_hash": "b" * 64}))
        self.expect_refusal("b" * 64, self.schema_hash)

    def test_unknown_node_is_named(self):
        self.write_bundle(self.onnx(op="SVMRegressor"))
        self.expect_refusal("SVMRegressor")

    def test_cut_file(self):
        self.write_bundle(self.onnx()[:-40])
        self.expect_refusal()

    def test_garbage(self):
        self.write_bundle(b"\xff" * 2000)
        self.expect_refusal()

    def test_changed_file_is_told_by_its_digest(self):
        (self.bundle / "model.onnx").write_bytes(self.onnx(metadata={"reelsense.threshold": "0.4"}))
        self.expect_refusal("SHA-256")

    def test_manifest_that_disagrees_is_told(self):
        self.write_bundle(manifest={"threshold": 0.4})
        self.expect_refusal("threshold", "0.4")

    def test_manifest_with_unknown_key(self):
        self.write_bundle(manifest={"colour": "red"})
        done = self.classify(self.capture)
        self.assert_exit(done, 2)
        self.assertIn("unknown key \"colour\"", done.stderr.decode())

    def test_unknown_model_says_where_it_looked(self):
        done = run("classify", "--models-dir", self.models, "--model", "other", self.capture)
        self.assert_exit(done, 2)
        self.assertIn("tiny-ue@1.0.0", done.stderr.decode())

    def test_bare_onnx_file_works(self):
        model = self.write("bare.onnx", self.onnx())
        done = run("classify", "--model", model, self.capture)
        self.assert_exit(done, 0)


if __name__ == "__main__":
    unittest.main()
