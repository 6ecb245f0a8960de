"""reelsense-lab ci: a few short sessions, each held against its capture and against the product's own windows."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reelsense_lab import media, prerequisites, runner, scenario, show, summary, testbed
from reelsense_lab.errors import LabError

SCENARIO = prerequisites.LAB / "scenarios/ci.yaml"
CLASSIFIER = prerequisites.ROOT / "build/release/bin/reelsense"
KEY = ("time", "client_ip", "client_port", "server_ip", "server_port", "protocol")
COUNTS = ("packets_up", "packets_down", "bytes_up", "bytes_down")
VIDEO_SHARE = (0.3, 1.0)  # of a video session's down bytes; the rest is pages, posters and scripts
UNCERTAIN_SHARE = (0.02, 0.98)  # of a session that does both


def joined(folder: Path) -> list[str]:
    """Truth rows and windows of `reelsense classify` must be the same ones, with the same counts."""
    run = subprocess.run(
        [str(CLASSIFIER), "classify", str(folder / "trace.pcap"), "--format", "csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        return [f"reelsense classify: {run.stderr.strip()}"]
    background = {testbed.BACKGROUND.ipv4, testbed.BACKGROUND.ipv6}  # which the truth leaves out
    rows = [row for row in csv.DictReader(run.stdout.splitlines()) if row["server_ip"] not in background]
    windows = {tuple(row[c] for c in KEY): row for row in rows}
    with (folder / "truth.csv").open(newline="") as text:
        truth = {tuple(row[c] for c in KEY): row for row in csv.DictReader(text)}
    found = []
    if windows.keys() != truth.keys():
        only = len(windows.keys() - truth.keys()), len(truth.keys() - windows.keys())
        found.append(f"of {len(truth)} flow seconds, {only[0]} only classified, {only[1]} only in the truth")
    unlike = sum(any(windows[key][c] != truth[key][c] for c in COUNTS) for key in windows.keys() & truth.keys())
    if unlike:
        found.append(f"{unlike} flow seconds with other counts than reelsense classify has")
    return found


def plausible(described: dict[str, object], folder: Path) -> list[str]:
    """The share of video, and the session's rows."""
    index = described["index"]
    assert isinstance(index, dict)
    down, video = float(str(described["bytes_down"])), float(str(described["video_bytes_down"]))
    low, high = {"video": VIDEO_SHARE, "mixed": UNCERTAIN_SHARE}.get(index["label"], (0.0, 0.0))
    found = []
    if not low <= video / max(1.0, down) <= high:
        found.append(f"{video / max(1.0, down):.2f} of the down bytes are video, expected {low} to {high}")
    with (folder / "session.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    if len(rows) != index["seconds"] + 1:
        found.append(f"session.csv has {len(rows)} rows, expected {index['seconds'] + 1}")
    if index["label"] == "video" and not any(row["playing"] == "1" for row in rows):
        found.append("nothing was played in a video session")
    return found


@contextlib.contextmanager
def folder_for(out: Path | None) -> Iterator[Path]:
    if out:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="reelsense-ci-") as temporary:
        yield Path(temporary)


def run(build: Path, out: Path | None, lanes: int, say: Callable[[str], None]) -> int:
    prerequisites.require(build)
    if not CLASSIFIER.exists():
        raise LabError(f"no {CLASSIFIER.name} command at build/release/bin (make release builds it)")
    begun = time.monotonic()
    testbed.sweep()
    media_folder = media.ensure(build, say, "ci")
    say(f"media after {time.monotonic() - begun:.0f} s")
    sessions = scenario.load(SCENARIO)
    wrong = 0
    with folder_for(out) as folder:
        place = runner.place_for(folder, build, media_folder, media.recipe_digest("ci"), False)
        outcome = runner.Runner(place, lanes, say).run(sessions)
        for session in sessions:
            recorded = folder / session.name
            if session.name in outcome.failures or not recorded.exists():
                wrong += 1
                continue
            described = json.loads((recorded / summary.SUMMARY).read_text())
            found = [*described["findings"], *plausible(described, recorded), *joined(recorded)]
            print("\n".join(show.picture(recorded)))
            for finding in found:
                print(f"  WRONG: {finding}")
            wrong += bool(found)
        print("\n".join(summary.table(outcome.summaries, outcome.failures)))
    print(f"reelsense-lab ci: {len(sessions)} sessions, {wrong} wrong, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0
