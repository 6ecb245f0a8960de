"""What a run's player and downloads got, from the events of the pages and the bytes of the capture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

P95 = 0.95
Ladder = Mapping[str, Mapping[int, int]]  # clip → rung → kbit/s


@dataclass(slots=True)
class View:
    """One clip while it was in front. Times in seconds."""

    clip: str
    waited_s: float = 0.0  # from the swipe to the first frame, or to the end if none came
    started: bool = False
    played_s: float = 0.0
    stalled_s: float = 0.0
    stalls: int = 0
    shown_s: dict[int, float] = field(default_factory=dict)  # seconds of media that were shown, by rung; a loop once
    dropped_frames: int = 0
    frames: int = 0


def views(events: Sequence[Mapping[str, Any]]) -> list[View]:
    """One for each `play`. The player is asked, plays, stalls, plays on, and is left; then comes the next one."""
    made: list[View] = []
    state, since = "idle", 0.0

    def move(to: str, time: float) -> None:
        nonlocal state, since
        spent = max(0.0, time - since)
        if state == "waiting":
            made[-1].waited_s += spent
        elif state == "playing":
            made[-1].played_s += spent
        elif state == "stalled":
            made[-1].stalled_s += spent
        state, since = to, time

    position = None
    for event in events:
        kind, time = event["event"], float(event["time"])
        if kind == "play":
            move("waiting", time)
            made.append(View(str(event["clip"])))
            state, since, position = "waiting", time, event["position"]
        elif event.get("position", position) != position:
            continue  # of a clip that was left: its first frame may come late
        elif kind == "first_frame" and state == "waiting":
            move("playing", time)
            made[-1].started = True
        elif kind == "stall" and state == "playing":
            move("stalled", time)
            made[-1].stalls += 1
        elif kind == "resume" and state == "stalled":
            move("playing", time)
        elif kind in ("leave", "close", "open") and state != "idle":
            move("idle", time)
        elif kind == "shown" and made:
            made[-1].shown_s = {int(rung): float(seconds) for rung, seconds in event["shown"].items()}
            made[-1].dropped_frames, made[-1].frames = int(event["dropped_frames"]), int(event["frames"])
    return made


def or_nothing(seen: Sequence[View], opened: float | None, end: float) -> list[View]:
    """What was seen; if the page itself never came, one clip that was waited for until the end. That happens when a
    network lets something else go first, so it must count."""
    if seen or opened is None:
        return list(seen)
    return [View("", waited_s=max(0.0, end - opened))]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    at = max(0, -(-int(share * 1_000_000) * len(ordered) // 1_000_000) - 1)
    return ordered[min(at, len(ordered) - 1)]


def nearest_rung(rung: int, ladder: Mapping[int, int]) -> int:
    """The decoder's picture may be a few lines larger than the rung's name."""
    return min(ladder, key=lambda each: abs(each - rung))


def player(seen: Sequence[View], ladder: Ladder) -> dict[str, Any]:
    """Figures of one run's player; shares are None where nothing was played."""
    waited = sum(view.waited_s for view in seen)
    played = sum(view.played_s for view in seen)
    stalled = sum(view.stalled_s for view in seen)
    kilobits = shown = 0.0
    for view in seen:
        for rung, seconds in view.shown_s.items():
            rungs = ladder[view.clip]
            kilobits += rungs[nearest_rung(rung, rungs)] * seconds
            shown += seconds
    starts = [view.waited_s for view in seen if view.started]
    frames = sum(view.frames for view in seen)
    return {
        "clips": len(seen),
        "never_started": sum(not view.started for view in seen) / len(seen) if seen else None,
        "stalls": sum(view.stalls for view in seen),
        "waited_s": round(waited, 3),
        "played_s": round(played, 3),
        "stalled_s": round(stalled, 3),
        "rebuffering": stalled / (stalled + played) if stalled + played else None,
        "no_picture": (waited + stalled) / (waited + stalled + played) if seen else None,
        "first_frame_mean_s": sum(starts) / len(starts) if starts else None,
        # a clip that never started took longer than it was waited for: a lower bound
        "first_frame_p95_s": quantile([view.waited_s for view in seen], P95) if seen else None,
        "waits_s": [[round(view.waited_s, 3), view.started] for view in seen],
        "bitrate_kbps": kilobits / shown if shown else None,
        "shown_s": round(shown, 2),
        "shown_bytes": round(kilobits * 125),
        "dropped_frames": sum(view.dropped_frames for view in seen) / frames if frames else None,
    }


def transfers(
    down: Mapping[str, Mapping[int, int]], shown_bytes: int, downloads_from_s: float | None, start: float, end: float
) -> dict[str, Any]:
    """`down`: bytes towards the client by server class and epoch second, IP headers included."""
    fetched = sum(down.get("video", {}).values())
    figures: dict[str, Any] = {
        "fetched_bytes": fetched,
        "wasted_bytes": fetched - shown_bytes,
        "wasted_share": (fetched - shown_bytes) / fetched if fetched else None,
        "downloads_mbit": None,
        "link_mbit": None,
    }
    if downloads_from_s is not None:
        begun = start + downloads_from_s
        files = sum(bytes_ for second, bytes_ in down.get("files", {}).items() if begun - 1 < second < end)
        figures["downloads_mbit"] = files * 8e-6 / (end - begun)
        full = range(int(begun) + 2, int(end))  # whole seconds with both downloads
        everything = sum(each.get(second, 0) for each in down.values() for second in full)
        figures["link_mbit"] = everything * 8e-6 / len(full) if full else None
    return figures


def label_quality(
    marked: Mapping[int, set[tuple[str, int, str, int, str]]],
    flows: Mapping[tuple[str, int, str, int, str], Mapping[int, int]],
    video_servers: set[str],
) -> dict[str, Any]:
    """How well the marks that were in force fit the truth, weighted by bytes: `marked` holds for each epoch second the
    flows (client, port, server, port, protocol) that were treated as video; `flows` their bytes down by second."""
    video = other = video_marked = other_marked = 0
    for key, seconds in flows.items():
        for second, bytes_down in seconds.items():
            is_marked = key in marked.get(second, set())
            if key[2] in video_servers:
                video += bytes_down
                video_marked += bytes_down * is_marked
            else:
                other += bytes_down
                other_marked += bytes_down * is_marked
    return {
        "video_bytes_marked": video_marked / video if video else None,
        "other_bytes_marked": other_marked / other if other else None,
    }
