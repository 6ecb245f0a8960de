#!/usr/bin/env python3
"""The device tier as an app would feel it: latency, instructions, a day's use, beside ONNX Runtime and TFLite.

    build/venv/bin/python bench/ue/run.py [--bin build/bench/bin] [--seconds 20000]

Answers are compared before anything is measured. Times are wall time of this machine (x86-64), instructions are
callgrind's: the difference of two runs of different length, so that start-up is in none. Tables go to standard output,
figures to build/bench/ue.json. Exit code 1 if a target is missed or answers differ.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUNDLE = ROOT / "models/reelsense-ue/1.0.0"
TARGET_P999_US = 50.0
TARGET_INSTRUCTIONS = 10.0

# A day: two hours of reels, an hour of a photo feed, 22 quiet hours with keep-alives in four stretches.
DAY = """\
tests/captures/reels-h3.pcap 75
idle 14400
tests/captures/feed-h2.pcap 24
idle 14400
tests/captures/reels-h3.pcap 75
idle 18000
tests/captures/feed-h2.pcap 24
tests/captures/reels-h3.pcap 75
idle 28800
"""

# Energy, as a range and with its assumptions in sight (bench/README.md says where they are from).
JOULES_PER_INSTRUCTION = (0.1e-9, 1.0e-9)  # a small core … a large one
LTE_UP_JOULES_PER_BYTE = 0.43839 * 8e-6  # 438.39 mW for 1 Mbit/s
LTE_ALONE_JOULES = 1.2107 * 0.2601 + 1.060 * 11.576  # promotion and tail, if the radio slept
BATTERY_JOULES = 4000e-3 * 3.85 * 3600


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(str(c) for c in command)}\n{done.stderr}")
    return done.stdout


def peer(task: str, engine: str, rows: Path, last: object) -> list[object]:
    return [sys.executable, HERE / "peers.py", task, engine, BUNDLE, rows, last]


def model_rows(bins: Path, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Full feature vectors of the shipped captures, and the columns that the model reads."""
    captures = sorted((ROOT / "tests/captures").glob("*.pcap*"))
    full = work / "full.npy"
    run(bins.parents[1] / "release/bin/reelsense", "features", *captures, "--format", "npy", "-o", full)
    described = json.loads(run(bins.parents[1] / "release/bin/reelsense", "features", "--describe", "--format", "json"))
    names = [feature["name"] for feature in described["features"]]
    wanted = json.loads((BUNDLE / "manifest.json").read_text())["features"]
    rows = np.load(full)
    rows.astype(np.float32).tofile(work / "full.f32")
    own = np.ascontiguousarray(rows[:, [names.index(w) for w in wanted]], np.float32)
    np.save(work / "own.npy", own)
    own.tofile(work / "own.f32")
    return rows, own


def compare_answers(bins: Path, work: Path, onnxruntime: OnnxRuntime, n: int) -> float:
    """The largest difference of a probability between the engines; where only the sum is told, of the mean."""
    answers = {}
    for engine in ("onnxruntime", "tflite"):
        run(*peer("predict", engine, work / "own.npy", work / f"{engine}.npy"))
        answers[engine] = np.load(work / f"{engine}.npy").astype(np.float64)
    worst = float(np.abs(answers["onnxruntime"] - answers["tflite"]).max())
    native = float(run(bins / "ue_score", BUNDLE / "model.onnx", work / "full.f32", n))
    worst = max(worst, abs(native - answers["onnxruntime"].sum()) / n)
    called = float(run(*onnxruntime.command("score"), n))
    worst = max(worst, abs(called - answers["onnxruntime"].sum()) / n)
    if worst > 1e-5:
        raise SystemExit(f"answers differ by {worst}: nothing is measured")
    return worst


class OnnxRuntime:
    """ONNX Runtime called from C (onnxruntime_call.c), compiled here."""

    def __init__(self, work: Path, inputs: int) -> None:
        import onnxruntime

        program = work / "onnxruntime_call"
        run("cc", "-O2", "-o", program, HERE / "onnxruntime_call.c", "-ldl")
        library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))
        self._command = [program, library, BUNDLE / "model.onnx", work / "own.f32", inputs]

    def command(self, task: str) -> list[object]:
        return [*self._command, task]


def instructions(command: list[object]) -> int:
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", *map(str, command)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def per_call(command: list[object], few: int, many: int) -> float:
    return (instructions([*command, many]) - instructions([*command, few])) / (many - few)


def measure_instructions(bins: Path, work: Path, onnxruntime: OnnxRuntime) -> dict[str, float]:
    native = [bins / "ue_score", BUNDLE / "model.onnx", work / "full.f32"]
    counts = {"native": per_call(native, 1000, 11000)}
    counts["onnxruntime"] = per_call(onnxruntime.command("score"), 1000, 6000)
    counts["tflite"] = per_call(peer("score", "tflite", work / "own.npy", "")[:-1], 200, 1200)
    return counts


def measure_latency(bins: Path, work: Path, onnxruntime: OnnxRuntime, seconds: int) -> list[dict[str, object]]:
    lines = run(*first_core(), bins / "ue_latency", BUNDLE / "model.onnx", seconds).splitlines()
    rows = [{"engine": "native", **json.loads(line)} for line in lines]
    peers = {
        "onnxruntime": onnxruntime.command("time"),
        "tflite": peer("time", "tflite", work / "own.npy", "")[:-1],
    }
    for engine, command in peers.items():
        timed = json.loads(run(*first_core(), *command, 20000))
        rows.append({"engine": engine, "what": "model", "flows": 1, **timed})
    return rows


