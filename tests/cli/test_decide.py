"""reelsense decide: rows, formats, the policy's file, live input, and the policy's second program."""

import csv
import io
import json
import math
import os
import pty
import random
import select
import subprocess
import sys
import time
import unittest

from onnx_bytes import linear_model
from support import CLIENT, REELSENSE, SERVER, SOURCE, T0, CliTest, chat, pcap, run, tcp_packet

sys.path.insert(0, str(SOURCE / "tests" / "reference"))
from reelsense_reference import qos_policy

SESSION_ONLY = (
    "prefetch_depth", "prefetch_reason", "buffer_target_ms", "buffer_reason", "max_bitrate_kbps", "bitrate_reason",
    "throughput_kbps",
)  # fmt: skip
BIN_S = 0.05


def burst(second, port, *, mbit, first=0, last=19, share_full=1.0, client=CLIENT, server=SERVER):
    """Packets of one second: `mbit` in the 50 ms bins first … last, a share of them full-sized."""
    packets = []
    for b in range(first, last + 1):
        sizes = []
        while sum(sizes) < mbit * 1e6 / 8 * BIN_S:
            sizes.append(1400 if len(sizes) < share_full * 10 or share_full >= 1 else 600)
        for i, size in enumerate(sizes):
            at = second + (b + 0.05 + 0.9 * i / len(sizes)) * BIN_S
            packets.append((at, tcp_packet(server, client, 443, port, size)))
            if i % 4 == 0:
                packets.append((at + 1e-5, tcp_packet(client, server, port, 443, 52)))
    return packets


def capture(*flows):
    return pcap(sorted((p for flow in flows for p in flow), key=lambda p: p[0]))


class Decide(CliTest):
    def decide(self, *arguments, **options):
        return run("decide", *self.with_model, *arguments, **options)

    def decided(self, path, *arguments):
        done = self.decide(path, *arguments)
        self.assert_exit(done, 0)
        return self.rows(done)

    def reels(self, seconds=30):
        """One clip a few seconds, a burst of 0.3 s each, at 8 Mbit/s."""
        packets = [burst(s, 40000, mbit=8, first=2, last=7) for s in range(0, seconds, 3)]
        return self.write("reels.pcap", capture(*packets))

    def narrow(self, seconds=12, mbit=1.0):
        return self.write("narrow.pcap", capture(*(burst(s, 40000, mbit=mbit) for s in range(seconds))))


