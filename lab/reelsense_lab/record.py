"""One session from an empty machine to a folder with trace, truth and summary; everything it started is gone after."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from reelsense_lab import (
    background,
    browser,
    capture,
    downloads,
    flow_truth,
    netlog,
    path,
    profiles,
    session,
    summary,
    testbed,
    truth,
    verify,
    webserver,
)
from reelsense_lab.scenario import Session


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is recorded: whose lane, and the folders of the run."""

    owner: int  # process id of the runner
    lane: int
    out: Path
    build: Path
    media: Path
    media_digest: str
    versions: dict[str, str]
    compress: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What the recording itself gave."""

    trace: Path
    counters: dict[str, int]
    seen: dict[str, Any]
    net_log: netlog.NetLog | None
    path_report: dict[str, Any]
    browsed: tuple[float, float]  # monotonic seconds
    problems: list[str]  # of what ran beside the browser


def record(wanted: Session, place: Place) -> dict[str, Any]:
    """Records into `place.out/NAME`, which appears only when it is complete; gives the summary."""
    final, begun = place.out / wanted.name, time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{testbed.TEMPORARY_PREFIX}-{place.owner}-{place.lane}-") as temporary:
        folder = Path(temporary)
        product = folder / "product"
        product.mkdir()
        taken = _take(wanted, place, folder, product)
        recorded = time.monotonic()
        described = _describe(wanted, place, taken, product)
        described["took_s"] = {
            "before": round(taken.browsed[0] - begun, 2),
            "browser": round(taken.browsed[1] - taken.browsed[0], 2),
            "after": round(recorded - taken.browsed[1], 2),
            "truth": round(time.monotonic() - recorded, 2),
        }
        summary.write_json(described, product / summary.SUMMARY)
        if final.exists():
            shutil.rmtree(final)
        partial = place.out / f".{wanted.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(product, partial)
        partial.rename(final)
    return described


def _take(wanted: Session, place: Place, folder: Path, product: Path) -> Taken:
    trace, counters, path_report = product / "trace.pcap", dict[str, int](), dict[str, Any]()
    net_log_file = folder / "netlog.json" if wanted.cdn else None
    with contextlib.ExitStack() as stack:
        bed = stack.enter_context(testbed.testbed(place.owner, place.lane, wanted.congestion))
        profile = profiles.load(wanted.path)
        stack.enter_context(path.emulated(bed, profile, wanted.seed, folder, path_report))
        certificate = webserver.make_certificate(folder)
        # Asked whether they answer from their own side: over a slow path that alone would take a minute.
        near = replace(bed, client=bed.server)
        modules = place.build / "node_modules"
        stack.enter_context(webserver.running(near, certificate, place.media, folder, wanted.ipv6, modules))
        other = stack.enter_context(
            downloads.of_another_device(bed, certificate.certificate, place.media, folder)
            if wanted.downloads
            else contextlib.nullcontext()
        )
        with (
            capture.recording(bed, trace, counters),
            background.load(bed, wanted.background, wanted.seed, wanted.ipv6, folder),
            downloads.beginning(other, wanted.downloads_at_s()) if other else contextlib.nullcontext(),
        ):
            browser_start = time.monotonic()
            seen = browser.browse(bed, wanted, certificate.spki_sha256, place.build, folder, net_log_file)
            browsed = browser_start, time.monotonic()
            problems = other.problems(wanted.downloads) if other else []
    read_log = netlog.read(net_log_file) if net_log_file else None
    if net_log_file:
        net_log_file.unlink()
    trace.with_suffix(".tcpdump.log").unlink()
    if place.compress:
        testbed.run("zstd", "-q", "-6", "--rm", str(trace))
        trace = trace.with_suffix(".pcap.zst")
    return Taken(trace, counters, seen, read_log, path_report, browsed, problems)


def _describe(wanted: Session, place: Place, taken: Taken, product: Path) -> dict[str, Any]:
    """Truth, session truth, events and scenario into `product`; gives the summary with what is wrong."""
    events = sorted(taken.seen["events"], key=lambda event: float(event["time"]))
    start = session.start_of(events, wanted.actions(), taken.seen.get("start"))
    timeline = session.Timeline(wanted.timeline(), start)
    packets = list(truth.read_packets(taken.trace))
    rows = truth.truth_rows(packets, frozenset())
    labelled = flow_truth.build(rows, taken.net_log, timeline.workload_at)
    flow_truth.write(labelled.seconds, product / "truth.csv")
    bytes_down: Counter[int] = Counter()
    for each in labelled.seconds:
        if not each.other_device:
            bytes_down[each.row.time] += each.row.bytes_down
    played = session.playback(events)
    session.write(wanted, timeline, played, bytes_down, product / "session.csv")
    (product / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    profile = profiles.load(wanted.path)
    (product / "scenario.yaml").write_text(
        yaml.safe_dump(
            {
                **wanted.settings(),
                "recorded": {
                    "profile": profile if len(json.dumps(profile)) < 4000 else wanted.path_name,
                    "versions": place.versions,
                    "media": place.media_digest,
                    "snap_bytes": capture.SNAP_BYTES,
                },
            },
            sort_keys=False,
        )
    )
    found = verify.findings(wanted, packets, labelled, events, taken.counters, taken.seen.get("requests", {}))
    return _summary(wanted, place, taken, labelled, played, taken.problems + found)


def _summary(
    wanted: Session,
    place: Place,
    taken: Taken,
    labelled: flow_truth.FlowTruth,
    played: session.Playback,
    found: list[str],
) -> dict[str, Any]:
    figures = profiles.figures(profiles.load(wanted.path))
    by_label, by_class = Counter(), Counter()
    for each in labelled.seconds:
        by_label[each.row.label] += 1
        by_class[each.server_class] += each.row.bytes_down
    flow_seconds = len(labelled.seconds)
    stream = labelled.cdn_stream
    return {
        "index": {
            "session": wanted.name,
            "design": wanted.design,
            "workload": wanted.workload,
            "label": wanted.label,
            "path": wanted.path_name,
            "rate_mbit": figures.rate_mbit,
            "rtt_ms": figures.rtt_ms,
            "loss_pct": figures.loss_pct,
            "policed": int(figures.policed),
            "outage": int(figures.outage),
            "protocol": wanted.protocol,
            "congestion": wanted.congestion,
            "cdn": int(wanted.cdn),
            "ipv6": int(wanted.ipv6),
            "seed": wanted.seed,
            "seconds": wanted.seconds,
            "flow_seconds": flow_seconds,
            "packets": taken.counters["packets"],
            "ok": int(not found),
        },
        "settings": wanted.settings(),
        "media": place.media_digest,
        "bytes_down": sum(by_class.values()),
        "bytes_down_by_class": dict(sorted(by_class.items())),
        "flow_seconds_by_label": dict(sorted(by_label.items())),
        "video_bytes_down": sum(each.video_bytes_down for each in labelled.seconds),
        "player": played.figures(),
        "capture": taken.counters,
        "path": taken.path_report,
        "requests": dict(sorted(taken.seen.get("requests", {}).items())),
        "cdn": {
            "bytes_down": labelled.cdn_bytes_down,
            "video_stream_bytes": stream.video,
            "other_stream_bytes": stream.other,
            "unattributed_stream_bytes": stream.unknown,
            "attributed_share": labelled.attributed_share,
        }
        if wanted.cdn
        else None,
        "background": {"flows": labelled.background_flows, **labelled.background_bytes},
        "findings": found,
        "console": taken.seen.get("console", [])[-20:],
    }
