"""Session truth from player events."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from reelsense_lab import session
from reelsense_lab.scenario import Part, Session


def event(time: float, kind: str) -> dict[str, Any]:
    return {"time": time, "tab": "main", "event": kind}


def test_playback_stall_and_leaving_give_intervals_and_first_frames() -> None:
    first = [event(1, "play"), event(1.4, "first_frame"), event(5, "stall"), event(7, "resume"), event(9, "leave")]
    never = [event(9.1, "play"), event(10, "leave")]
    last = [event(10.1, "play"), event(10.3, "first_frame"), event(12, "close")]
    made = session.playback([*first, *never, *last])
    assert made.playing == [session.Interval(1.4, 5), session.Interval(7, 9), session.Interval(10.3, 12)]
    assert made.stalled == [session.Interval(5, 7)]
    figures = made.figures()
    assert (figures["clips_started"], figures["never_started"], figures["stalls"]) == (3, 1, 1)
    assert figures["first_frame_s_max"] == 0.4


def test_playback_swipe_that_does_not_move_on_leaves_the_clip_playing() -> None:
    made = session.playback([event(1, "play"), event(2, "first_frame"), event(4, "swipe"), event(9, "close")])
    assert made.playing == [session.Interval(2, 9)]


def test_playback_another_page_ends_the_clip() -> None:
    made = session.playback([event(1, "play"), event(2, "first_frame"), event(4, "open"), event(9, "close")])
    assert made.playing == [session.Interval(2, 4)]


def test_start_of_is_the_least_late_page() -> None:
    actions = [{"at": 0.5, "do": "open"}, {"at": 10, "do": "open"}]
    assert session.start_of([event(101.0, "open"), event(110.1, "open")], actions, None) == 100.1


def test_write_idle_seconds_of_a_video_workload_are_video(tmp_path: Path) -> None:
    wanted = Session("a", "aria", "mixed", "lte", 1, parts=("reels", "feed"), seconds=6)
    timeline = session.Timeline([Part("reels", 0.5, 3.0), Part("feed", 3.0, 6.0)], 100.0)
    played = session.Playback(playing=[session.Interval(101, 102.2)])
    session.write(wanted, timeline, played, {101: 5000}, tmp_path / "session.csv")
    with (tmp_path / "session.csv").open() as text:
        rows = [tuple(row.values()) for row in csv.DictReader(text)]
    assert rows[0] == ("100", "video", "reels", "0", "0", "0")
    assert rows[1] == ("101", "video", "reels", "1", "0", "5000")
    assert rows[2][1:4] == ("video", "reels", "0")
    assert [row[1] for row in rows[3:]] == ["non-video"] * 4