class Rows(Decide):
    def test_a_row_a_second_also_through_idle_ones(self):
        rows = self.decided(self.reels())
        self.assertEqual([int(row["time"]) for row in rows], list(range(T0, T0 + 28)))
        self.assertEqual({row["kind"] for row in rows}, {"session"})
        self.assertEqual({row["client_ip"] for row in rows}, {CLIENT})
        self.assertEqual({row["dscp"] for row in rows}, {""})
        self.assertEqual(rows[1]["prefetch_reason"], "idle")
        self.assertEqual((rows[-1]["prefetch_depth"], rows[-1]["max_bitrate_kbps"]), ("3", "0"))

    def test_session_ends_twenty_seconds_after_its_last_packet_with_the_defaults(self):
        packets = [burst(s, 40000, mbit=1) for s in range(8)] + [chat(60, 1, client="10.0.0.9")]
        rows = [row for row in self.decided(self.write("a.pcap", capture(*packets))) if row["client_ip"] == CLIENT]
        self.assertEqual(len(rows), 8 + 20)
        self.assertEqual((rows[-2]["prefetch_reason"], rows[-2]["prefetch_depth"]), ("idle", "1"))
        self.assertEqual(
            (rows[-1]["prefetch_reason"], rows[-1]["prefetch_depth"], rows[-1]["changed"]), ("default", "2", "1")
        )

    def test_video_that_fills_a_narrow_path(self):
        rows = self.decided(self.narrow())
        self.assertEqual(rows[2]["prefetch_reason"], "video")
        last = rows[-1]
        self.assertEqual(
            [last[key] for key in ("prefetch_depth", "buffer_target_ms", "prefetch_reason")], ["1", "4000", "congested"]
        )
        self.assertEqual(int(last["bytes_down"]), 140_000)
        self.assertEqual(
            (last["throughput_kbps"], last["max_bitrate_kbps"]), ("1120", "700")
        )  # 0.65 of it, in steps of 50

    def test_flows_come_before_their_sessions_and_have_marks_only(self):
        rows = self.decided(self.narrow(3), "--flows")
        self.assertEqual([row["kind"] for row in rows], ["flow", "session"] * 3)
        flow = rows[0]
        self.assertEqual((flow["server_ip"], flow["server_port"], flow["protocol"]), (SERVER, "443", "tcp"))
        self.assertEqual((flow["dscp"], flow["dscp_reason"], flow["changed"]), ("26", "video", "1"))
        self.assertEqual([flow[key] for key in SESSION_ONLY], [""] * len(SESSION_ONLY))

    def test_changes_leave_out_what_stays(self):
        every = self.decided(self.narrow(), "--flows")
        changes = self.decided(self.narrow(), "--flows", "--changes")
        first = next(row for row in every if row["kind"] == "session")
        self.assertEqual(changes, [row for row in every if row["changed"] == "1" or row is first])
        self.assertLess(len(changes), len(every) / 2)

    def test_jsonl_says_the_same_as_csv(self):
        capture_file = self.narrow(8)
        done = self.decide(capture_file, "--flows", "--format", "jsonl")
        rows = self.decided(capture_file, "--flows")
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        self.assertEqual(len(lines), len(rows))
        for line, row in zip(lines, rows, strict=True):
            self.assertEqual(set(line), {key for key, value in row.items() if value != ""})
            for key, value in line.items():
                written = (
                    f"{value:.4f}"
                    if key == "confidence"
                    else str(int(value))
                    if isinstance(value, bool)
                    else str(value)
                )
                self.assertEqual(written, row[key], key)

    def test_clients_are_sessions_of_their_own(self):
        other = "10.0.0.3"
        packets = [burst(s, 40000, mbit=1) for s in range(8)] + [
            burst(s, 40001, mbit=8, last=5, client=other) for s in range(8)
        ]
        rows = self.decided(self.write("two.pcap", capture(*packets)))
        last = {row["client_ip"]: row["prefetch_reason"] for row in rows}
        self.assertEqual(last, {CLIENT: "congested", other: "video"})

    def test_two_runs_give_the_same_bytes(self):
        capture_file = self.reels()
        self.assertEqual(self.decide(capture_file, "--flows").stdout, self.decide(capture_file, "--flows").stdout)

    def test_table_on_a_terminal_names_decisions_for_people(self):
        done = self.decide(self.narrow(), "--flows", "--format", "table", "--colour", "never")
        self.assert_exit(done, 0)
        text = done.stdout.decode()
        for word in ("prefetch", "AF31 for 192.0.2.10:443", "congested", "kb/s", "4.0 s"):
            self.assertIn(word, text)
        self.assertNotIn("\x1b", text)
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [REELSENSE, "decide", *map(str, self.with_model), self.narrow()], stdout=slave, stderr=subprocess.DEVNULL
        )
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 30)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        process.wait(timeout=30)
        os.close(master)
        self.assertIn(b"time (UTC)", shown)


