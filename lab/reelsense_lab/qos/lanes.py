"""Runs the runs over lanes: progress with an estimate, resume, retries, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reelsense_lab import record, testbed
from reelsense_lab.prerequisites import LAB
from reelsense_lab.qos import design, trial

ATTEMPTS = 2
OVERHEAD_S = 9.0  # a guess for the first estimate
STAGGER_S = 3.0  # between two starts, so that browsers do not start at the same time
POLL_S = 0.2
STOP_PATIENCE_S = 25


@dataclass(slots=True)
class Lane:
    number: int
    run: design.Run
    attempt: int
    process: subprocess.Popen[str]
    answer: Path
    log: Path
    started: float


def result_of(run: design.Run, out: Path, media_digest: str) -> dict[str, Any] | None:
    """The result that is there, if it is sound and of just these settings and media."""
    file = out / run.name / trial.RESULT
    try:
        found: dict[str, Any] = json.loads(file.read_text())
        same = found["settings"] == json.loads(json.dumps(run.settings())) and found["media"] == media_digest
        return found if same and found["ok"] else None
    except (OSError, ValueError, KeyError):
        return None


def facts(result: dict[str, Any]) -> str:
    played, moved = result["player"], result["transfers"]

    def shown(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return (
        f"{played['clips']:2} clips, rebuffering {shown(played['rebuffering'], '.3f')}, "
        f"no picture {shown(played['no_picture'], '.3f')}, {shown(played['bitrate_kbps'], '.0f')} kbit/s, "
        f"downloads {shown(moved['downloads_mbit'], '.2f')} Mbit/s"
    )


class Lanes:
    def __init__(self, place: record.Place, reelsense: Path, lanes: int, say: Callable[[str], None]) -> None:
        self.place, self.reelsense, self.lanes, self.say = place, reelsense, lanes, say
        self.running: list[Lane] = []
        self.overheads: list[float] = []
        self.failures: dict[str, str] = {}
        self.done = self.total = 0
        self.jobs = Path()

    def run(self, runs: Sequence[design.Run]) -> dict[str, str]:
        """All that are not complete; gives the failures by name. Cleans up on every way out."""
        todo = [run for run in runs if result_of(run, self.place.out, self.place.media_digest) is None]
        self.total = len(todo)
        if len(todo) < len(runs):
            self.say(f"{len(runs) - len(todo)} of {len(runs)} runs are complete already")
        try:
            with tempfile.TemporaryDirectory(prefix=f"{testbed.TEMPORARY_PREFIX}-{self.place.owner}-jobs-") as jobs:
                self.jobs = Path(jobs)
                self._loop(deque((run, 1) for run in todo))
        finally:
            self._stop_all()
            testbed.sweep(self.place.owner)
        return self.failures

    def _loop(self, waiting: deque[tuple[design.Run, int]]) -> None:
        last_start = 0.0
        while waiting or self.running:
            for lane in [lane for lane in self.running if lane.process.poll() is not None]:
                self.running.remove(lane)
                self._ended(lane, waiting)
            free = set(range(self.lanes)) - {lane.number for lane in self.running}
            if waiting and free and time.monotonic() - last_start >= STAGGER_S:
                last_start = time.monotonic()
                self.running.append(self._start(min(free), *waiting.popleft()))
            time.sleep(POLL_S)

    def _start(self, number: int, run: design.Run, attempt: int) -> Lane:
        stem = self.jobs / f"{number}-{run.name}-{attempt}"
        job, answer, log = (stem.with_name(stem.name + suffix) for suffix in (".json", ".answer", ".log"))
        place = asdict(replace(self.place, lane=number))
        place |= {key: str(value) for key, value in place.items() if isinstance(value, Path)}
        known = {"place": place, "answer": str(answer), "reelsense": str(self.reelsense)}
        job.write_text(json.dumps({"run": run.settings(), **known}))
        with log.open("w") as out:
            process: subprocess.Popen[str] = subprocess.Popen(
                [sys.executable, "-m", "reelsense_lab.qos.worker", str(job)],
                env={**os.environ, "PYTHONPATH": str(LAB)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                text=True,
            )
        return Lane(number, run, attempt, process, answer, log, time.monotonic())

    def _ended(self, lane: Lane, waiting: deque[tuple[design.Run, int]]) -> None:
        took = time.monotonic() - lane.started
        self.overheads.append(took - lane.run.seconds)
        if lane.process.returncode == 0:
            self.done += 1
            file = self.place.out / lane.run.name / trial.RESULT
            self._report(lane, "ok   ", facts(json.loads(file.read_text())), took, waiting)
            return
        reason = lane.answer.read_text() if lane.answer.exists() else ""
        reason = reason or lane.log.read_text().strip()[-600:] or f"exit status {lane.process.returncode}"
        ours = testbed.namespaces_of(self.place.owner)
        testbed.remove([name for name in ours if f"-{lane.number}-" in name])
        again = lane.attempt < ATTEMPTS
        if again:
            waiting.append((lane.run, lane.attempt + 1))
        else:
            self.done += 1
            self.failures[lane.run.name] = reason
        self._report(lane, "again" if again else "FAIL ", reason, took, waiting)

    def _report(self, lane: Lane, state: str, text: str, took: float, waiting: deque[tuple[design.Run, int]]) -> None:
        overhead = sum(self.overheads) / len(self.overheads) if self.overheads else OVERHEAD_S
        now = time.monotonic()
        left = sum(run.seconds + overhead for run, _ in waiting)
        left += sum(max(0.0, each.run.seconds + overhead - (now - each.started)) for each in self.running)
        minutes, seconds = divmod(int(left / self.lanes), 60)
        name = f"{lane.run.name:18} {lane.run.pair.design:5} {lane.run.pair.path:14} {lane.run.pair.protocol}"
        self.say(f"[{self.done:>3}/{self.total}] {state} {name} {took:4.0f} s  {text}  ETA {minutes}:{seconds:02}")

    def _stop_all(self) -> None:
        for lane in self.running:
            if lane.process.poll() is None:
                lane.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_PATIENCE_S
        for lane in self.running:
            try:
                lane.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                lane.process.kill()
                lane.process.wait()
