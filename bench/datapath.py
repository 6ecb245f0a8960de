"""Packets to labels, whole process, beside limits and peers. Every answer is checked before it is timed.

    bench/datapath.py [--install] [--rounds N] [--only NAME,…]

What is measured and how to read it: bench/README.md. Writes build/bench/datapath.json. Exits 1 when a tool
that must account for every packet does not, or a tool fails; a missed target is said, not an error.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
from pathlib import Path

import datapath_tools
from datapath_tools import Account, Capture, Setting, Tool, WrongAnswer

ROOT = Path(__file__).resolve().parent.parent
TARGET_MPKT = 15.0
TARGET_OF_LIMIT = 0.3


@dataclasses.dataclass(frozen=True)
class Run:
    """One whole process, waited-for children included; peak_mb is of the largest single process."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def run_process(setting: Setting, argv: list[str], output: Path) -> Run:
    cost = output.with_suffix(".cost")
    helper = str(setting.build / "bin" / "measure_process")
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        done = subprocess.run(
            [helper, str(cost), *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False
        )
    if done.returncode != 0:
        said = output.with_suffix(".err").read_text(errors="replace").strip()
        raise WrongAnswer(f"exit {done.returncode}: {said[-300:]}")
    return Run(**json.loads(cost.read_text()))


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"datapath: {text:60}", end="\r", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Result:
    tool: Tool
    account: Account
    runs: list[Run] = dataclasses.field(default_factory=list)

    def median(self, what: str) -> float:
        return float(statistics.median(getattr(run, what) for run in self.runs))

    @property
    def mpkt(self) -> float:
        """Packets of the file, accounted for or not, per CPU-second."""
        return float(self.tool.capture.truth["packets"]) / self.median("cpu_s") / 1e6

    @property
    def accounted(self) -> float:
        return self.account.packets / int(self.tool.capture.truth["packets"])

    def to_json(self) -> dict[str, object]:
        return {
            "tool": self.tool.name,
            "command": self.tool.argv,
            "capture": self.tool.capture.path.name,
            "mpkt_per_cpu_s": self.mpkt,
            "cpu_s": self.median("cpu_s"),
            "wall_s": self.median("wall_s"),
            "peak_mb": self.median("peak_mb"),
            "packets": self.account.packets,
            "accounted": self.accounted,
            "flows": self.account.flows,
            "windows": self.account.windows,
            "runs": [dataclasses.asdict(run) for run in self.runs],
        }


def check(tool: Tool, setting: Setting) -> Account:
    """Runs the tool once, untimed, and holds what it says against the truth."""
    if tool.prepare is not None:
        tool.prepare()
    output = setting.work / f"{tool.name}.out"
    run_process(setting, tool.argv, output)
    account = tool.check(output)
    truth = tool.capture.truth
    if tool.complete:
        for what, got in dataclasses.asdict(account).items():
            if got is not None and got != truth[what]:
                raise WrongAnswer(f"{what}: {got}, but the capture has {truth[what]}")
    return account


def measure(tools: list[Tool], setting: Setting, rounds: int) -> tuple[list[Result], list[str]]:
    """Interleaved rounds A B C … A B C …, so that a noisy minute hits every tool alike."""
    results: list[Result] = []
    failures: list[str] = []
    for tool in tools:
        progress(f"checking {tool.name}")
        try:
            results.append(Result(tool, check(tool, setting)))
        except (WrongAnswer, OSError, ValueError, KeyError) as error:
            failures.append(f"{tool.name}: {error}")
            print(f"datapath: {failures[-1]}", file=sys.stderr)
    for number in range(rounds):
        for result in results:
            if number >= result.tool.most_rounds:
                continue
            progress(f"round {number + 1}/{rounds} {result.tool.name}")
            if result.tool.prepare is not None:
                result.tool.prepare()
            output = setting.work / f"{result.tool.name}.out"
            result.runs.append(run_process(setting, result.tool.argv, output))
    progress("")
    return results, failures


def print_table(results: list[Result]) -> None:
    ours = next((r for r in results if r.tool.name == "reelsense"), None)
    head = ("Mpkt/CPU-s", "× reelsense", "wall s", "peak MB", "packets", "flows")
    print(f"{'':18} {head[0]:>10} {head[1]:>11} {head[2]:>7} {head[3]:>8} {head[4]:>8} {head[5]:>8}")
    for r in sorted(results, key=lambda r: -r.mpkt):
        times = f"{r.mpkt / ours.mpkt:.3f}" if ours else "-"
        flows = str(r.account.flows) if r.account.flows is not None else "-"
        print(
            f"{r.tool.name:18} {r.mpkt:10.2f} {times:>11} {r.median('wall_s'):7.2f} "
            f"{r.median('peak_mb'):8.0f} {100 * r.accounted:7.2f}% {flows:>8}  {r.tool.does}"
        )


def judge_targets(results: list[Result]) -> list[dict[str, object]]:
    """The two targets of the data path: an absolute rate, and a share of the bare work in the same run."""
    by_name = {r.tool.name: r for r in results}
    targets: list[dict[str, object]] = []
    ours = by_name.get("reelsense")
    if ours is None:
        print("targets: not judged, reelsense did not run")
        return targets
    targets.append(
        {"target": f"packets to CSV ≥ {TARGET_MPKT:g} Mpkt/CPU-s", "got": ours.mpkt, "need": TARGET_MPKT}
    )
    if limit := by_name.get("limit-flows"):
        # Round by round: both see the same noise.
        shares = [b.cpu_s / a.cpu_s for a, b in zip(ours.runs, limit.runs, strict=False)]
        got = statistics.median(shares)
        targets.append({"target": "of bare mmap + parse + flow table", "got": got, "need": TARGET_OF_LIMIT})
    for target in targets:
        got, need = float(str(target["got"])), float(str(target["need"]))
        target["met"] = got >= need
        print(f"{'PASS' if target['met'] else 'MISS'}: {target['target']}: {got:.2f} (needs {need:g})")
    return targets


def machine() -> dict[str, object]:
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()}


