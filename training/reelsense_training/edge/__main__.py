"""``python -m reelsense_training.edge``: trains, evaluates, exports and compares engines, in build/torch-venv."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reelsense_training.cli import _progress, _repository

STEPS = ("train", "evaluate", "bench", "export", "parity", "all")


def _parser(repository: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reelsense_training.edge", description=__doc__)
    parser.add_argument("step", choices=STEPS, help="what to do; `all` is all of them in this order")
    parser.add_argument("--data", type=Path, default=repository.parent / "shared" / "data" / "public",
                        help="folder of the public packet series")  # fmt: skip
    parser.add_argument("--lab", type=Path, help="folder of lab sessions (`reelsense-lab`) to train on as well")
    parser.add_argument("--reelsense", type=Path, default=repository / "build" / "release" / "bin" / "reelsense",
                        help="the extractor")  # fmt: skip
    parser.add_argument("--work", type=Path, default=repository / "build" / "train", help="caches, intermediate files")
    parser.add_argument("--models", type=Path, default=repository / "models", help="where the bundle goes")
    parser.add_argument("--seeds", type=int, default=2, help="of the evaluation (default 2)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def main(argv: list[str] | None = None) -> int:
    repository = _repository()
    args = _parser(repository).parse_args(argv)
    try:
        import torch
    except ImportError:
        print("reelsense_training.edge: no PyTorch here; run scripts/torch-venv and use build/torch-venv/bin/python",
              file=sys.stderr)  # fmt: skip
        return 1
    from reelsense_training.data.extractor import Extractor, ExtractorError
    from reelsense_training.data.lab import load_lab_corpus
    from reelsense_training.data.series import DataError
    from reelsense_training.edge.pipeline import EdgePipeline, Space

    torch.set_num_threads(1)  # sums in one order: the same bytes again
    space = Space(repository, args.data, args.reelsense, args.work, args.models)
    progress = _progress(args.quiet)
    try:
        lab = None
        if args.lab is not None:
            lab = load_lab_corpus(args.lab, Extractor(args.reelsense), space.work / "cache", progress)
        pipeline = EdgePipeline(space, progress, lab)
        if args.step in ("train", "all"):
            print(*pipeline.train(), sep="\n")
        if args.step in ("evaluate", "all"):
            print(*pipeline.evaluate(tuple(range(1, args.seeds + 1))), sep="\n")
        if args.step in ("bench", "all"):
            print(*pipeline.reelbench(), sep="\n")
        if args.step in ("export", "all"):
            print(*pipeline.export(), sep="\n")
        if args.step in ("parity", "all"):
            for name, value in pipeline.parity().items():
                print(f"{name}: {value:.3g}")
    except (DataError, ExtractorError, OSError) as error:
        print(f"reelsense_training.edge: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
