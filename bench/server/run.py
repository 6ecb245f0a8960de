"""The edge server beside its peers: windows per server CPU-second, latency at half load, memory.

    scripts/bench-server [--seconds S] [--rounds N] [--only KEY,…]

What is measured and how to read it: bench/README.md. Writes build/bench/server.json. Exits 1 when a target is missed
or a window failed, 2 when an answer is wrong or a server does not run: then nothing, or nothing more, is timed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from subprocess import CalledProcessError

from answers import check
from cases import (
    CASES,
    FASTAPI,
    FASTAPI_ALONE,
    GROWTH,
    GRPC_AIO_ALONE,
    LIVE_FLOWS,
    LOGGED,
    MLSERVER,
    NAMES,
    OURS,
    Case,
    Rounds,
    targets,
)
from load import Loader, LoadError, write_rows
from memory import with_live_flows
from report import as_json, machine, print_report, versions
from servers import (
    ROOT,
    Binaries,
    Server,
    make_protos,
    running,
    start_fastapi,
    start_grpc_aio,
    start_mlserver,
    start_reelsense,
)

MEMORY = "memory"  # among the keys of --only
REST_S = 0.5  # between two loads: what the last one left is done


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[Kbench-server: {text}", end="", file=sys.stderr, flush=True)


def raise_file_limit() -> None:
    """A thousand clients are a thousand sockets, on either side."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    binaries = ROOT / "build/release/bin"
    parser.add_argument("--server", type=Path, default=binaries / "reelsense-server")
    parser.add_argument("--client", type=Path, default=binaries / "reelsense")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="*", help="keys of cases, with * and ?; 'memory' is one")
    args = parser.parse_args()
    if args.rounds < 1 or not 0.5 <= args.seconds <= 600:
        parser.error("--rounds is at least 1, --seconds 0.5 to 600")
    for binary in (args.server, args.client):
        if not binary.exists():
            parser.error(f"{binary} is not built (make server)")
    return args


def start(name: str, binaries: Binaries, work: Path, protos: Path) -> Server:
    if name in (OURS, LOGGED):
        return start_reelsense(binaries, work, name, log=name == LOGGED)
    if name == MLSERVER:
        return start_mlserver(work)
    alone = ["--each-alone"] if name in (FASTAPI_ALONE, GRPC_AIO_ALONE) else []
    begin = start_fastapi if name in (FASTAPI, FASTAPI_ALONE) else start_grpc_aio
    return begin(work, name, protos, *alone)


@contextlib.contextmanager
def started(cases: list[Case], binaries: Binaries, work: Path, protos: Path) -> Iterator[dict[str, Server]]:
    """The servers that the cases need, running."""
    servers: dict[str, Server] = {}
    try:
        for name in NAMES:
            if any(case.server == name for case in cases):
                servers[name] = start(name, binaries, work, protos)
        with running(*servers.values()):
            yield servers
    finally:
        for server in servers.values():
            server.stop()


def check_answers(servers: dict[str, Server], cases: list[Case]) -> dict[str, float]:
    """The largest difference from golden.json of each server."""
    worst = {}
    for name, server in servers.items():
        progress(f"checking the answers of {name}")
        worst[name] = check(server, {case.mode for case in cases if case.server == name})
    return worst


def measure(
    args: argparse.Namespace, cases: list[Case], servers: dict[str, Server], loader: Loader, rounds: Rounds
) -> None:
    for number in range(1, args.rounds + 1):
        for case in cases:
            progress(f"round {number} of {args.rounds}: {case.key}")
            time.sleep(REST_S)
            rounds[case.key].append(loader.round(case, servers[case.server]))


def measure_memory(binaries: Binaries, work: Path, count: int) -> list[dict[str, int]]:
    found = []
    for number in range(1, count + 1):
        progress(f"memory, round {number} of {count}")
        server = start_reelsense(binaries, work, "reelsense-memory", log=True)
        with running(server):
            found.append(with_live_flows(server, LIVE_FLOWS))
    return found


def bench(args: argparse.Namespace) -> int:
    wanted = args.only.split(",")
    cases = [case for case in (*CASES, *GROWTH) if any(fnmatch(case.key, pattern) for pattern in wanted)]
    with_memory = any(fnmatch(MEMORY, pattern) for pattern in wanted)
    if not cases and not with_memory:
        raise LoadError(f"--only {args.only}: no such case; there are {MEMORY}, {', '.join(c.key for c in CASES)}, …")
    out = args.out.resolve()
    work = out / "server"
    work.mkdir(parents=True, exist_ok=True)
    binaries = Binaries(args.server.resolve(), args.client.resolve())
    make_protos(work / "protos")
    write_rows(binaries.client, work / "rows.npy")
    loader = Loader(binaries, work / "rows.npy", args.seconds)
    setting = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "seconds": args.seconds,
        "rounds": args.rounds,
    }

    rounds: Rounds = defaultdict(list)
    with started(cases, binaries, work, work / "protos") as servers:
        setting["golden_difference"] = check_answers(servers, cases)
        measure(args, cases, servers, loader, rounds)
    memory = measure_memory(binaries, work, args.rounds) if with_memory else []
    progress("")

    found = targets(rounds, [float(one["VmRSS"]) for one in memory])
    print_report(rounds, memory, found, loader.problems)
    result = as_json(rounds, memory, found, loader.problems, setting)
    (out / "server.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0 if all(target.met for target in found) and not loader.problems else 1


def main() -> int:
    args = parse_arguments()
    raise_file_limit()
    try:
        return bench(args)
    except (RuntimeError, OSError, CalledProcessError) as error:
        progress("")
        print(f"bench-server: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
