"""Where bytes go: failed writes, closed pipes, terminals."""

import os
import pty
import select
import signal
import subprocess
import unittest

from support import REELSENSE, CliTest, chat, download, pcap, run


class Failing(CliTest):
    def setUp(self):
        super().setUp()
        packets = [p for port in range(400) for p in chat(port * 0.0001, 2, port=30000 + port)]
        self.capture = self.write("trace.pcap", pcap(sorted(packets, key=lambda p: p[0])))

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_full_disk_is_an_error_for_every_command(self):
        commands = (
            ["classify", *self.with_model, self.capture],
            ["classify", *self.with_model, self.capture, "--ribbon"],
            ["flows", *self.with_model, self.capture],
            ["decide", *self.with_model, self.capture],
            ["features", self.capture],
            ["features", "--describe"],
            ["version"],
            ["completion", "bash"],
            ["--help"],
        )
        for command in commands:
            with self.subTest(command=command), open("/dev/full", "wb") as full:
                done = subprocess.run([REELSENSE, *map(str, command)], stdout=full, stderr=subprocess.PIPE, timeout=60)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn(b"No space left on device", done.stderr)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_full_disk_behind_output_option(self):
        done = self.classify(self.capture, "-o", "/dev/full")
        self.assert_exit(done, 4)
        self.assertIn(b"/dev/full: No space left", done.stderr)

    def test_output_that_cannot_be_opened(self):
        self.assert_exit(self.classify(self.capture, "-o", self.folder / "no" / "rows.csv"), 4)

    def closed_pipe(self, **options):
        command = [REELSENSE, "classify", *self.with_model, self.capture]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        return process.wait(timeout=60), error

    def test_closed_pipe_ends_quietly(self):
        self.assertEqual(self.closed_pipe(), (-signal.SIGPIPE, b""))

    def test_closed_pipe_with_sigpipe_ignored_is_an_error(self):
        code, error = self.closed_pipe(
            restore_signals=False, preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        )
        self.assertEqual(code, 4)
        self.assertIn(b"Broken pipe", error)


class OnATerminal(CliTest):
    def on_terminal(self, *arguments, **env):
        """Standard output as a terminal shows it."""
        master, slave = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        environment |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env}
        process = subprocess.Popen(
            [REELSENSE, *map(str, arguments)], stdout=slave, stderr=subprocess.DEVNULL, env=environment
        )
        os.close(slave)
        text = b""
        while select.select([master], [], [], 30)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            text += piece
        os.close(master)
        self.assertEqual(process.wait(timeout=30), 0)
        return text.decode()

    def setUp(self):
        super().setUp()
        self.capture = self.write("trace.pcap", pcap(download(0, 3)))
        self.command = ("classify", *self.with_model, self.capture)

    def test_rows_are_a_coloured_table(self):
        text = self.on_terminal(*self.command)
        self.assertTrue(text.startswith("time (UTC)"))
        self.assertIn("\x1b[", text)

    def test_no_color_and_dumb_terminals_get_no_escapes(self):
        self.assertNotIn("\x1b", self.on_terminal(*self.command, NO_COLOR="1"))
        self.assertNotIn("\x1b", self.on_terminal(*self.command, TERM="dumb"))
        self.assertNotIn("\x1b", self.on_terminal(*self.command, "--ribbon", NO_COLOR="1"))

    def test_ribbon_has_colour_and_fits_the_width(self):
        text = self.on_terminal(*self.command, "--ribbon", COLUMNS="60")
        self.assertIn("█", text)


class CommandLine(CliTest):
    def test_usage_errors_are_exit_1_and_say_where_to_look(self):
        for arguments in (
            [], ["no-such"], ["classify"], ["classify", "--format", "xml", "x"], ["classify", "--max-flows", "-3", "x"],
            ["features"], ["features", "x.pcap", "--format", "npy"], ["model"], ["completion", "tcsh"],
            ["classify", "--summary=xml", "x"], ["tail"], ["bench-server", "x"],
            ["classify", "--server", "nowhere", "x"],
            ["tail", "--server", "ftp://a:1"], ["bench-server", "--server", "a:1", "--in-flight", "1", "x"],
        ):  # fmt: skip
            with self.subTest(arguments=arguments):
                done = run(*arguments)
                self.assert_exit(done, 1)
                self.assertEqual(done.stdout, b"")
                self.assertIn(b"reelsense: ", done.stderr)

    def test_every_subcommand_has_help_with_examples(self):
        for command in (
            ["classify"], ["flows"], ["features"], ["predict"], ["model", "list"], ["model", "inspect"],
            ["model", "verify"], ["version"], ["completion"], ["tail"], ["bench-server"],
        ):  # fmt: skip
            with self.subTest(command=command):
                done = run(*command, "--help")
                self.assert_exit(done, 0)
                self.assertEqual(done.stderr, b"")
                self.assertIn(b"Example", done.stdout)
                self.assertIn(f"reelsense {' '.join(command)}".encode(), done.stdout)


if __name__ == "__main__":
    unittest.main()
