"""``python -m reelsense_training.tracking``: log a bundle with its report, promote, show, serve."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from reelsense_training.tracking.record import RecordError, read_record

EXAMPLES = """\
examples (with build/tracking-venv/bin/python, made by scripts/tracking-venv):
  python -m reelsense_training.tracking log --bundle models/reelsense-ue/1.0.0 --report build/reelbench/report.json
  python -m reelsense_training.tracking promote --model reelsense-ue
  python -m reelsense_training.tracking show --model reelsense-ue
  python -m reelsense_training.tracking serve               MLflow's pages and API on 127.0.0.1:5000

A new version becomes `challenger`; `promote` makes it `champion` only if its worst cell is not worse on the same
sessions.
exit: 0 done, 1 a file or the store cannot be used, 2 wrong usage, 3 not promoted
"""
HOST, PORT = "127.0.0.1", "5000"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reelsense_training.tracking",
        description="Logs models and their ReelBench reports to MLflow and, offline, to Weights & Biases.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--store", type=Path, default=Path("build/tracking"),
                        help="folder of the store, artefacts and offline runs (default build/tracking)")  # fmt: skip
    parser.add_argument("--uri", help="an MLflow server instead, such as http://127.0.0.1:5000")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    log = commands.add_parser("log", help="log a run and register the bundle as challenger")
    log.add_argument("--bundle", type=Path, required=True)
    log.add_argument("--report", type=Path, required=True, help="report.json of reelbench")
    log.add_argument("--no-wandb", action="store_true", help="MLflow only")
    for name, text in (("promote", "challenger to champion, by the rule"), ("show", "who is champion and challenger")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--model", required=True, help="registered name, such as reelsense-ue")
    commands.add_parser("serve", help="run `mlflow server` on the store until it is stopped")
    return parser


def _log(args: argparse.Namespace) -> int:
    from reelsense_training.tracking.mlflow_log import Registry

    record = read_record(args.bundle, args.report)
    logged = Registry(*_store(args)).log(record)
    print(f"mlflow: run {logged.run}, {record.name} version {logged.version}, challenger")
    if not args.no_wandb:
        from reelsense_training.tracking.wandb_log import log

        print(f"wandb, offline: {log(record, args.store.resolve() / 'wandb')}")
    return 0


def _promote(args: argparse.Namespace) -> int:
    from reelsense_training.tracking.mlflow_log import Registry

    decision = Registry(*_store(args)).promote(args.model)
    print(f"{'promoted' if decision.promote else 'not promoted'}: {decision.reason}")
    return 0 if decision.promote else 3


def _show(args: argparse.Namespace) -> int:
    from reelsense_training.tracking.mlflow_log import CHALLENGER, CHAMPION, Registry

    registry = Registry(*_store(args))
    for alias in (CHAMPION, CHALLENGER):
        found = registry.standing(args.model, alias)
        text = "none" if found is None else f"version {found.version}, worst cell {found.worst}"
        print(f"{alias}: {text}")
    return 0


def _store(args: argparse.Namespace) -> tuple[str, str | None]:
    """Tracking address and, for a local store, where its artefacts go."""
    if args.uri:
        return args.uri, None
    folder = args.store.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artefacts").as_uri()


def _serve(args: argparse.Namespace) -> int:
    uri, artefacts = _store(args)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--artifacts-destination",
               str(artefacts), "--host", HOST, "--port", PORT, "--workers", "1"]  # fmt: skip
    os.execv(command[0], command)


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    steps = {"log": _log, "promote": _promote, "show": _show, "serve": _serve}
    try:
        return steps[args.command](args)
    except (RecordError, OSError) as error:
        print(f"tracking: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
