"""Instructions per packet and per window, counted by callgrind and held to a baseline.

Counts, unlike times, do not depend on what else the machine does, but on the compiler, its options and
the kernel that the model engine dispatches to, so the baseline names them and another combination is skipped
(exit 77). Callgrind of valgrind 3.19 hides AVX-512 from the program: the engine then takes its AVX2 kernel,
which is what is counted.

    cost_test.py --driver cost_driver --build-type RelWithDebInfo --compiler 'GNU 12.2.0' [--update]
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"
MODEL = HERE.parent.parent / "training/tests/data/ue_tiny.onnx"
TOLERANCE = 0.10
SKIPPED = 77

# What the driver is asked for → what the count is called.
WORK = {
    "parse": "parse_packet, per packet",
    "packets": "Classifier::add and finish without a model, per packet",
    "windows": "close_window and UeModel::decide with ue_tiny.onnx, per window",
}


def count(driver: Path, what: str) -> tuple[float, str]:
    """Instructions per unit of work inside reelsense_cost(), and the engine's kernel."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        valgrind = ["valgrind", "--tool=callgrind", "--toggle-collect=reelsense_cost"]
        argv = [*valgrind, f"--callgrind-out-file={out}", str(driver), what, str(MODEL)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"cost: {what}: exit {done.returncode}\n{done.stderr}")
        said = json.loads(done.stdout)
        totals = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
        if totals is None:
            raise SystemExit(f"cost: {what}: callgrind counted nothing")
        return int(totals.group(1)) / said["units"], said["kernel"]


def differences(baseline: dict[str, Any], counts: dict[str, float]) -> list[str]:
    wrong = []
    for what, got in counts.items():
        expected = float(baseline["instructions"][WORK[what]])
        change = got / expected - 1
        verdict = "ok" if abs(change) <= TOLERANCE else "MORE" if change > 0 else "FEWER"
        print(f"{WORK[what]}: {got:.1f} (baseline {expected:.1f}, {change:+.1%}) {verdict}")
        if verdict != "ok":
            wrong.append(what)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Hold instruction counts to the baseline.")
    parser.add_argument("--driver", type=Path, required=True)
    parser.add_argument("--build-type", required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--sanitizers", default="")
    parser.add_argument("--update", action="store_true", help="write the counts as the new baseline")
    arguments = parser.parse_args()

    if arguments.sanitizers:
        print(f"skipped: built with sanitizers ({arguments.sanitizers}), whose instructions would be counted")
        return SKIPPED
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed (Debian package valgrind)")
        return SKIPPED
    build = {
        "compiler": arguments.compiler,
        "build_type": arguments.build_type,
        "processor": platform.machine(),
    }
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if not arguments.update and baseline.get("build") != build:
        print(f"skipped: the baseline is of {baseline.get('build')}, this build is {build}")
        return SKIPPED

    counted = {what: count(arguments.driver, what) for what in WORK}
    counts = {what: per_unit for what, (per_unit, _) in counted.items()}
    kernel = counted["windows"][1]
    if arguments.update:
        instructions = {WORK[what]: round(per_unit, 1) for what, per_unit in counts.items()}
        fresh = {"build": build, "kernel": kernel, "instructions": instructions}
        BASELINE.write_text(json.dumps(fresh, indent=2) + "\n")
        print(f"wrote {BASELINE.name}: {instructions}")
        return 0
    if kernel != baseline["kernel"]:
        print(f"windows: not compared, the baseline's kernel is {baseline['kernel']}, here it is {kernel}")
        del counts["windows"]
    if differences(baseline, counts):
        print(
            f"Beyond ±{TOLERANCE:.0%}. If that is meant, take it as the baseline and say why in the commit:\n"
            "  cmake --build --preset dev --target cost_baseline"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
