#!/usr/bin/env python3
"""Writes cases.json, the list of conformance cases; --check only tells whether it is up to date (exit 1 if not)."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(__file__).with_name("cases.json")


def device_models() -> list[Path]:
    """The golden files of released device models whose view the C ABI has."""
    found = []
    for manifest in sorted(ROOT.glob("models/*/*/manifest.json")):
        about = json.loads(manifest.read_text())
        if about["tier"] == "ue" and about["view"] in ("packet", "socket"):
            found.append(manifest.with_name("golden.json"))
    return found


def cases() -> list[dict[str, str]]:
    groups = {
        "capture": sorted(ROOT.glob("tests/golden/vectors/*.jsonl")),
        "socket": sorted(ROOT.glob("tests/golden/views/vectors/socket_*.csv")),
        "model": device_models(),
        "decisions": sorted(ROOT.glob("tests/conformance/decisions/*.jsonl")),
    }
    return [{"kind": kind, "file": str(file.relative_to(ROOT))} for kind, files in groups.items() for file in files]


def main() -> int:
    listed = cases()
    text = json.dumps({"count": len(listed), "cases": listed}, indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() == text:
            return 0
        print(f"{TARGET.relative_to(ROOT)} is out of date: run tests/conformance/make_cases.py", file=sys.stderr)
        return 1
    TARGET.write_text(text)
    print(f"{len(listed)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
