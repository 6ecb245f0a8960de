"""`reelsense classify` on captures whose rows can be told in advance."""

import gzip
import json
import unittest

from support import CLIENT, SERVER, T0, CliTest, chat, download, pcap, run

COLUMNS = (
    "time,client_ip,client_port,server_ip,server_port,protocol,label,confidence,uncertain,"
    "packets_up,packets_down,bytes_up,bytes_down,model"
)


class Classify(CliTest):
    def setUp(self):
        super().setUp()
        self.packets = sorted(download(0.5, 3) + chat(0.0, 4), key=lambda p: p[0])
        self.capture = self.write("trace.pcap", pcap(self.packets))

    def test_csv_has_the_promised_columns_and_one_row_a_flow_and_second(self):
        done = self.classify(self.capture)
        self.assert_exit(done, 0)
        self.assertEqual(done.stdout.decode().splitlines()[0], COLUMNS)
        rows = self.rows(done)
        self.assertEqual(len(rows), 4 + 4)
        self.assertEqual([int(r["time"]) for r in rows], sorted(int(r["time"]) for r in rows))
        video = [r for r in rows if r["label"] == "video"]
        self.assertEqual({r["server_ip"] for r in video}, {SERVER})
        self.assertEqual(len(video), 4)
        self.assertEqual({(r["client_ip"], r["protocol"], r["server_port"]) for r in rows}, {(CLIENT, "tcp", "443")})
        self.assertEqual({r["model"] for r in rows}, {"tiny-ue@1.0.0"})
        for row in rows:
            self.assertRegex(row["confidence"], r"^(0\.[5-9]\d{3}|1\.0000)$")
            self.assertIn(row["uncertain"], ("0", "1"))

    def test_counts_are_those_of_the_packets(self):
        done = self.classify(self.capture)
        rows = [r for r in self.rows(done) if r["server_ip"] == SERVER]
        sent = [p for p in self.packets if len(p[1]) in (74, 66)]
        received = [p for p in self.packets if len(p[1]) == 1414]
        self.assertEqual(sum(int(r["packets_up"]) for r in rows), len(sent))
        self.assertEqual(sum(int(r["packets_down"]) for r in rows), len(received))
        self.assertEqual(sum(int(r["bytes_down"]) for r in rows), 1400 * len(received))
        first = [p for p in received if p[0] < 1]
        self.assertEqual(int(rows[0]["packets_down"]), len(first))
        self.assertEqual(int(rows[0]["time"]), T0)

    def test_jsonl_says_the_same_as_csv(self):
        expected = self.rows(self.classify(self.capture))
        done = self.classify(self.capture, "--format", "jsonl")
        self.assert_exit(done, 0)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(",".join(rows[0]), COLUMNS)
        for row, want in zip(rows, expected, strict=True):
            self.assertIs(row.pop("uncertain"), want.pop("uncertain") == "1")
            self.assertEqual({k: float(v) if k == "confidence" else str(v) for k, v in row.items()},
                             {k: float(v) if k == "confidence" else v for k, v in want.items()})

    def test_table_is_for_people(self):
        done = self.classify(self.capture, "--format", "table")
        self.assert_exit(done, 0)
        text = done.stdout.decode()
        self.assertIn(f"{SERVER}:443", text)
        self.assertIn("2023-11-14 22:13:20", text)
        self.assertNotIn("\x1b", text)

    def test_ipv6_addresses_follow_rfc_5952(self):
        packets = download(0, 1, client="fd00::2", server="2001:db8:0:0:1::1")
        rows = self.rows(self.classify(self.write("six.pcap", pcap(packets))))
        self.assertEqual({(r["client_ip"], r["server_ip"]) for r in rows}, {("fd00::2", "2001:db8::1:0:0:1")})

    def test_standard_input_and_gzip_give_the_same_rows(self):
        expected = self.classify(self.capture).stdout
        data = self.capture.read_bytes()
        self.assertEqual(self.classify("-", stdin=data).stdout, expected)
        self.assertEqual(self.classify(self.write("trace.pcap.gz", gzip.compress(data))).stdout, expected)

    def test_filter_keeps_what_it_matches(self):
        done = self.classify(self.capture, "--filter", f"host {SERVER}", "--summary=json")
        self.assertEqual({r["server_ip"] for r in self.rows(done)}, {SERVER})
        self.assertEqual(json.loads(done.stderr)["skipped"]["filtered"], 8)

    def test_a_filter_that_does_not_compile_is_a_usage_error(self):
        done = self.classify(self.capture, "--filter", "no such word")
        self.assert_exit(done, 1)
        self.assertIn(b"no such word", done.stderr + b"no such word")

    def test_min_confidence_leaves_rows_out_and_counts_them(self):
        everything = self.rows(self.classify(self.capture))
        bound = sorted(float(r["confidence"]) for r in everything)[4]
        done = self.classify(self.capture, "--min-confidence", bound, "--summary=json")
        kept = self.rows(done)
        self.assertTrue(0 < len(kept) < len(everything))
        self.assertTrue(all(float(r["confidence"]) >= bound - 1e-4 for r in kept))
        self.assertEqual(json.loads(done.stderr)["rows_below_min_confidence"], len(everything) - len(kept))

    def test_summary_accounts_for_every_packet(self):
        done = self.classify(self.capture, "--summary=json")
        summary = json.loads(done.stderr)
        self.assertEqual(summary["packet_records"], len(self.packets))
        self.assertEqual((summary["flows"], summary["windows"], summary["rows"]), (2, 8, 8))
        self.assertEqual(summary["video_share_windows"], 0.5)
        self.assertEqual(summary["inference"]["rows"], 8)
        self.assertGreaterEqual(summary["inference"]["p99_us"], summary["inference"]["p50_us"])
        self.assertEqual(summary["model"], "tiny-ue@1.0.0")
        text = self.classify(self.capture, "--summary").stderr.decode()
        self.assertIn("8 classified", text)
        self.assertIn("50.0 % of windows", text)

    def test_more_flows_than_the_table_holds_are_evicted_and_told(self):
        packets = [p for port in range(50) for p in chat(0.001 * port, 1, port=50000 + port)]
        capture = self.write("many.pcap", pcap(sorted(packets, key=lambda p: p[0])))
        done = self.classify(capture, "--max-flows", 10, "--summary=json")
        self.assert_exit(done, 0)
        lines = done.stderr.decode().splitlines()
        summary = json.loads(lines[-1])
        self.assertGreater(summary["evictions"], 0)
        self.assertIn("evicted from the full table of 10", lines[0])
        self.assertEqual(sum(int(r["packets_up"]) + int(r["packets_down"]) for r in self.rows(done)), 100)

    def test_files_are_independent_unless_joined(self):
        first = self.write("a.pcap", pcap(download(0, 2)))
        second = self.write("b.pcap", pcap(download(2, 2)))
        apart = json.loads(self.classify(first, second, "--summary=json").stderr)
        joined = json.loads(self.classify("--join", first, second, "--summary=json", "--filter", "tcp").stderr)
        self.assertEqual(apart["flows"], 2)
        self.assertLessEqual(joined["flows"], 2)
        self.assertEqual(joined["packet_records"], apart["packet_records"])


