"""A lab folder made from the shipped captures, which are of the old recorder: for tests of the loader and the page."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

CAPTURES = Path(__file__).resolve().parents[2] / "tests" / "captures"
INDEX = ("session,design,workload,label,path,rate_mbit,rtt_ms,loss_pct,policed,outage,protocol,congestion,cdn,ipv6,"
         "seed,seconds,flow_seconds,packets,ok").split(",")  # fmt: skip
# Old server classes and their workload. What a capture's main workload was is in its name.
WORKLOADS = {"video": "reels", "20": "feed", "30": "download", "40": "audio"}


def _workload(row: dict[str, str]) -> str:
    return (
        WORKLOADS["video"] if row["label"] == "video" else WORKLOADS[row["server_ip"].replace(":", ".").split(".")[-1]]
    )


def make_lab(folder: Path) -> Path:
    """Six sessions, two designs and two paths given to them by hand; one more that is not ok."""
    rows = []
    for number, truth in enumerate(sorted(CAPTURES.glob("*.truth.csv"))):
        name = truth.name.removesuffix(".truth.csv")
        scenario = json.loads((CAPTURES / f"{name}.scenario.json").read_text())
        capture = scenario["capture"]["file"]
        session = folder / name
        session.mkdir(parents=True)
        suffix = capture.removeprefix(name)
        shutil.copy(CAPTURES / capture, session / f"trace{suffix}")
        seconds = _truth(truth, session / "truth.csv")
        _session_truth(session / "session.csv", seconds)
        path = scenario["path"]
        rows.append(
            dict(zip(INDEX, [
                name, ("aria", "brisk")[number % 2], "feed" if name.startswith("feed") else "reels",
                "non-video" if name.startswith("feed") else "video", "slow" if name.startswith("slow") else "fast",
                path["rate_mbit"], path["rtt_ms_idle"], 0, 0, 0, scenario["protocol"], path["congestion"], 0,
                int("ipv6" in name), scenario["seed"], 30, 30, 1000, 1,
            ], strict=True))
        )  # fmt: skip
    rows.append({**rows[0], "session": "broken", "ok": 0})
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, INDEX)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _truth(source: Path, target: Path) -> list[tuple[int, bool]]:
    """The old truth with the new columns; returns (second, video) of every row."""
    with source.open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        row["class"] = "video" if row["label"] == "video" else "www"
        row["workload"] = _workload(row)
        row["video_bytes_down"] = row["bytes_down"] if row["label"] == "video" else "0"
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return [(int(row["time"]), row["label"] == "video") for row in found]


def _session_truth(target: Path, seconds: list[tuple[int, bool]]) -> None:
    video = any(v for _, v in seconds)
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "label", "workload", "playing", "stalled", "bytes_down"])
        for second in range(min(s for s, _ in seconds), max(s for s, _ in seconds) + 1):
            writer.writerow([second, "video" if video else "non-video", "reels" if video else "feed", int(video), 0, 0])
