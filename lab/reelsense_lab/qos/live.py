"""`tcpdump -U -w - | reelsense decide --flows -`: the real classifier on live packets, and what it says."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reelsense_lab import capture, testbed
from reelsense_lab.errors import LabError
from reelsense_lab.prerequisites import ROOT
from reelsense_lab.qos.decisions import FlowMark, SessionDecision, read

DRAIN_S = 5


def released_model() -> Path:
    """The newest bundle of the device tier for packets."""
    return max((ROOT / "models/reelsense-ue").iterdir(), key=lambda it: tuple(map(int, it.name.split("."))))


Heard = FlowMark | SessionDecision


@dataclass(frozen=True, slots=True)
class Classifier:
    """The command that decides. Without a policy: its own defaults."""

    reelsense: Path
    model: Path
    policy: Path | None = None

    def command(self) -> list[str]:
        words = [str(self.reelsense), "decide", "--flows", "--format", "jsonl"]
        words += ["--model", str(self.model)]
        words += ["--policy", str(self.policy)] if self.policy else []
        return [*words, "-"]


@dataclass(slots=True)
class Ears:
    """Everything that was heard. `delays_s`: from the end of the second that a line is about to its arrival here."""

    lines: list[str] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    problem: Exception | None = None


@contextlib.contextmanager
def listening(
    bed: testbed.Testbed,
    namespace: str,
    device: str,
    filter_: str,
    classifier: Classifier,
    folder: Path,
    act: Callable[[Heard], None],
) -> Iterator[Ears]:
    """Until the context is left, `act` is called on a thread of its own for every line, as soon as it is printed."""
    dump_log, decide_log = folder / "live-tcpdump.log", folder / "live-decide.log"
    # Immediate mode: libpcap hands packets on as they come and not once a second.
    words = ["tcpdump", "-i", device, "-n", "--immediate-mode", "-s", str(capture.SNAP_BYTES), "-Z", "root"]
    ears = Ears()
    with dump_log.open("w") as dump_err, decide_log.open("w") as decide_err, contextlib.ExitStack() as stack:
        dump = bed.start(namespace, [*words, "-U", "-w", "-", filter_], stdout=subprocess.PIPE, stderr=dump_err)
        stack.callback(testbed.stop, dump)
        assert dump.stdout is not None
        decide = subprocess.Popen(
            classifier.command(),
            stdin=dump.stdout,
            stdout=subprocess.PIPE,
            stderr=decide_err,
            text=True,
            start_new_session=True,
        )
        stack.callback(testbed.stop, decide)
        dump.stdout.close()
        _wait_until_listening(dump, dump_log)
        if decide.poll() is not None:
            raise LabError(f"reelsense decide ended at once: {decide_log.read_text()[-400:]}")
        hearing = threading.Thread(target=_hear, args=(decide, ears, act), daemon=True)
        hearing.start()
        yield ears
        testbed.stop(dump, signal.SIGINT)
        hearing.join(DRAIN_S)
        decide.wait(DRAIN_S)
    if ears.problem:
        raise ears.problem
    if decide.returncode:
        raise LabError(f"reelsense decide ended with status {decide.returncode}: {decide_log.read_text()[-400:]}")


def _wait_until_listening(dump: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + capture.START_PATIENCE_S
    while "listening on" not in log.read_text():
        if dump.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"tcpdump does not start: {log.read_text().strip()}")
        time.sleep(0.05)


def _hear(decide: subprocess.Popen[str], ears: Ears, act: Callable[[Heard], None]) -> None:
    assert decide.stdout is not None
    for line in decide.stdout:
        ears.lines.append(line)
        if ears.problem:
            continue  # read on, so that the pipe does not fill
        try:
            heard = read(line)
            ears.delays_s.append(time.time() - (heard.second + 1))
            act(heard)
        except Exception as error:  # told by the thread that waits for us
            ears.problem = error
