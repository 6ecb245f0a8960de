"""python3 -m reelsense_reference capture.pcap [--max-flows N]: the capture's golden vectors as JSON lines."""

from __future__ import annotations

import argparse
from pathlib import Path

from .flows import Options
from .vectors import lines


def main() -> None:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="reelsense_reference", description=__doc__)
    parser.add_argument("capture", type=Path, help="classic pcap file")
    parser.add_argument("--max-flows", type=int, default=defaults.max_flows)
    parser.add_argument("--idle-timeout-ns", type=int, default=defaults.idle_timeout_ns)
    parser.add_argument("--active-timeout-ns", type=int, default=defaults.active_timeout_ns)
    arguments = parser.parse_args()
    options = Options(arguments.max_flows, arguments.idle_timeout_ns, arguments.active_timeout_ns)
    for line in lines(arguments.capture, options):
        print(line)


if __name__ == "__main__":
    main()
