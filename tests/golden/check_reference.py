#!/usr/bin/env python3
"""Makes captures and vectors anew in a temporary folder and compares their bytes with the committed ones.

So the files and the reference that wrote them cannot drift apart. Exit 1 and a list if they did.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from make_captures import HERE, write_all  # noqa: E402


def contents(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("captures/*"), *folder.glob("vectors/*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def main() -> int:
    committed = contents(HERE)
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder))
        made = contents(Path(folder))
    different = sorted(name for name in committed.keys() | made if committed.get(name) != made.get(name))
    for name in different:
        state = (
            "differs" if name in committed and name in made else "is missing" if name in made else "is extra"
        )
        print(f"tests/golden/{name} {state}", file=sys.stderr)
    if different:
        print("If that is meant, run python3 tests/golden/make_captures.py and say why.", file=sys.stderr)
        return 1
    print(f"{len(made)} golden files are current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