def install(setting: Setting) -> None:
    """Peers by their package names: Debian's, and NFStream from PyPI into a venv of its own."""
    missing = [
        p for tool, p in datapath_tools.PEER_PACKAGES.items() if datapath_tools.find_program(tool) is None
    ]
    if missing:
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run(
            [*as_root, "apt-get", "install", "-y", "--no-install-recommends", *missing], check=False
        )
    if not setting.nfstream_python.exists():
        subprocess.run(
            [sys.executable, "-m", "venv", str(setting.nfstream_python.parent.parent)], check=False
        )
    probe = subprocess.run(
        [str(setting.nfstream_python), "-c", "import nfstream"], capture_output=True, check=False
    )
    if probe.returncode != 0:
        pip = [str(setting.nfstream_python), "-m", "pip", "-q", "install", datapath_tools.NFSTREAM]
        subprocess.run(pip, check=False)


def generate(build: Path, name: str, options: list[str]) -> Capture:
    path = build / name
    subprocess.run([str(build / "bin" / "generate_access_link"), *options, str(path)], check=True)
    return Capture(path, json.loads(path.with_suffix(".truth.json").read_text()))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Packets to labels beside limits and peers.")
    parser.add_argument(
        "--build", type=Path, default=ROOT / "build/bench", help="build folder of preset bench"
    )
    parser.add_argument("--reelsense", type=Path, help="the command (default: BUILD/bin/reelsense)")
    parser.add_argument("--model", help="passed on to reelsense classify")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--packets", type=int, default=5_000_000)
    parser.add_argument("--flows", type=int, default=50_000)
    parser.add_argument("--only", help="comma-separated tools; default: all")
    parser.add_argument("--install", action="store_true", help="install missing peers by package name")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    build: Path = arguments.build
    setting = Setting(
        build=build,
        reelsense=arguments.reelsense or build / "bin" / "reelsense",
        model=arguments.model,
        work=build / "datapath",
        nfstream_python=ROOT / "build/bench/venv/bin/python",
    )
    setting.work.mkdir(parents=True, exist_ok=True)
    if arguments.install:
        install(setting)
    size = ["--packets", str(arguments.packets), "--flows", str(arguments.flows)]
    capture = generate(build, "access-link.pcap", size)
    tenth = [
        "--packets",
        str(arguments.packets // 10),
        "--flows",
        str(arguments.flows // 10),
        "--snap",
        "65535",
    ]
    full = generate(build, "access-link-full.pcap", tenth)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:  # takes exported records; never read
        sink.bind(("127.0.0.1", 0))
        tools, skipped = datapath_tools.all_tools(setting, capture, full, sink.getsockname()[1])
        if arguments.only:
            wanted = set(arguments.only.split(","))
            tools = [tool for tool in tools if tool.name in wanted]
            skipped = {name: reason for name, reason in skipped.items() if name in wanted}
        results, failures = measure(tools, setting, arguments.rounds)

    truth = capture.truth
    said = ", ".join(f"{truth[what]} {what}" for what in ("packets", "flows", "windows"))
    print(f"{said}, {arguments.rounds} rounds")
    print_table(results)
    for name, reason in skipped.items():
        print(f"{name:18} skipped: {reason}")
    targets = judge_targets(results)
    report = {
        "machine": machine(),
        "truth": truth,
        "results": [r.to_json() for r in results],
        "skipped": skipped,
        "failures": failures,
        "targets": targets,
    }
    (build / "datapath.json").write_text(json.dumps(report, indent=2) + "\n")
    shutil.rmtree(setting.work)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
