"""Resume without recording, and, as root, that nothing is left after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from reelsense_lab import media, prerequisites, runner, summary, testbed
from reelsense_lab.scenario import Session

SESSION = Session("one", "aria", "reels", "lte", 1, seconds=5)
PROBLEMS = prerequisites.problems(prerequisites.DEFAULT_BUILD)
INTERRUPT_AFTER_S = 5
PATIENCE_S = 120


def finished(out: Path, session: Session, *, ok: int = 1, media: str = "digest") -> None:
    (out / session.name).mkdir(parents=True)
    summary.write_json(
        {"settings": session.settings(), "media": media, "index": {"ok": ok}}, out / session.name / summary.SUMMARY
    )


def test_resume_complete_session_is_skipped(tmp_path: Path) -> None:
    finished(tmp_path, SESSION)
    assert runner.is_complete(SESSION, tmp_path, "digest")


@pytest.mark.parametrize("change", [{"seed": 2}, {"path": "3g"}, {"background": ({"kind": "onoff", "mbit": 1},)}])
def test_resume_session_with_other_settings_is_done_again(tmp_path: Path, change: dict[str, object]) -> None:
    finished(tmp_path, SESSION)
    assert not runner.is_complete(replace(SESSION, **change), tmp_path, "digest")


def test_resume_unsound_missing_or_half_written_session_is_done_again(tmp_path: Path) -> None:
    assert not runner.is_complete(SESSION, tmp_path, "digest")
    finished(tmp_path, SESSION, ok=0)
    assert not runner.is_complete(SESSION, tmp_path, "digest")
    (tmp_path / SESSION.name / summary.SUMMARY).write_text('{"settings":')
    assert not runner.is_complete(SESSION, tmp_path, "digest")


def test_resume_other_media_is_done_again(tmp_path: Path) -> None:
    finished(tmp_path, SESSION, media="old")
    assert not runner.is_complete(SESSION, tmp_path, "digest")


def command_lines() -> str:
    listed = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            listed.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(listed)


@pytest.mark.skipif(bool(PROBLEMS), reason=f"cannot record here: {'; '.join(PROBLEMS)}")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_run_leaves_no_namespace_process_or_folder(tmp_path: Path, sent: signal.Signals) -> None:
    """After SIGKILL only the workers can clean up, and the next run takes what the runner itself left."""
    media.ensure(prerequisites.DEFAULT_BUILD, lambda _: None, "ci")  # takes as long as it takes
    scenario = tmp_path / "made.yaml"
    sessions = [{"design": design, "workload": "reels", "path": "lte", "seconds": 60} for design in ("aria", "brisk")]
    scenario.write_text(json.dumps({"sessions": sessions}))
    words = ["run", str(scenario), "--out", str(tmp_path / "out"), "--lanes", "2", "--media", "ci"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reelsense_lab.cli", *words],
            env={**os.environ, "PYTHONPATH": str(prerequisites.LAB)},
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + PATIENCE_S
    while not testbed.namespaces_of(process.pid):
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.1)
    time.sleep(INTERRUPT_AFTER_S)
    process.send_signal(sent)
    status = process.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while testbed.namespaces_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)  # the workers of a killed runner clean up by themselves
    assert testbed.namespaces_of(process.pid) == []
    if sent is signal.SIGKILL:
        time.sleep(1)
        testbed.sweep()
    else:
        assert status == 130
    assert testbed.temporary_folders_of(process.pid) == []
    assert f"{testbed.TEMPORARY_PREFIX}-{process.pid}-" not in command_lines()
    assert [file.name for file in (tmp_path / "out").glob("*/summary.json")] == []