class Live(Decide):
    def test_rows_of_a_second_come_as_soon_as_a_later_packet_does(self):
        whole = capture(*(burst(s, 40000, mbit=1) for s in range(5)))
        until = whole.index(burst_start(whole, 3))
        process = subprocess.Popen(
            [REELSENSE, "decide", *map(str, self.with_model), "--format", "jsonl", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            process.stdin.write(whole[: until + 200])  # into the fourth second, and then nothing for now
            process.stdin.flush()
            seen = b""
            deadline = time.monotonic() + 20
            while seen.count(b"\n") < 3 and time.monotonic() < deadline:
                if select.select([process.stdout], [], [], 1)[0]:
                    seen += os.read(process.stdout.fileno(), 65536)
            self.assertEqual([json.loads(line)["time"] for line in seen.splitlines()], [T0, T0 + 1, T0 + 2])
            process.stdin.write(whole[until + 200 :])
            process.stdin.close()
            self.assertEqual(len(process.stdout.read().splitlines()), 2)
            self.assertEqual(process.wait(timeout=20), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def burst_start(whole, second):
    """The first record header of a second."""
    at = 24
    while int.from_bytes(whole[at : at + 4], "little") != T0 + second:
        at += 16 + int.from_bytes(whole[at + 8 : at + 12], "little")
    return whole[at : at + 16]


class PolicyFile(Decide):
    def with_policy(self, text):
        path = self.write("policy.json", text.encode() if isinstance(text, str) else json.dumps(text).encode())
        return self.decide(self.narrow(), "--policy", path), str(path)

    def test_settings_are_followed(self):
        done, _ = self.with_policy(
            {
                "$schema": "qos-policy.schema.json",
                "comment": "ours",
                "congested_prefetch_depth": 0,
                "min_bitrate_kbps": 700,
            }
        )
        self.assert_exit(done, 0)
        last = self.rows(done)[-1]
        self.assertEqual((last["prefetch_depth"], last["max_bitrate_kbps"]), ("0", "700"))

    def test_mistakes_name_file_setting_and_what_was_expected(self):
        cases = (
            ({"video_shar": 0.8}, ("video_shar", "nearest is video_share")),
            ({"video_share": 1.5}, ("video_share: 1.5", "0.1 to 1")),
            ({"busy_bins": 8.5}, ("busy_bins: 8.5", "whole number")),
            ({"busy_bins": "8"}, ("busy_bins", "expected a number", '"8"')),
            ({"busy_bins": {"a": 1}}, ("flat object",)),
            ({"busy_bins": 19}, ("busy_bins is 19", "full_bins")),
            ({"comment": 3}, ("comment", "expected a string")),
            ('{"busy_bins": 8, "busy_bins": 9}', ("busy_bins", "twice")),
            ("[]", ("an object",)),
            ('{"busy_bins": ', ("not JSON",)),
            ('{"busy_bins": 1e999}', ("not JSON",)),
            ("[" * 100_000, ("flat object",)),
            ("", ("not JSON",)),
        )
        for content, words in cases:
            with self.subTest(content=str(content)[:60]):
                done, path = self.with_policy(content)
                self.assert_exit(done, 2)
                for word in (path, *words):
                    self.assertIn(word, done.stderr.decode())
                self.assertEqual(done.stdout, b"")

    def test_file_that_is_not_there(self):
        done = self.decide(self.narrow(1), "--policy", self.folder / "no.json")
        self.assert_exit(done, 2)
        self.assertIn("no such file", done.stderr.decode())


class Usage(Decide):
    def test_without_files(self):
        done = self.decide()
        self.assert_exit(done, 1)
        self.assertIn("FILE is required", done.stderr.decode())

    def test_formats_of_rows_and_of_descriptions_do_not_mix(self):
        self.assert_exit(self.decide(self.narrow(1), "--format", "schema"), 1)
        self.assert_exit(self.decide("--describe", "--format", "csv"), 1)

    def test_help_has_examples_and_completion_knows_the_command(self):
        text = run("decide", "--help").stdout.decode()
        for word in ("Examples:", "--policy", "--flows", "--changes", "tcpdump"):
            self.assertIn(word, text)
        for shell in ("bash", "zsh", "fish"):
            self.assertIn(b"decide", run("completion", shell).stdout)

    def test_pages_are_current(self):
        for name, form in (("qos-policy.md", "markdown"), ("qos-policy.schema.json", "schema")):
            made = run("decide", "--describe", "--format", form).stdout
            self.assertEqual(made, (SOURCE / "docs" / "reference" / name).read_bytes(), "make docs")

    def test_the_page_shows_a_file_that_is_taken(self):
        page = (SOURCE / "docs" / "reference" / "qos-policy.md").read_text()
        example = page.split("```json\n")[1].split("```")[0]
        path = self.write("example.json", example.encode())
        self.assert_exit(self.decide(self.narrow(1), "--policy", path), 0)

    def test_every_default_and_bound_of_the_schema_is_taken_and_what_lies_beyond_is_not(self):
        schema = json.loads(run("decide", "--describe", "--format", "schema").stdout)
        settings = {key: each for key, each in schema["properties"].items() if "default" in each}
        self.assertGreater(len(settings), 30)
        defaults = self.write("all.json", json.dumps({key: each["default"] for key, each in settings.items()}).encode())
        tiny = self.narrow(1)
        self.assert_exit(self.decide(tiny, "--policy", defaults), 0)
        for key, each in settings.items():
            for beyond in (each["minimum"] - 1, each["maximum"] + 1):
                done = self.decide(tiny, "--policy", self.write("one.json", json.dumps({key: beyond}).encode()))
                self.assert_exit(done, 2)
                self.assertIn(key, done.stderr.decode())


class SecondProgram(Decide):
    """tests/reference/reelsense_reference/qos_policy.py must decide the same on captures drawn at random."""

    WEIGHT, INTERCEPT = 9.0, -5.0

    def onnx(self, **options):  # flows of full-sized packets are video
        return linear_model({"down_full_share": self.WEIGHT}, self.INTERCEPT, self.schema_hash, **options)

    def write_bundle(self, **options):
        return super().write_bundle(manifest={"features": ["down_full_share"]}, **options)

    def draw(self, seed):
        rng = random.Random(seed)
        packets = []
        for number in range(3):
            client, port = f"10.0.0.{2 + number % 2}", 40000 + number
            share, mbit = rng.choice((0.1, 0.5, 0.6, 1.0)), rng.choice((0.2, 0.4, 0.8))
            second = rng.randrange(5)
            while second < 50:
                mood = rng.choice(("full", "full", "burst", "burst", "silent", "trickle"))
                if rng.random() < 0.3:
                    packets.append([(second, tcp_packet(client, SERVER, port, 443, 400))])  # a request
                for s in range(second, second + rng.randrange(1, 9)):
                    at = {"client": client, "share_full": share if rng.random() < 0.8 else 1.0, "mbit": mbit}
                    if mood == "full":
                        packets.append(burst(s, port, **at))
                    elif mood == "burst" and s % 2:
                        first = rng.randrange(0, 10)
                        packets.append(burst(s, port, first=first, last=first + rng.randrange(1, 10), **at))
                    elif mood == "trickle":
                        packets.append(chat(s, 1, client=client, server=SERVER, port=port))
                    second = s + 1
        return self.write(f"drawn-{seed}.pcap", capture(*packets))

    def windows(self, path):
        done = run("features", "--bins", path)
        for row in csv.DictReader(io.StringIO(done.stdout.decode())):
            p = 1 / (1 + math.exp(-(self.WEIGHT * float(row["down_full_share"]) + self.INTERCEPT)))
            flow = tuple(row[key] for key in ("client_ip", "client_port", "server_ip", "server_port", "protocol"))
            bins = [int(row[f"bin_down_{i}"]) for i in range(20)]
            yield qos_policy.Window(
                int(row["time"]),
                row["client_ip"],
                flow,
                p,
                p >= 0.5,
                0.3 < p < 0.7,
                int(row["bytes_up"]),
                int(row["bytes_down"]),
                bins,
                float(row["request_age_s"]),
                float(row["open_chunk_log2"]),
                float(row["chunk_size_log2"]),
            )

    def test_same_decisions(self):
        reasons, transfers = set(), 0
        for seed in range(10):
            path = self.draw(seed)
            settings = qos_policy.default_settings()
            if seed % 2:
                settings |= {
                    "idle_seconds": 5,
                    "bulk_seconds": 3,
                    "bulk_kbps": 100,
                    "active_bytes": 2000,
                    "hold_seconds": 3,
                    "throughput_samples": 3,
                    "transfer_seconds": 3,
                    "transfer_bytes": 400_000,
                    "transfer_chunk_bytes": 800_000,
                }
            policy = self.write("p.json", json.dumps(settings).encode())
            rows = self.decided(path, "--flows", "--policy", policy)
            windows = list(self.windows(path))
            transfers += sum(qos_policy.is_transfer(window, settings) for window in windows if window.is_video)
            marks, decisions = qos_policy.decide(windows, settings)
            said = [(int(row["dscp"]), row["dscp_reason"]) for row in rows if row["kind"] == "flow"]
            self.assertEqual(said, [(mark.dscp, mark.reason) for _, mark in marks], seed)
            sessions = [row for row in rows if row["kind"] == "session"]
            self.assertEqual(len(sessions), len(decisions))
            for row, (second, client, _, qos) in zip(sessions, decisions, strict=True):
                ours = (
                    int(row["time"]),
                    row["client_ip"],
                    *(int(row[key]) for key in SESSION_ONLY[::2]),
                    row["changed"] == "1",
                )
                self.assertEqual(
                    ours, (second, client, qos.depth, qos.buffer_ms, qos.bitrate, qos.throughput, qos.changed), seed
                )
                self.assertEqual({row[key] for key in SESSION_ONLY[1::2]}, {qos.reason}, seed)
                reasons.add(qos.reason)
            reasons |= {reason for _, reason in said}
        self.assertEqual(reasons, {"default", "video", "congested", "non-video", "uncertain", "hold", "idle", "bulk"})
        self.assertGreater(transfers, 0)


if __name__ == "__main__":
    unittest.main()
