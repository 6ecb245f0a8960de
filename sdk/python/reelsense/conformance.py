"""The conformance runner: `python -m reelsense.conformance ROOT` runs tests/conformance/cases.json of a checkout.

It uses this package's public door alone. What each kind of case does is in tests/conformance/README.md; the last line
is `conformance: N cases, F failed`, and the exit status 0 if none failed.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import reelsense
from reelsense import Classifier, FlowSummary, Second, Window, Windows

TOLERANCE = 1e-6


class DiffersError(Exception):
    """What was expected, what came, and where."""


def expect(where: str, wanted: Any, got: Any) -> None:
    if wanted != got:
        raise DiffersError(f"{where}: {wanted!r} is expected, not {got!r}")


def expect_close(where: str, wanted: Any, got: Any) -> None:
    """Within 1e-6 of the value, of 1 below it."""
    a, b = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    expect(f"{where}, length", a.shape, b.shape)
    wrong = np.flatnonzero(~(np.abs(a - b) <= TOLERANCE * np.maximum(1.0, np.abs(a))))
    if len(wrong):
        i = wrong[0]
        raise DiffersError(f"{where}[{i}]: {a.flat[i]!r} is expected, not {b.flat[i]!r}")


def json_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    header, *rest = [json.loads(line) for line in path.read_text().splitlines()]
    return header, rest


def run_capture(root: Path, file: Path) -> None:
    header, lines = json_lines(file)
    rows: list[Window] = []
    ended: list[FlowSummary] = []
    capture = root / "tests/golden/captures" / header["capture"]
    with (
        reelsense.Capture(capture) as opened,
        Classifier(view="packet", on_windows=rows.extend, on_flow_end=ended.append, **header["options"]) as classifier,
    ):
        classifier.add_capture(opened)
    wanted_rows = [line for line in lines if "features" in line]
    wanted_flows = [line for line in lines if "reason" in line]
    expect("rows", len(wanted_rows), len(rows))
    expect("flows", len(wanted_flows), len(ended))
    for i, (wanted, row) in enumerate(zip(wanted_rows, rows, strict=True)):
        check_fields(f"row {i}", wanted, row, skip=("features", "bins"))
        expect(f"row {i}, bins", wanted["bins"], row.bins.tolist())
        expect_close(f"row {i}, features", wanted["features"], row.features)
    ended.sort(key=lambda flow: flow.flow)
    for i, (wanted, flow) in enumerate(zip(wanted_flows, ended, strict=True)):
        check_fields(f"flow {i}", wanted, flow)


def check_fields(where: str, wanted: dict[str, Any], got: Window | FlowSummary, skip: tuple[str, ...] = ()) -> None:
    fields = got._asdict() | got.tuple._asdict()
    for name, value in wanted.items():
        if name not in skip:
            expect(f"{where}, {name}", value, fields[name])


def run_socket(root: Path, file: Path) -> None:
    with (root / "tests/golden/views/logs" / file.name).open() as log:
        events = list(csv.DictReader(log))
    with file.open() as vectors:
        wanted = list(csv.DictReader(vectors))
    names = reelsense.feature_names("socket")
    # A classifier for each connection: the logs' are out of order among each other, and a classifier has one clock.
    for connection in dict.fromkeys(event["connection"] for event in events):
        want = [row for row in wanted if row["flow"] == connection]
        got = socket_rows([event for event in events if event["connection"] == connection])
        expect(f"connection {connection}, rows", len(want), len(got))
        for i, (a, b) in enumerate(zip(want, got, strict=True)):
            expect(f"connection {connection}, row {i}, second", int(a["second"]), b.second)
            expect_close(f"connection {connection}, row {i}", [float(a[name]) for name in names], b.features)


def socket_rows(events: list[dict[str, str]]) -> list[Window]:
    rows: list[Window] = []
    with Classifier(view="socket", on_windows=rows.extend) as classifier:
        flow = classifier.flow_open(int(events[0]["time_ns"]))
        for event in events:
            moved = classifier.flow_read if event["direction"] == "down" else classifier.flow_write
            moved(flow, int(event["bytes"]), int(event["time_ns"]))
    return rows


def run_model(_root: Path, file: Path) -> None:
    golden = json.loads(file.read_text())
    model = reelsense.Model.from_file(file.with_name("model.onnx"))
    names = reelsense.feature_names(model.view)
    rows = np.zeros((len(golden["rows"]), len(names)), np.float32)
    rows[:, [names.index(name) for name in golden["features"]]] = golden["rows"]
    expect_close("probability", golden["probability"], model.classify(rows).probability)


def window_line(at: Window) -> dict[str, Any]:
    return {"window": {"second": at.second, "flow": at.flow, "probability": at.probability, "label": at.label,
                       "uncertain": at.uncertain, "dscp": at.dscp, "dscp_reason": at.dscp_reason}}  # fmt: skip


def second_line(at: Second) -> dict[str, Any]:
    qos = at.qos
    return {"second": {
        "second": at.second, "probability": at.probability, "label": at.label, "uncertain": at.uncertain,
        "prefetch_depth": qos.prefetch_depth, "buffer_target_ms": qos.buffer_target_ms,
        "max_bitrate_kbps": qos.max_bitrate_kbps, "throughput_kbps": qos.throughput_kbps,
        "reasons": [qos.prefetch_reason, qos.buffer_reason, qos.bitrate_reason],
    }}  # fmt: skip


def run_decisions(root: Path, file: Path) -> None:
    header, lines = json_lines(file)
    got: list[dict[str, Any]] = []

    def on_windows(windows: Windows) -> None:
        got.extend(window_line(window) for window in windows)

    with (
        reelsense.Capture(root / header["capture"]) as capture,
        Classifier(
            reelsense.Model.from_file(root / header["model"]),
            on_windows=on_windows,
            on_second=lambda second: got.append(second_line(second)),
            max_flows=header["max_flows"],
        ) as classifier,
    ):
        classifier.add_capture(capture)
    expect("lines", len(lines), len(got))
    for i, (wanted, line) in enumerate(zip(lines, got, strict=True)):
        expect(f"line {i + 2}, kind", list(wanted), list(line))
        for (kind, fields), content in zip(wanted.items(), line.values(), strict=True):
            for name, value in fields.items():
                place = f"line {i + 2}, {kind} {fields['second']}, {name}"
                if name == "probability":
                    expect_close(place, [value], [content[name]])
                else:
                    expect(place, value, content[name])




KINDS: dict[str, Callable[[Path, Path], None]] = {
    "capture": run_capture,
    "socket": run_socket,
    "model": run_model,
    "decisions": run_decisions,
}


def run(root: Path) -> Iterator[tuple[str, str]]:
    """(file, what differs; "" if nothing) of each case."""
    listed = json.loads((root / "tests/conformance/cases.json").read_text())
    if listed["count"] != len(listed["cases"]):
        raise SystemExit(f"conformance: cases.json counts {listed['count']} cases and lists {len(listed['cases'])}")
    for case in listed["cases"]:
        try:
            KINDS[case["kind"]](root, root / case["file"])
        except Exception as error:  # whatever it is, the other cases are run
            yield case["file"], f"{type(error).__name__}: {error}"
        else:
            yield case["file"], ""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m reelsense.conformance ROOT", file=sys.stderr)
        return 2
    cases = failed = 0
    for file, difference in run(Path(arguments[0])):
        cases += 1
        if difference:
            failed += 1
            print(f"{file}: {difference}", file=sys.stderr)
    print(f"conformance: {cases} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
