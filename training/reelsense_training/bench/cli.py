"""The ``reelbench`` command."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reelsense_training import __version__

if TYPE_CHECKING:
    from reelsense_training.bench.cells import Rules

EXAMPLES = """\
examples:
  reelbench score --lab build/lab/full --bundle models/reelsense-ue/1.0.0
  reelbench score --lab build/lab/full --labels predictions.csv       anyone's labels, as `reelsense classify` writes
  reelbench score --lab build/lab/full --bundle models/reelsense-ue/1.0.0 --edge models/reelsense-edge/1.0.0
  reelbench run --lab build/lab/full --trainer trees --seeds 3        retrain with designs and paths held out
  reelbench run --lab build/lab/full --trainer my_package.my_module:MyTrainer --public ../shared/data/public
  reelbench report build/reelbench/report.json                        the page again, from its figures
  reelbench folds --lab build/lab/full                                what would be held out

`run` is the protocol whose figures may be quoted: `score` only knows that a model answered, not what it had seen.
Rows come from the C++ extractor (build it first); progress goes to standard error.
exit: 0 done, 1 a step failed or its input is absent, 2 wrong usage
"""


def _common(parser: argparse.ArgumentParser, repository: Path) -> None:
    add = parser.add_argument
    add("--lab", type=Path, required=True, help="folder of lab sessions (index.csv)")
    add("--reelsense", type=Path, default=repository / "build" / "release" / "bin" / "reelsense",
        help="the extractor (default: build/release/bin/reelsense)")  # fmt: skip
    add("--cache", type=Path, default=repository / "build" / "reelbench" / "cache",
        help="extracted rows; may be deleted (default: build/reelbench/cache)")  # fmt: skip
    add("--quiet", action="store_true", help="no progress")


def _evaluation(parser: argparse.ArgumentParser, repository: Path) -> None:
    add = parser.add_argument
    add("--out", type=Path, default=repository / "build" / "reelbench",
        help="where report.json and report.html go (default: build/reelbench)")  # fmt: skip
    add("--name", help="what the report calls the subject")
    add("--tier", choices=("ue", "edge", "other"), help="whose targets it is held against")
    add("--min-windows", type=int, default=15, help="windows of each class that a cell needs (default 15)")
    add("--min-sessions", type=int, default=1, help="sessions of each class that a cell needs (default 1)")
    add("--no-emulated", action="store_true", help="leave the emulated cells out")


def _splitting(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--hold-out", default="design,path", help="axes held out together: design, path, protocol, session")
    add("--folds", type=int, default=12, help="about how many at most (default 12)")


def _parser(repository: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reelbench",
        description="Evaluates video / non-video classification on sessions of the traffic lab, worst cell first.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"reelbench {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    score = commands.add_parser("score", help="a model or labels as they are")
    _common(score, repository)
    _evaluation(score, repository)
    given = score.add_mutually_exclusive_group(required=True)
    given.add_argument("--bundle", type=Path, help="folder of a model bundle, row by row or stateful")
    given.add_argument("--labels", type=Path, help="CSV of labels, or a folder of <session>.csv")
    score.add_argument("--edge", type=Path, help="edge bundle that uncertain windows are escalated to")
    score.add_argument(
        "--held-out", action="store_true", help="declare that the model never saw these designs or paths"
    )
    run = commands.add_parser("run", help="retrain in every fold and evaluate held out")
    _common(run, repository)
    _evaluation(run, repository)
    _splitting(run)
    run.add_argument("--trainer", default="trees", help="trees, linear or MODULE:NAME (default trees)")
    run.add_argument("--edge-trainer", help="trainer whose answers uncertain windows are escalated to")
    run.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    run.add_argument(
        "--augment", default="", help="emulated conditions to train on too: names with ';' between, or all"
    )
    run.add_argument("--public", type=Path, help="folder of the public packet series, reported apart")
    run.add_argument("--no-controls", action="store_true", help="leave the controls out")
    report = commands.add_parser("report", help="the page of a report.json")
    report.add_argument("report", type=Path)
    report.add_argument("--out", type=Path, help="default: report.html beside it")
    fold = commands.add_parser("folds", help="list what would be held out")
    _common(fold, repository)
    _splitting(fold)
    return parser


def _repository() -> Path:
    """The checkout around the working directory, else the one this package was installed from."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "training" / "pyproject.toml").is_file():
            return folder
    return Path(__file__).resolve().parents[3]


def _progress(quiet: bool) -> Callable[[str], None]:
    start = time.monotonic()

    def progress(text: str) -> None:
        if not quiet:
            print(f"[{time.monotonic() - start:6.1f} s] {text}", file=sys.stderr, flush=True)

    return progress


def _rules(args: argparse.Namespace) -> Rules:
    from reelsense_training.bench.cells import Rules

    return Rules(args.min_windows, args.min_sessions)


def _write(report: dict, out: Path) -> None:
    from reelsense_training.bench.page import render

    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (out / "report.html").write_text(render(report))
    head = report["headline"]
    print(f"worst hard cell {head['worst']} ({head['worst_cell']}), mean {head['mean']} of {head['cells']} cells")
    print(out / "report.json")
    print(out / "report.html")


def main(argv: list[str] | None = None) -> int:
    args = _parser(_repository()).parse_args(argv)
    # The libraries behind a command are slow to import; --help is not.
    from threadpoolctl import threadpool_limits

    from reelsense_training.bench import commands
    from reelsense_training.bench.folds import FoldError
    from reelsense_training.bench.predictors import PredictorError
    from reelsense_training.bench.trainers import TrainerError
    from reelsense_training.data.extractor import ExtractorError
    from reelsense_training.data.series import DataError

    try:
        with threadpool_limits(1):
            if args.command == "report":
                path = commands.page(args.report, args.out)
                print(path)
            elif args.command == "folds":
                print(commands.list_folds(args, _progress(args.quiet)))
            else:
                build = commands.score if args.command == "score" else commands.run
                _write(build(args, _rules(args), _progress(args.quiet)), args.out)
    except (DataError, ExtractorError, FoldError, PredictorError, TrainerError, OSError, ValueError) as error:
        print(f"reelbench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
