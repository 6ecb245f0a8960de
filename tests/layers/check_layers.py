#!/usr/bin/env python3
"""Holds core/ to its layers: a file includes only its own layer and those to its left, the standard library without
I/O, threads or clocks, and nothing else. Other parts may include core and what is listed for them.

Prints each violation as file:line and exits 1 if there is one.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ["base", "packet", "flow", "features", "model", "policy", "classifier", "feedback", "capi"]
# No I/O, threads, clocks, exceptions or locale in core.
FORBIDDEN_STANDARD = {
    "iostream", "fstream", "ostream", "istream", "sstream", "iomanip", "cstdio", "stdio.h", "filesystem", "thread",
    "mutex", "shared_mutex", "condition_variable", "future", "atomic", "chrono", "ctime", "time.h", "locale",
    "exception", "stdexcept", "regex", "random",
}
# What the parts around core may not reach for.
PARTS = {"ingest": {"bundle", "cli"}, "bundle": {"ingest", "cli"}, "cli": set()}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def layer_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "core").parts
    return parts[2] if parts[0] == "include" else parts[0]


def core_violations(path: Path) -> list[str]:
    layer = layer_of(path)
    if layer not in LAYERS:
        return [f"{path.relative_to(ROOT)}: core/{layer} is not one of the layers {' → '.join(LAYERS)}"]
    allowed = set(LAYERS[: LAYERS.index(layer) + 1])
    test = path.name.endswith("_test.cc")
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match is None:
            continue
        quote, name = match.groups()
        where = f"{path.relative_to(ROOT)}:{number}"
        if name.startswith("reelsense/"):
            target = name.split("/")[1]
            if target not in allowed:
                found.append(f"{where}: layer {layer} includes {name}, a layer to its right or outside core")
        elif test:
            continue
        elif quote == '"':
            first = name.split("/")[0] if "/" in name else layer
            if first not in allowed or not ((path.parent / name).exists() or (ROOT / "core" / name).exists()):
                found.append(f"{where}: {name} is not a header of layer {layer} or to its left")
        elif name in FORBIDDEN_STANDARD:
            found.append(f"{where}: core has no I/O, threads, clocks or exceptions, but includes <{name}>")
        elif "/" in name or (name.endswith(".h") and name not in {"immintrin.h", "arm_neon.h", "stddef.h", "stdint.h"}):
            found.append(f"{where}: core has no third-party code, but includes <{name}>")
    return found


def part_violations(part: str, barred: set[str]) -> list[str]:
    found = []
    for path in sorted((ROOT / part).rglob("*")):
        if path.suffix not in {".cc", ".h"} or path.name.endswith("_test.cc"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match.group(2).startswith("reelsense/") and match.group(2).split("/")[1] in barred:
                found.append(f"{path.relative_to(ROOT)}:{number}: {part} may not include {match.group(2)}")
    return found


def main() -> int:
    files = [p for p in sorted((ROOT / "core").rglob("*")) if p.suffix in {".cc", ".h"}]
    found = [violation for path in files for violation in core_violations(path)]
    for part, barred in PARTS.items():
        found += part_violations(part, barred)
    for violation in found:
        print(violation)
    print(f"layers: {len(files)} files of core checked, {len(found)} violations")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
