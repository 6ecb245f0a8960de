"""Runs sessions over lanes: progress, resume, retries, and nothing left behind."""

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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from reelsense_lab import prerequisites, record, summary, testbed
from reelsense_lab.prerequisites import LAB
from reelsense_lab.scenario import Session

ATTEMPTS = 2
OVERHEAD_S = 9.0  # a guess for the first estimate: servers, browser start and truth
POLL_S = 0.2
STAGGER_S = 2.0  # between the first starts of the lanes, so that browsers do not all start at once
STOP_PATIENCE_S = 25


@dataclass(slots=True)
class Lane:
    number: int
    session: Session
    attempt: int
    process: subprocess.Popen[str]
    answer: Path
    log: Path
    started: float


@dataclass(slots=True)
class Outcome:
    summaries: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    skipped: int = 0


def comparable(settings: Any) -> Any:
    """As JSON would give it back: tuples and lists are the same."""
    return json.loads(json.dumps(settings))


def is_complete(session: Session, out: Path, media_digest: str) -> bool:
    """Recorded, sound, and with just these settings and media."""
    file = out / session.name / summary.SUMMARY
    if not file.exists():
        return False
    try:
        found = json.loads(file.read_text())
        same = found["settings"] == comparable(session.settings()) and found["media"] == media_digest
        return bool(same and found["index"]["ok"])
    except (ValueError, KeyError):
        return False


class Runner:
    def __init__(self, place: record.Place, lanes: int, say: Callable[[str], None]) -> None:
        self.place = place
        self.lanes = lanes
        self.say = say
        self.jobs = Path()
        self.running: list[Lane] = []
        self.outcome = Outcome()
        self.durations: list[float] = []  # of ended sessions, over what they were to last
        self.done = 0
        self.total = 0

    def run(self, sessions: Sequence[Session]) -> Outcome:
        """All sessions, those that are complete left out. Cleans up on every way out."""
        todo = [s for s in sessions if not is_complete(s, self.place.out, self.place.media_digest)]
        self.outcome.skipped = len(sessions) - len(todo)
        self.total = len(todo)
        if self.outcome.skipped:
            self.say(f"{self.outcome.skipped} sessions are complete already")
        waiting = deque((session, 1) for session in todo)
        try:
            with tempfile.TemporaryDirectory(prefix=f"{testbed.TEMPORARY_PREFIX}-{self.place.owner}-jobs-") as jobs:
                self.jobs = Path(jobs)
                self._loop(waiting)
        finally:
            self._stop_all()
            testbed.sweep(self.place.owner)
            for partial in self.place.out.glob(".*.partial"):
                subprocess.run(["rm", "-rf", str(partial)], check=False)
        wanted = {session.name for session in sessions}
        self.outcome.summaries = [
            each for each in summary.write_index(self.place.out) if each["index"]["session"] in wanted
        ]
        return self.outcome

    def _loop(self, waiting: deque[tuple[Session, int]]) -> None:
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

    def _start(self, number: int, session: Session, attempt: int) -> Lane:
        stem = self.jobs / f"{number}-{session.name}-{attempt}"
        job, answer, log = (stem.with_name(stem.name + suffix) for suffix in (".json", ".answer", ".log"))
        place = {**asdict(replace(self.place, lane=number))}
        paths = {key: str(value) for key, value in place.items() if isinstance(value, Path)}
        job.write_text(json.dumps({"session": session.settings(), "place": {**place, **paths}, "answer": str(answer)}))
        with log.open("w") as out:
            process: subprocess.Popen[str] = subprocess.Popen(
                [sys.executable, "-m", "reelsense_lab.worker", str(job)],
                env={**os.environ, "PYTHONPATH": str(LAB)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                text=True,
            )
        return Lane(number, session, attempt, process, answer, log, time.monotonic())

    def _ended(self, lane: Lane, waiting: deque[tuple[Session, int]]) -> None:
        took = time.monotonic() - lane.started
        self.durations.append(took - lane.session.seconds)
        reason = lane.answer.read_text() if lane.answer.exists() else ""
        if lane.process.returncode == 0:
            self.done += 1
            described = json.loads((self.place.out / lane.session.name / summary.SUMMARY).read_text())
            self._report(lane, "ok  ", self._facts(described), took, waiting)
            summary.write_index(self.place.out)
            return
        reason = reason or lane.log.read_text().strip()[-400:] or f"exit status {lane.process.returncode}"
        testbed.remove([name for name in testbed.namespaces_of(self.place.owner) if f"-{lane.number}-" in name])
        if lane.attempt < ATTEMPTS:
            waiting.append((lane.session, lane.attempt + 1))
            self._report(lane, "again", reason, took, waiting)
            return
        self.done += 1
        self.outcome.failures[lane.session.name] = reason
        self._report(lane, "FAIL", reason, took, waiting)

    def _facts(self, described: dict[str, Any]) -> str:
        index, label = described["index"], described["flow_seconds_by_label"]
        return (
            f"{index['packets']:>7,} packets {described['bytes_down'] / 1e6:6.1f} MB down, "
            f"flow seconds {label.get('video', 0)} video {label.get('non-video', 0)} non-video"
        )

    def _report(self, lane: Lane, state: str, facts: str, took: float, waiting: deque[tuple[Session, int]]) -> None:
        overhead = sum(self.durations) / len(self.durations) if self.durations else OVERHEAD_S
        now = time.monotonic()
        left = sum(session.seconds + overhead for session, _ in waiting)
        left += sum(max(0.0, each.session.seconds + overhead - (now - each.started)) for each in self.running)
        eta = left / self.lanes
        self.say(
            f"[{self.done:>3}/{self.total}] {state} {lane.session.name:44} {took:5.0f} s  {facts}  "
            f"ETA {int(eta // 60)}:{int(eta % 60):02}"
        )

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


def place_for(out: Path, build: Path, media: Path, media_digest: str, compress: bool) -> record.Place:
    out.mkdir(parents=True, exist_ok=True)
    return record.Place(
        owner=os.getpid(),
        lane=0,
        out=out.resolve(),
        build=build,
        media=media,
        media_digest=media_digest,
        versions=prerequisites.versions(build),
        compress=compress,
    )
