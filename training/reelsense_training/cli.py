"""The ``reelsense-train`` command."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reelsense_training import __version__

if TYPE_CHECKING:
    from reelsense_training.pipeline import Pipeline, Product

EXAMPLES = """\
examples:
  reelsense-train all --lab build/lab/full    edge model, dataset, train, evaluate, bench, export, register: all bundles
  reelsense-train all --models /tmp/models --no-register
                                              the same, elsewhere; compare with: diff -r models /tmp/models
  reelsense-train edge --lab build/lab/full   the edge model alone, in build/torch-venv (scripts/torch-venv makes it)
  reelsense-train dataset                     feature rows of every source into the cache, and a table of them
  reelsense-train train --product reelsense-ue
  reelsense-train evaluate                    figures of what `train` made, into build/train/
  reelsense-train bench --lab build/lab/full  ReelBench of each product: report.json, report.html in build/train/
  reelsense-train export                      bundles from what `train` and `evaluate` left
  reelsense-train register                    bundles and reports into MLflow (build/tracking) and offline W&B
  reelsense-train card                        model cards of the released bundles, from their manifests
  reelsense-train captures                    the released models on the shipped captures of tests/captures

Rows come from the C++ extractor (build it first); progress goes to standard error.
exit: 0 done, 1 a step failed or its input is absent, 2 wrong usage
"""
STEPS = ("edge", "dataset", "train", "evaluate", "bench", "export", "register", "card", "captures", "all")
CHAIN = ("train", "evaluate", "bench", "export")


def _parser(repository: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reelsense-train",
        description="Builds the dataset, trains, evaluates, releases and registers Reelsense's models of both tiers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "step", choices=STEPS, help="what to do; `all` is the first seven, without `edge` where --product is given"
    )
    parser.add_argument(
        "--data", type=Path, default=repository.parent / "shared" / "data" / "public",
        help="folder of the packet series (default: ../shared/data/public beside the checkout)",
    )  # fmt: skip
    parser.add_argument(
        "--lab", type=Path,
        help="folder of lab sessions (`make lab-more`) to train on and to hold out; without it, public data only",
    )
    parser.add_argument(
        "--reelsense", type=Path, default=repository / "build" / "release" / "bin" / "reelsense",
        help="the extractor (default: build/release/bin/reelsense)",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=Path, default=repository / "build" / "train",
        help="caches and intermediate files (default: build/train)",
    )  # fmt: skip
    parser.add_argument(
        "--models", type=Path, default=repository / "models", help="where bundles go (default: models)"
    )
    parser.add_argument("--product", action="append", help="only this device model; may be repeated")
    parser.add_argument("--no-register", action="store_true", help="`all` without its last step")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--version", action="version", version=f"reelsense-train {__version__}")
    return parser


def _repository() -> Path:
    """The checkout around the working directory, else the one this package was installed from."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "training" / "pyproject.toml").is_file():
            return folder
    return Path(__file__).resolve().parents[2]


def _progress(quiet: bool) -> Callable[[str], None]:
    start = time.monotonic()

    def progress(text: str) -> None:
        if not quiet:
            print(f"[{time.monotonic() - start:6.1f} s] {text}", file=sys.stderr, flush=True)

    return progress


def main(argv: list[str] | None = None) -> int:
    repository = _repository()
    parser = _parser(repository)
    args = parser.parse_args(argv)
    # The libraries behind a step are slow to import; --help is not.
    from threadpoolctl import threadpool_limits

    from reelsense_training.pipeline import PRODUCTS, Pipeline, Workspace

    known = {product.name: product for product in PRODUCTS}
    unknown = [name for name in args.product or () if name not in known]
    if unknown:
        parser.error(f"no product {', '.join(unknown)}; there are {', '.join(known)}")
    products = tuple(known[name] for name in args.product or known)
    space = Workspace(repository, args.data, args.reelsense, args.work, args.models, args.lab)
    pipeline = Pipeline(space, products, _progress(args.quiet))
    # Fits run side by side, each on one thread: a thread pool inside each would only make them wait.
    with threadpool_limits(1):
        return _run(args, pipeline, products)


def edge(args: argparse.Namespace, repository: Path) -> int:
    """The edge model, first as ReelBench of the device models escalates to it; in an environment with PyTorch."""
    subprocess.run([repository / "scripts" / "torch-venv"], check=True)
    command = [repository / "build" / "torch-venv" / "bin" / "python", "-m", "reelsense_training.edge", "all"]
    command += ["--data", args.data, "--reelsense", args.reelsense, "--work", args.work, "--models", args.models]
    command += [*(["--lab", args.lab] if args.lab else []), *(["--quiet"] if args.quiet else [])]
    environment = {**os.environ, "PYTHONPATH": str(repository / "training")}
    return subprocess.run(command, env=environment, check=False).returncode


def register(args: argparse.Namespace, repository: Path) -> int:
    """Every bundle with a ReelBench report into the registry; MLflow has an environment of its own."""
    subprocess.run([repository / "scripts" / "tracking-venv"], check=True)
    folders = [args.work.resolve(), args.models.resolve()]
    return subprocess.run([repository / "scripts" / "track", *folders], check=False).returncode


def _run(args: argparse.Namespace, pipeline: Pipeline, products: tuple[Product, ...]) -> int:
    from reelsense_training.data.extractor import ExtractorError
    from reelsense_training.data.series import DataError
    from reelsense_training.pipeline import StepError
    from reelsense_training.release.lab import LabError

    try:
        return _steps(args, pipeline, products)
    except (DataError, ExtractorError, LabError, StepError, OSError, subprocess.CalledProcessError) as error:
        print(f"reelsense-train: {error}", file=sys.stderr)
        return 1


def _steps(args: argparse.Namespace, pipeline: Pipeline, products: tuple[Product, ...]) -> int:
    from reelsense_training.pipeline import cards, dataset_table, lab_tables

    repository, whole = pipeline.space.repository, args.step == "all"
    if args.step == "card":
        print(*cards(args.models, products), sep="\n")
    if args.step == "captures":
        print(lab_tables(pipeline.space, products))
    if (args.step == "edge" or (whole and not args.product)) and (status := edge(args, repository)):
        return status
    if args.step == "dataset" or whole:
        print(dataset_table(pipeline.corpus), file=sys.stderr if whole else sys.stdout)
    for step in CHAIN:
        if args.step == step or whole:
            for path in getattr(pipeline, "reelbench" if step == "bench" else step)():
                print(path, flush=True)
    if args.step == "register" or (whole and not args.no_register):
        return register(args, repository)
    return 0


if __name__ == "__main__":
    sys.exit(main())
