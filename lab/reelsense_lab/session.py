"""session.csv and the player's figures: what the person at the phone saw, from the events of the pages."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelsense_lab import workloads
from reelsense_lab.scenario import Part, Session

COLUMNS = ("time", "label", "workload", "playing", "stalled", "bytes_down")
VIDEO, NON_VIDEO = "video", "non-video"
HALF_SECOND = 0.5
# What ends the clip in front, besides the next one's play. Not a swipe: it may be too weak to move on.
ENDINGS = frozenset(("leave", "close", "open"))


@dataclass(frozen=True, slots=True)
class Interval:
    start: float
    end: float

    def overlap(self, second: int) -> float:
        return max(0.0, min(self.end, second + 1) - max(self.start, second))


@dataclass(slots=True)
class Playback:
    """Times in seconds."""

    playing: list[Interval] = field(default_factory=list)
    stalled: list[Interval] = field(default_factory=list)
    first_frame_s: list[float] = field(default_factory=list)
    starts: int = 0
    never_started: int = 0

    def figures(self) -> dict[str, Any]:
        stalls = [interval.end - interval.start for interval in self.stalled]
        played = sum(interval.end - interval.start for interval in self.playing)
        first = self.first_frame_s
        return {
            "clips_started": self.starts,
            "never_started": self.never_started,
            "first_frame_s_mean": round(statistics.fmean(first), 3) if first else None,
            "first_frame_s_max": round(max(first), 3) if first else None,
            "stalls": len(stalls),
            "stalled_s": round(sum(stalls), 3),
            "played_s": round(played, 3),
            "rebuffering_share": round(sum(stalls) / (sum(stalls) + played), 4) if stalls or played else None,
        }


def start_of(events: Sequence[Mapping[str, Any]], actions: Sequence[Mapping[str, Any]], start: float | None) -> float:
    """Epoch second of the plan's time zero; without the driver's word, the least late of the opened pages."""
    if start is not None:
        return start
    opened = [float(event["time"]) for event in events if event["event"] == "open"]
    planned = [float(action["at"]) for action in actions if action["do"] == "open"]
    return min((time - at for time, at in zip(opened, planned, strict=False)), default=0.0)


def playback(events: Sequence[Mapping[str, Any]]) -> Playback:
    """The player's states through a session: asked to play, playing, stalled, gone."""
    made = Playback()
    state, since, asked = "idle", 0.0, None

    def change(to: str, time: float) -> None:
        nonlocal state, since
        if state == "playing" and time > since:
            made.playing.append(Interval(since, time))
        elif state == "stalled" and time > since:
            made.stalled.append(Interval(since, time))
        state, since = to, time

    for event in events:
        kind, time = event["event"], float(event["time"])
        if kind == "play":
            if asked is not None:
                made.never_started += 1
            change("waiting", time)
            asked = time
            made.starts += 1
        elif kind == "first_frame" and asked is not None:
            made.first_frame_s.append(time - asked)
            asked = None
            change("playing", time)
        elif kind == "stall" and state == "playing":
            change("stalled", time)
        elif kind == "resume" and state == "stalled":
            change("playing", time)
        elif kind in ENDINGS:
            if asked is not None:
                made.never_started += 1
                asked = None
            change("idle", time)
    if events:
        change("idle", float(events[-1]["time"]))
    return made


class Timeline:
    """Which workload is in front at an epoch second."""

    def __init__(self, parts: Sequence[Part], start: float) -> None:
        self.parts = parts
        self.start = start

    def workload_at(self, second: int) -> str:
        middle = second + HALF_SECOND - self.start
        front = self.parts[0]
        for part in self.parts:
            if part.start_s <= middle:
                front = part
        return front.workload

    def label_at(self, second: int) -> str:
        return VIDEO if workloads.WORKLOADS[self.workload_at(second)].session_video else NON_VIDEO


def write(session: Session, timeline: Timeline, made: Playback, bytes_down: Mapping[int, int], file: Path) -> None:
    """One row a second, from the plan's start to its end, also where nothing was sent."""
    first = int(timeline.start)
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for second in range(first, first + session.seconds + 1):
            playing = sum(interval.overlap(second) for interval in made.playing) >= HALF_SECOND
            stalled = sum(interval.overlap(second) for interval in made.stalled) >= HALF_SECOND
            writer.writerow(
                [
                    second,
                    timeline.label_at(second),
                    timeline.workload_at(second),
                    int(playing),
                    int(stalled),
                    bytes_down.get(second, 0),
                ]
            )
