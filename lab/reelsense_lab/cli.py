"""The command reelsense-lab. Exit status: 0 all is well; 1 a session failed or a check found something; 2 wrong use,
a mistake in a scenario file or something missing on this machine; 130 interrupted (cleaned up)."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reelsense_lab import ci, importer, media, prerequisites, profiles, runner, scenario, show, summary, testbed, truth
from reelsense_lab.errors import LabError
from reelsense_lab.worker import INTERRUPTED, STOP_SIGNALS, interrupted

SCENARIOS = prerequisites.LAB / "scenarios"
WRONG_USE = 2


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def load_all(files: Sequence[Path], radio: Path | None) -> list[scenario.Session]:
    extra = radio_profiles(radio) if radio else []
    sessions = [session for file in files for session in scenario.load(file, extra)]
    names = [session.name for session in sessions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LabError(f"sessions: expected a different name for every session, got twice: {', '.join(twice)}")
    return sessions


def radio_profiles(radio: Path) -> list[str]:
    """Real radio traces as path profiles, made by lab/profiles/convert.py; gives their names."""
    convert = [sys.executable, str(profiles.FOLDER / "convert.py"), str(radio), str(profiles.RADIO)]
    done = subprocess.run(convert, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"--radio {radio}: {done.stderr.strip()}")
    return list(profiles.radio_names())


def run_sessions(sessions: list[scenario.Session], arguments: argparse.Namespace, subset: str) -> int:
    build = arguments.build_dir.resolve()
    prerequisites.require(build)
    for left in testbed.sweep():
        say(f"removed what a dead run left: {left}")
    media_folder = media.ensure(build, say, subset)
    place = runner.place_for(arguments.out, build, media_folder, media.recipe_digest(subset), arguments.compress)
    seconds = sum(session.seconds for session in sessions)
    say(f"{len(sessions)} sessions, {seconds / 60:.1f} minutes of flow time, {arguments.lanes} lanes")
    outcome = runner.Runner(place, arguments.lanes, say).run(sessions)
    print("\n".join(summary.table(outcome.summaries, outcome.failures)))
    return 1 if outcome.failures else 0


def run(arguments: argparse.Namespace) -> int:
    return run_sessions(load_all(arguments.files, arguments.radio), arguments, arguments.media)


def full(arguments: argparse.Namespace) -> int:
    sessions = load_all([SCENARIOS / "full.yaml"], arguments.radio)
    return run_sessions(sessions[: arguments.first], arguments, "full")


def run_ci(arguments: argparse.Namespace) -> int:
    return ci.run(arguments.build_dir.resolve(), arguments.out, arguments.lanes, say)


def list_files(arguments: argparse.Namespace) -> int:
    files = arguments.files or sorted(SCENARIOS.glob("*.yaml"))
    for file in files:
        sessions = scenario.load(file)
        print(f"{file.name}: {len(sessions)} sessions, {sum(s.seconds for s in sessions) / 60:.1f} minutes")
        if arguments.files:
            for each in sessions:
                words = [each.design, each.workload, each.path_name, each.protocol, each.congestion]
                print(f"  {each.name:48} {each.seconds:3} s  {' '.join(words)}  {' '.join(each.parts)}")
    return 0


def check(arguments: argparse.Namespace) -> int:
    for file in arguments.files:
        sessions = scenario.load(file)
        print(f"{file}: {len(sessions)} sessions, all well")
    return 0


def show_sessions(arguments: argparse.Namespace) -> int:
    for folder in arguments.folders:
        print("\n".join(show.picture(folder)))
    return 0


def list_profiles(_: argparse.Namespace) -> int:
    print(f"{'profile':24} {'Mbit/s down':>11} {'RTT ms':>7} {'loss %':>7}  policed  outage  about")
    for name in profiles.names():
        profile = profiles.load(name)
        figure = profiles.figures(profile)
        rate = "unlimited" if figure.rate_mbit is None else f"{figure.rate_mbit:.2f}"
        flags = f"{'yes' if figure.policed else '-':7}  {'yes' if figure.outage else '-':6}"
        about = profile.get("description", "")
        print(f"{name:24} {rate:>11} {figure.rtt_ms:7.1f} {figure.loss_pct:7.2f}  {flags}  {about}")
    return 0


def import_capture(arguments: argparse.Namespace) -> int:
    made = importer.run(importer.Request(**{name: getattr(arguments, name) for name in importer.OPTIONS}))
    print(made)
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="reelsense-lab",
        description="Labelled captures from real clients and servers over an emulated path.",
        epilog=__doc__,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, does: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(does=does)
        return made

    def recording(made: argparse.ArgumentParser, lanes: int, out_needed: bool) -> None:
        made.add_argument("--out", type=Path, required=out_needed, metavar="DIR", help="folder of the sessions")
        made.add_argument(
            "--lanes", type=int, default=lanes, choices=range(1, 17), metavar="N", help=f"default {lanes}"
        )
        made.add_argument("--compress", action="store_true", help="write trace.pcap.zst instead of trace.pcap")
        made.add_argument(
            "--build-dir",
            type=Path,
            default=prerequisites.DEFAULT_BUILD,
            metavar="DIR",
            help="where lab/setup installed the npm packages; media is kept there too",
        )

    radio = {"type": Path, "metavar": "DIR", "help": "add profiles converted from real radio traces in DIR"}
    made = command("run", run, "record the sessions of scenario files; those that are complete in --out are skipped")
    made.add_argument("files", nargs="+", type=Path, metavar="FILE.yaml")
    made.add_argument("--media", choices=("ci", "full"), default="full", help="which media to make (default full)")
    made.add_argument("--radio", **radio)
    recording(made, 4, True)
    made = command("full", full, "record lab/scenarios/full.yaml: at least two hours of flow time")
    made.add_argument("--radio", **radio)
    made.add_argument("--first", type=int, metavar="N", help="only the first N sessions, a balanced sample")
    recording(made, 4, True)
    made = command("ci", run_ci, "record a few short sessions and check them against their truth")
    recording(made, 3, False)
    made = command("list", list_files, "list the scenario files of the lab, or the sessions of given ones")
    made.add_argument("files", nargs="*", type=Path, metavar="FILE.yaml")
    made = command("check", check, "check scenario files without recording anything")
    made.add_argument("files", nargs="+", type=Path, metavar="FILE.yaml")
    made = command("show", show_sessions, "a text picture of recorded sessions")
    made.add_argument("folders", nargs="+", type=Path, metavar="DIR/SESSION")
    command("profiles", list_profiles, "the path profiles")
    importer.add_arguments(command("import", import_capture, "a labelled capture of a real phone, in the lab's format"))
    return top


def main(words: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(words)
    for number in STOP_SIGNALS:
        signal.signal(number, interrupted)
    try:
        return int(arguments.does(arguments))
    except KeyboardInterrupt:
        say("interrupted, cleaned up")
        return INTERRUPTED
    except (LabError, truth.CaptureError) as error:
        say(f"reelsense-lab: {error}")
        return WRONG_USE
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
