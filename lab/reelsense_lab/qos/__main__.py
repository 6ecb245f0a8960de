"""scripts/qos-lab: players on congested paths with and without Reelsense, paired by seed, and the report of it.

Exit status: 0 all is well; 1 a run failed twice; 2 wrong use or something missing on this machine; 130 interrupted
(cleaned up; the same command goes on where it stopped)."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reelsense_lab import media, prerequisites, profiles, runner, summary, testbed, truth
from reelsense_lab.errors import LabError
from reelsense_lab.prerequisites import ROOT
from reelsense_lab.qos import design, lanes, live, machine, report, text
from reelsense_lab.worker import INTERRUPTED, STOP_SIGNALS, interrupted

WRONG_USE = 2
REELSENSE = ROOT / "build/release/bin/reelsense"
TOOLS = {"curl": "curl"}
GATE_TOOLS = {"nft": "nftables", "tc": "iproute2"}


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def require(arms: Sequence[str], build: Path, reelsense: Path) -> None:
    found = prerequisites.problems(build)
    tools = TOOLS | (GATE_TOOLS if any(design.ARMS[arm].gate for arm in arms) else {})
    if missing := [package for command, package in tools.items() if shutil.which(command) is None]:
        found.append(f"missing Debian packages: {' '.join(missing)}")
    needed = any(design.ARMS[arm].word in ("marks", "labels") or design.ARMS[arm].actor == "app" for arm in arms)
    if needed and not reelsense.exists():
        found.append(f"no reelsense command at {reelsense} (make release builds it)")
    elif (
        needed and subprocess.run([str(reelsense), "decide", "--describe"], capture_output=True, check=False).returncode
    ):
        found.append(f"{reelsense} has no `decide` (make release builds it anew)")
    if found:
        raise LabError("\n".join(found))


def model_id() -> str:
    manifest = json.loads((live.released_model() / "manifest.json").read_text())
    return f"{manifest['name']}@{manifest['version']}"


def note_run(arguments: argparse.Namespace) -> None:
    """Adds to the folder what was run, at which commit, on which machine."""
    file = arguments.out / report.META
    meta: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"runs": []}
    head = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=False)
    words = ["scripts/qos-lab", *(arguments.words or [])]
    run = {"command": shlex.join(words), "commit": commit.stdout.strip() or "unknown", "lanes": arguments.lanes}
    meta |= {"machine": machine.description(), "model": model_id()}
    meta["runs"].append(run)
    summary.write_json(meta, file)


def run(arguments: argparse.Namespace) -> int:
    build = arguments.build_dir.resolve()
    arms = tuple(arguments.arms.split(","))
    planned = design.runs(arguments.pairs, arms, arguments.seconds, arguments.seed, arguments.path)
    require(arms, build, arguments.reelsense)
    for left in testbed.sweep():
        say(f"removed what a dead run left: {left}")
    media_folder = media.ensure(build, say, arguments.media)
    place = runner.place_for(arguments.out, build, media_folder, media.recipe_digest(arguments.media), False)
    note_run(arguments)
    amount = f"{arguments.pairs} pairs, {len(arms)} arms, {len(planned)} runs"
    say(f"{amount} of {arguments.seconds} s, {arguments.lanes} lanes")
    failures = lanes.Lanes(place, arguments.reelsense.resolve(), arguments.lanes, say).run(planned)
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}")
    return 1 if failures else 0


def make_report(arguments: argparse.Namespace) -> None:
    target, images = arguments.out / report.MARKDOWN, arguments.out
    where = "."
    if arguments.publish:
        target, images, where = ROOT / "docs/reference" / report.MARKDOWN, ROOT / "docs/images", "../images"
    written = report.write(arguments.out, target, images, lambda parts: text.report(where, parts))
    print("\n".join(f"wrote {file}" for file in written))


def parser() -> argparse.ArgumentParser:
    about, status = str(__doc__).split("\n\n")
    made = argparse.ArgumentParser(prog="scripts/qos-lab", description=about, epilog=status)
    made.add_argument("--pairs", type=int, default=24, metavar="N", help="seeds (default 24: each design on each path)")
    made.add_argument(
        "--arms",
        default=",".join(design.DEFAULT_ARMS),
        metavar="A,B",
        help=f"of {', '.join(design.ARMS)}; default {','.join(design.DEFAULT_ARMS)}",
    )
    made.add_argument("--out", type=Path, default=ROOT / "build/lab/qos", metavar="DIR", help="default build/lab/qos")
    made.add_argument("--lanes", type=int, default=2, choices=range(1, 9), metavar="N", help="at a time (default 2)")
    made.add_argument("--seconds", type=int, default=design.SECONDS, metavar="S", help=f"default {design.SECONDS}")
    made.add_argument("--seed", type=int, default=design.BASE_SEED, metavar="N", help="of the first pair")
    made.add_argument("--path", choices=(design.FIXED, *profiles.names()), help="all on this path", metavar="PATH")
    made.add_argument("--media", choices=("ci", "full"), default="full", help="which media to make (default full)")
    made.add_argument("--build-dir", type=Path, default=prerequisites.DEFAULT_BUILD, metavar="DIR", help="of lab/setup")
    made.add_argument("--reelsense", type=Path, default=REELSENSE, metavar="FILE", help="default build/release/bin's")
    made.add_argument("--report-only", action="store_true", help="no runs, only the report of what is there")
    made.add_argument("--publish", action="store_true", help="the report goes to docs/reference and docs/images")
    return made


def main(words: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if words is None else words)
    arguments = parser().parse_args(words)
    arguments.words = words
    arguments.out = arguments.out.resolve()
    for number in STOP_SIGNALS:
        signal.signal(number, interrupted)
    try:
        code = 0 if arguments.report_only else run(arguments)
        make_report(arguments)
        return code
    except KeyboardInterrupt:
        say("interrupted, cleaned up")
        return INTERRUPTED
    except (LabError, truth.CaptureError) as error:
        say(f"qos-lab: {error}")
        return WRONG_USE


if __name__ == "__main__":
    sys.exit(main())
