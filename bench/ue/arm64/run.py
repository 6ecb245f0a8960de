#!/usr/bin/env python3
"""Instructions for a packet and for a window on arm64: the energy proxy of the device tier.

    python3 bench/ue/arm64/run.py [--library build/android/arm64-v8a/libreelsense.so] [--captures tests/captures/…]

Android's libreelsense.so, the file of the AAR, runs under QEMU's user-mode emulator, and a plugin counts the guest's
instructions. Each figure is the difference of a long and a short run, so start-up, loading and reading are in none.
Counts do not depend on what else the machine does; they are not cycles and not energy. sdk/native/arm64-tests compares
the library's answers with the golden ones: run it first. Needs scripts/android-sdk to have run, and qemu-user and
gcc-12-aarch64-linux-gnu. The table goes to standard output, figures to build/bench/ue-arm64.json.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OUT = ROOT / "build/bench/ue-arm64"
MODEL = ROOT / "models/reelsense-ue/1.0.0/model.onnx"
CAPTURES = [ROOT / "tests/captures/reels-h3.pcap", ROOT / "tests/captures/feed-h2.pcap"]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(c) for c in command)}\n{done.stdout}{done.stderr}")
    return done


def build(library: Path) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    run(ROOT / "sdk/native/for-glibc", library, OUT / "libreelsense.so")
    gcc = "aarch64-linux-gnu-gcc-12"
    for name in ("c", "m"):
        shim = OUT / f"lib{name}.so"
        run(gcc, "-shared", "-nostdlib", f"-Wl,-soname,lib{name}.so", "-Wl,--no-as-needed", "-x", "c", "/dev/null",
            f"-l:lib{name}.so.6", "-o", shim)  # fmt: skip
    run(gcc, "-std=c11", "-O2", "-Wall", "-Wextra", f"-I{ROOT}/core/capi", HERE / "work.c", OUT / "libreelsense.so",
        "-Wl,--allow-shlib-undefined", "-o", OUT / "work")  # fmt: skip
    plugin = OUT / "insn_count.so"
    run("gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", HERE / "insn_count.c", "-o", plugin)


def count(*arguments: object) -> tuple[int, dict[str, float | str]]:
    emulator = ["qemu-aarch64", "-plugin", OUT / "insn_count.so", "-L", "/usr/aarch64-linux-gnu"]
    done = run(*emulator, "-E", f"LD_LIBRARY_PATH={OUT}", OUT / "work", *arguments)
    found = re.search(r"instructions: (\d+)", done.stderr)
    if found is None:
        raise SystemExit(f"the plugin counted nothing: {done.stderr}")
    return int(found.group(1)), json.loads(done.stdout)


def difference(mode: str, capture: Path, short: int, long: int) -> dict[str, float | str]:
    """Instructions, packets and windows of the work that only the long run did."""
    few, at_first = count(mode, capture, MODEL, short)
    many, in_all = count(mode, capture, MODEL, long)
    return {
        "instructions": many - few,
        "packets": int(in_all["packets"]) - int(at_first["packets"]),
        "windows": int(in_all["windows"]) - int(at_first["windows"]),
        "kernel": str(in_all["kernel"]),
    }


def measure(capture: Path) -> dict[str, float | str]:
    one_second = difference("packets", capture, 2, 6)
    as_it_was = difference("seconds", capture, 2, 6)
    score = difference("score", capture, 500, 2500)
    packet = one_second["instructions"] / one_second["packets"]
    window = (as_it_was["instructions"] - packet * as_it_was["packets"]) / as_it_was["windows"]
    return {
        "capture": capture.name,
        "kernel": score["kernel"],
        "per_packet": round(packet, 1),
        "per_window_closed_and_labelled": round(window, 1),
        "per_row_scored": round(score["instructions"] / score["windows"], 1),
        "per_second_of_traffic": round(as_it_was["instructions"] / as_it_was["windows"], 1),
        "packets_a_window": round(as_it_was["packets"] / as_it_was["windows"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=ROOT / "build/android/arm64-v8a/libreelsense.so")
    parser.add_argument("--captures", type=Path, nargs="+", default=CAPTURES)
    given = parser.parse_args()
    build(given.library)
    rows = [measure(capture.resolve()) for capture in given.captures]
    figures = {"library_bytes": given.library.stat().st_size, "captures": rows}
    (OUT.parent / "ue-arm64.json").write_text(json.dumps(figures, indent=1) + "\n")
    print("| capture | kernel | a packet | a window: closed and labelled | of it a row scored | packets a window |")
    print("|---|---|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row['capture']} | {row['kernel']} | {row['per_packet']:,.0f} | "
              f"{row['per_window_closed_and_labelled']:,.0f} | {row['per_row_scored']:,.0f} | "
              f"{row['packets_a_window']:.0f} |")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
