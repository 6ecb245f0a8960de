"""One run from an empty machine to a folder with its figures; everything it started is gone after."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from reelsense_lab import browser, capture, path, summary, testbed, truth, webserver
from reelsense_lab.downloads import Downloads, of_another_device
from reelsense_lab.qos import actors, decisions, design, lean, metrics, oracle
from reelsense_lab.qos.gate import Gate, between
from reelsense_lab.qos.live import Classifier, Ears, listening, released_model
from reelsense_lab.qos.machine import Watch
from reelsense_lab.record import Place

RESULT = "result.json"
VIDEO = next(server for server in testbed.SERVERS if server.name == "video")
PHONE = testbed.CLIENT_IPV4
OUR_FAULT = ("memory", "oversize", "send", "kernel")  # reasons of the emulator's drops that no path has
START_PATIENCE_S = 60


@dataclass(slots=True)
class Taken:
    """What the recording itself gave."""

    seen: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    path_report: dict[str, Any] = field(default_factory=dict)
    start: float = 0.0  # epoch second of the driver's first action
    end: float = 0.0
    ears: Ears = field(default_factory=Ears)
    network: actors.NetworkActor | None = None
    app: actors.AppActor | None = None
    gate_bytes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)


class Director(threading.Thread):
    """From the driver's first action on: the path's time 0, then each download at its time."""

    def __init__(self, started: Path, begin: Callable[[], None], at_s: tuple[float, ...], downloads: Downloads):
        super().__init__(daemon=True)
        self.started, self.begin, self.at_s, self.downloads = started, begin, at_s, downloads
        self.enough = threading.Event()
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            deadline = time.monotonic() + START_PATIENCE_S
            while not (self.started.exists() and self.started.read_text().strip()):
                if self.enough.wait(0.02) or time.monotonic() > deadline:
                    return
            zero = time.monotonic()
            self.begin()
            self.downloads.start_each(zero, self.at_s, self.enough)
        except Exception as error:  # told by the thread that waits for us
            self.problem = error

    def finish(self) -> None:
        self.enough.set()
        self.join()
        if self.problem:
            raise self.problem


def record(wanted: design.Run, place: Place, reelsense: Path) -> dict[str, Any]:
    """Records into `place.out/NAME`, which appears only when it is complete; gives the result."""
    final, begun = place.out / wanted.name, time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{testbed.TEMPORARY_PREFIX}-{place.owner}-{place.lane}-") as temporary:
        folder = Path(temporary)
        product = folder / "product"
        product.mkdir()
        taken = _take(wanted, place, folder, reelsense)
        result = _describe(wanted, place, taken, folder / "trace.pcap")
        result["took_s"] = round(time.monotonic() - begun, 1)
        (product / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in taken.seen["events"]))
        (product / "heard.jsonl").write_text("".join(taken.ears.lines))
        summary.write_json(result, product / RESULT)
        partial = place.out / f".{wanted.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(product, partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    return result


def _take(wanted: design.Run, place: Place, folder: Path, reelsense: Path) -> Taken:
    taken, session, profile = Taken(), wanted.session(), design.profile(wanted)
    socket_file, started, for_app = folder / "path.sock", folder / "started", folder / "decisions"
    for_app.touch()
    with contextlib.ExitStack() as stack:
        bed = stack.enter_context(testbed.testbed(place.owner, place.lane, session.congestion))
        gate = stack.enter_context(between(bed, place.owner, place.lane)) if wanted.arm.gate else None
        stack.enter_context(path.emulated(bed, profile, session.seed, folder, taken.path_report, socket_file))
        certificate = webserver.make_certificate(folder)
        near = replace(bed, client=bed.server)
        modules = place.build / "node_modules"
        stack.enter_context(webserver.running(near, certificate, place.media, folder, False, modules))
        control = actors.PathControl(socket_file)
        stack.callback(control.close)
        downloads = stack.enter_context(of_another_device(bed, certificate.certificate, place.media, folder))
        stack.enter_context(capture.recording(bed, folder / "trace.pcap", taken.counters))
        _let_act(stack, wanted, bed, control, gate, reelsense, folder, taken)
        at_s = wanted.pair.downloads_at_s if wanted.arm.downloads else ()
        director = Director(started, lambda: control.ask({"profile": profile}) and None, at_s, downloads)
        watch = Watch.start()
        director.start()
        stack.callback(director.enough.set)
        more = {"started": str(started), "actions": wanted.actions()}
        more |= {"decisions": str(for_app)} if wanted.arm.actor == "app" else {}
        taken.seen = browser.browse(bed, session, certificate.spki_sha256, place.build, folder, None, more)
        director.finish()
        taken.machine = watch.figures()
        taken.start = float(started.read_text())
        taken.end = taken.start + session.seconds
        taken.problems += downloads.problems(len(at_s))
        if gate:
            taken.gate_bytes = gate.counters()
    return taken


def _let_act(
    stack: contextlib.ExitStack,
    wanted: design.Run,
    bed: testbed.Testbed,
    control: actors.PathControl,
    gate: Gate | None,
    reelsense: Path,
    folder: Path,
    taken: Taken,
) -> None:
    """Connects who knows with who acts, until the stack unwinds."""
    arm = wanted.arm
    if arm.actor == "app":
        taken.app = actors.AppActor(folder / "decisions")
        stack.callback(taken.app.close)
        # Inside the app: the phone's own packets. With the truth: those of the video server alone, all called video.
        model = oracle.write(folder / "always-video.onnx") if arm.word == "truth" else released_model()
        packets = f"(tcp or udp) and host {PHONE}" + (f" and host {VIDEO.ipv4}" if arm.word == "truth" else "")
        policy = decisions.write_policy(wanted.session(), folder / "policy.json")
        classifier = Classifier(reelsense, model, policy)
        listener = listening(bed, bed.client, testbed.DEVICE, packets, classifier, folder, taken.app)
        taken.ears = stack.enter_context(listener)
    elif arm.word == "truth" and arm.actor == "priority":
        control.ask({"priority": [{"server": VIDEO.ipv4}]})
    elif arm.word == "truth" and gate:
        gate.mark_server(VIDEO.ipv4)
    elif arm.word in ("marks", "labels"):
        lanes = actors.GateLanes(gate) if gate else actors.EmulatorLanes(control)
        goes_first = lean.Lean().goes_first if arm.word == "labels" else lean.policy_mark
        taken.network = actors.NetworkActor(lanes, goes_first)
        # At the router: with the gate, where it sends to the client; else each packet as it comes in on either side,
        # since what the emulator sends goes around the capture.
        namespace, device = (gate.namespace, "client") if gate else (bed.router, "any")
        listener = listening(
            bed, namespace, device, capture.FILTER, Classifier(reelsense, released_model()), folder, taken.network
        )
        taken.ears = stack.enter_context(listener)


def _ladder(media: Path) -> dict[str, dict[int, int]]:
    index = json.loads((media / "www/index.json").read_text())
    return {clip["name"]: {each["rung"]: each["kbit"] for each in clip["rungs"]} for clip in index["clips"]}


def _describe(wanted: design.Run, place: Place, taken: Taken, trace: Path) -> dict[str, Any]:
    down: defaultdict[str, Counter[int]] = defaultdict(Counter)
    flows: defaultdict[tuple[str, int, str, int, str], Counter[int]] = defaultdict(Counter)
    for row in truth.truth_rows(list(truth.read_packets(trace)), frozenset()):
        server = testbed.CLASS_OF.get(row.server.ip)
        down[server.name if server else "stranger"][row.time] += row.bytes_down
        flows[(*row.client, *row.server, row.protocol)][row.time] += row.bytes_down
    events = [event for event in taken.seen["events"] if event["tab"] in ("main", "browser")]
    opened = next((float(event["time"]) for event in events if event["event"] == "open"), None)
    seen = metrics.or_nothing(metrics.views(events), opened, taken.end)
    played = metrics.player(seen, _ladder(place.media))
    first = min(wanted.pair.downloads_at_s) if wanted.arm.downloads else None
    labels = None
    if taken.network:
        marked = taken.network.in_force(int(taken.start), int(taken.end))
        labels = metrics.label_quality(marked, flows, {VIDEO.ipv4})
        labels["changes"] = len(taken.network.history)
    findings = _findings(wanted, taken, seen)
    seconds = range(int(taken.start), int(taken.end) + 1)
    delays = taken.ears.delays_s
    return {
        "settings": wanted.settings(),
        "media": place.media_digest,
        "versions": place.versions,
        "ok": not findings,
        "findings": findings,
        "player": played,
        "transfers": metrics.transfers(down, played["shown_bytes"], first, taken.start, taken.end),
        "labels": labels,
        "decisions": taken.app.given if taken.app else None,
        "delay_s": {"median": round(median(delays), 3), "max": round(max(delays), 3)} if delays else None,
        "bytes_down": {name: [each.get(second, 0) for second in seconds] for name, each in sorted(down.items())},
        "path": taken.path_report,
        "gate_bytes": taken.gate_bytes or None,
        "capture": taken.counters,
        "machine": taken.machine,
        "console": taken.seen.get("console", [])[-10:],
    }


def _findings(wanted: design.Run, taken: Taken, seen: list[metrics.View]) -> list[str]:
    """What makes a run useless, whatever its figures: then it is done again."""
    found = list(taken.problems)
    if not seen:
        found.append("the browser did not open the page")
    if taken.counters.get("dropped_by_kernel"):
        found.append(f"tcpdump lost {taken.counters['dropped_by_kernel']} packets")
    for way in ("down", "up"):
        dropped = taken.path_report[way]["dropped"]
        lost = {reason: dropped[reason]["packets"] for reason in OUR_FAULT if dropped[reason]["packets"]}
        if lost:
            found.append(f"the path emulator lost packets {way}: {lost}")
    spoken = {key.split()[1] for key in taken.seen.get("requests", {}) if key.startswith(f"{VIDEO.host} ")}
    if spoken - {wanted.pair.protocol, "unknown"}:
        found.append(f"the video came over {', '.join(sorted(spoken))}, wanted {wanted.pair.protocol}")
    crashed = [event for event in taken.seen["events"] if event["event"] == "error" and "crash" in event["message"]]
    return found + [f"{event['tab']}: {event['message']}" for event in crashed]