def first_core() -> list[str]:
    """Ahead of what else runs here, where that is allowed: a phone's app has a core while it draws."""
    ahead = ["chrt", "--fifo", "10"]
    allowed = subprocess.run([*ahead, "true"], check=False, capture_output=True).returncode == 0
    return ahead if allowed else []


def measure_day(bins: Path, work: Path) -> dict[str, dict[str, float]]:
    plan = work / "day.txt"
    plan.write_text(DAY)
    day = {}
    for name, model in (("with", BUNDLE / "model.onnx"), ("without", "none")):
        day[name] = json.loads(run(bins / "ue_day", plan, model, cwd=ROOT))
        day[name]["instructions"] = instructions([bins / "ue_day", plan, model])
    return day


def print_latency(rows: list[dict[str, object]]) -> None:
    print("\nwall time of a call, µs" + " " * 36 + "p50       p99     p99.9")
    for r in rows:
        what = f"the end of a second with {r['flows']} flows" if r["what"] == "second" else "one row"
        called = ", called from Python" if r["engine"] == "tflite" else ""
        times = "".join(f"{r[q]:10.2f}" for q in ("p50_us", "p99_us", "p99.9_us"))
        print(f"{r['engine'] + ': ' + what + called:51}{times}")


def print_day(day: dict[str, dict[str, float]], counts: dict[str, float]) -> dict[str, object]:
    w, wo = day["with"], day["without"]
    spent = w["instructions"] - wo["instructions"]
    tflite = spent + w["windows"] * (counts["tflite"] - counts["native"])
    low, high = (spent * joules for joules in JOULES_PER_INSTRUCTION)
    radio = w["feedback_bytes"] * LTE_UP_JOULES_PER_BYTE
    alone = w["feedback_posts"] * LTE_ALONE_JOULES
    lines = {
        "a day": f"{w['hours']:.1f} h, {w['packets']:,} packets, {w['traffic_bytes'] / 1e9:.2f} GB, "
        f"{w['windows']:,} windows",
        "processor": f"{w['cpu_s'] - wo['cpu_s']:.3f} s here; {spent / 1e6:,.0f} M instructions, "
        f"{spent / w['packets']:.0f} a packet all told",
        "with TFLite inside": f"{tflite / 1e6:,.0f} M instructions: the same, but TFLite scores each window",
        "memory": f"{w['memory_kib'] - wo['memory_kib']:,} KiB more than the same app without it",
        "wake-ups": f"0 of its own; the app's timer ran {w['timer_calls']:,} times, while there was traffic",
        "feedback": f"{w['feedback_posts']} posts, {w['feedback_bytes']:,} bytes: "
        f"{w['feedback_bytes'] / w['traffic_bytes'] * 1e6:.1f} a megabyte of traffic",
        "energy, estimated": f"{low:.2f} to {high:.2f} J for instructions, {radio:.3f} J to send while LTE is awake "
        f"({alone:.0f} J if each post woke it); a battery holds {BATTERY_JOULES / 1000:.0f} kJ",
    }
    print()
    for what, figures in lines.items():
        print(f"{what:20} {figures}")
    return {
        "instructions": spent,
        "instructions_with_tflite": tflite,
        "joules": [low, high],
        "radio_joules": radio,
        "radio_alone_joules": alone,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bin", type=Path, default=ROOT / "build/bench/bin", help="where ue_latency and the others are"
    )
    parser.add_argument("--seconds", type=int, default=20000, help="seconds of traffic that are timed")
    options = parser.parse_args()
    bins = options.bin.resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        full, own = model_rows(bins, work)
        onnxruntime = OnnxRuntime(work, own.shape[1])
        worst = compare_answers(bins, work, onnxruntime, len(full))
        print(f"answers of the engines on {len(full)} rows of the shipped captures differ by {worst:.1e} at most")
        latency = measure_latency(bins, work, onnxruntime, options.seconds)
        print_latency(latency)
        counts = measure_instructions(bins, work, onnxruntime)
        print("\ninstructions of one row (x86-64, callgrind)")
        for engine, count in counts.items():
            print(f"  {engine:12} {count:10,.0f}{', called from Python' if engine == 'tflite' else ''}")
        day = measure_day(bins, work)
        energy = print_day(day, counts)

    second = max(r["p99.9_us"] for r in latency if r["what"] == "second" and r["flows"] == 1)
    ratio = counts["onnxruntime"] / counts["native"]
    passed = [second < TARGET_P999_US, ratio >= TARGET_INSTRUCTIONS]
    print(f"\n{'PASS' if passed[0] else 'MISS'}: p99.9 of a window under {TARGET_P999_US:.0f} µs: {second:.2f}")
    print(
        f"{'PASS' if passed[1] else 'MISS'}: {TARGET_INSTRUCTIONS:.0f} times fewer instructions a row than "
        f"ONNX Runtime: {ratio:.1f} ×"
    )
    out = ROOT / "build/bench/ue.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps(
            {
                "machine": platform.processor() or platform.machine(),
                "latency": latency,
                "instructions": counts,
                "day": day,
                "energy": energy,
            },
            indent=1,
        )
        + "\n"
    )
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