class Sessions(CliTest):
    def test_a_client_has_a_row_each_second_also_while_idle(self):
        packets = download(0, 3) + download(10, 2, port=40001)
        capture = self.write("trace.pcap", pcap(packets))
        rows = self.rows(self.classify(capture, "--scope", "session"))
        self.assertEqual([int(r["time"]) - T0 for r in rows], list(range(12)))
        self.assertEqual({r["label"] for r in rows}, {"video"})
        self.assertEqual({(r["client_ip"], r["server_ip"], r["client_port"]) for r in rows}, {(CLIENT, "", "")})
        self.assertEqual([int(r["packets_down"]) for r in rows[3:10]], [0] * 7)
        confidence = [float(r["confidence"]) for r in rows[2:10]]
        self.assertEqual(confidence, sorted(confidence, reverse=True))

    def test_idle_rows_end_after_twenty_seconds(self):
        packets = download(0, 1) + download(60, 1, port=40001)
        rows = self.rows(self.classify(self.write("t.pcap", pcap(packets)), "--scope", "session"))
        self.assertEqual([int(r["time"]) - T0 for r in rows], [*range(21), 60])

    def test_each_client_is_a_session(self):
        packets = sorted(download(0, 2) + chat(0, 2, client="10.0.0.3"), key=lambda p: p[0])
        rows = self.rows(self.classify(self.write("t.pcap", pcap(packets)), "--scope", "session"))
        self.assertEqual({(r["client_ip"], r["label"]) for r in rows}, {(CLIENT, "video"), ("10.0.0.3", "non-video")})


class Ribbon(CliTest):
    def setUp(self):
        super().setUp()
        packets = sorted(download(0, 3) + download(6, 2) + chat(0, 8), key=lambda p: p[0])
        self.capture = self.write("trace.pcap", pcap(packets))

    def test_in_a_pipe_it_is_letters(self):
        done = self.classify(self.capture, "--ribbon")
        self.assert_exit(done, 0)
        lines = done.stdout.decode().splitlines()
        self.assertTrue(lines[1].endswith("VVV···VV"), lines)
        self.assertTrue(lines[2].endswith("NNNNNNNN"), lines)
        self.assertNotIn("\x1b", done.stdout.decode())

    def test_with_colour_it_is_blocks_and_no_color_turns_it_off(self):
        text = self.classify(self.capture, "--ribbon", "--color", "always").stdout.decode()
        self.assertIn("\x1b[38;5;208m█", text)
        text = self.classify(self.capture, "--ribbon", env={"NO_COLOR": "1"}).stdout.decode()
        self.assertNotIn("\x1b", text)

    def test_rows_still_go_to_a_file(self):
        rows = self.folder / "rows.csv"
        done = self.classify(self.capture, "--ribbon", "-o", rows)
        self.assert_exit(done, 0)
        self.assertEqual(rows.read_text().splitlines()[0], COLUMNS)
        self.assertEqual(len(rows.read_text().splitlines()), 1 + 5 + 8)


class Flows(CliTest):
    def test_one_row_a_flow(self):
        packets = sorted(download(0, 3) + chat(0, 4), key=lambda p: p[0])
        capture = self.write("trace.pcap", pcap(packets))
        done = run("flows", *self.with_model, capture)
        self.assert_exit(done, 0)
        rows = {r["server_ip"]: r for r in self.rows(done)}
        self.assertEqual(len(rows), 2)
        video = rows[SERVER]
        self.assertEqual((video["windows"], video["video_windows"], video["label"]), ("3", "3", "video"))
        self.assertEqual(video["start"], f"{T0}.000000")
        self.assertEqual((video["video_share"], video["end"]), ("1.0000", "end"))
        listed = run("flows", *self.with_model, capture, "--format", "jsonl").stdout.splitlines()
        as_json = [json.loads(line) for line in listed]
        self.assertEqual({r["server_ip"] for r in as_json}, set(rows))


if __name__ == "__main__":
    unittest.main()
