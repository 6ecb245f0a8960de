"""The ``reelsense-train`` command."""

from __future__ import annotations

import argparse
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
  reelsense-train all --lab build/lab/full    dataset, train, evaluate, bench, export: the released bundles
  reelsense-train all --models /tmp/models    the same, elsewhere; compare with: diff -r models /tmp/models
  reelsense-train dataset                     feature rows of every source into the cache, and a table of them
  reelsense-train train --product reelsense-ue
  reelsense-train evaluate                    figures of what `train` made, into build/train/
  reelsense-train bench --lab build/lab/full  ReelBench of each product: report.json, report.html in build/train/
  reelsense-train export                      bundles from what `train` and `evaluate` left
  reelsense-train card                        model cards of the released bundles, from their manifests
  reelsense-train captures                    the released models on the shipped captures of tests/captures

Rows come from the C++ extractor (build it first); progress goes to standard error.
exit: 0 done, 1 a step failed or its input is absent, 2 wrong usage
"""
STEPS = ("dataset", "train", "evaluate", "bench", "export", "card", "captures", "all")
CHAIN = ("train", "evaluate", "bench", "export")


def _parser(repository: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reelsense-train",
        description="Builds the dataset, trains, evaluates and releases Reelsense's UE models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=STEPS, help="what to do; `all` is dataset, train, evaluate, bench, export")
    parser.add_argument(
        "--data", type=Path, default=repository.parent / "shared" / "data" / "public",
        help="folder of the packet series (default: ../shared/data/public beside the checkout)",
    )  # fmt: skip
    parser.add_argument(
        "--lab", type=Path,
        help="folder of lab sessions (`reelsense-lab full`) to train on and to hold out; without it, public data only",
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
    parser.add_argument("--product", action="append", help="only this model; may be repeated")
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


def _run(args: argparse.Namespace, pipeline: Pipeline, products: tuple[Product, ...]) -> int:
    from reelsense_training.data.extractor import ExtractorError
    from reelsense_training.data.series import DataError
    from reelsense_training.pipeline import StepError, cards, dataset_table, lab_tables
    from reelsense_training.release.lab import LabError

    try:
        if args.step == "card":
            for path in cards(args.models, products):
                print(path)
        if args.step == "captures":
            print(lab_tables(pipeline.space, products))
        if args.step in ("dataset", "all"):
            print(dataset_table(pipeline.corpus), file=sys.stderr if args.step == "all" else sys.stdout)
        for step in CHAIN:
            if args.step in (step, "all"):
                for path in getattr(pipeline, "reelbench" if step == "bench" else step)():
                    print(path)
    except (DataError, ExtractorError, LabError, StepError, OSError) as error:
        print(f"reelsense-train: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
