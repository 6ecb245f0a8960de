"""Labels of a capture as CSV, and what its session was: python label_capture.py CAPTURE [OUT.csv]"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import reelsense


def main(capture: str, out: str = "") -> None:
    result = reelsense.classify_capture(capture)
    with Path(out or "/dev/stdout").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["second", "flow", "server", "label", "confidence", "uncertain", "bytes_down"])
        for window in result.windows:
            server = f"{window.tuple.server}:{window.tuple.server_port}"
            rows.writerow([window.second, window.flow, server, window.label, round(window.confidence, 4),
                           int(window.uncertain), window.bytes_down])  # fmt: skip
    watched = sum(second.label == "video" for second in result.seconds)
    print(f"{watched} of {len(result.seconds)} s were watched; {len(result.flows)} flows", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
