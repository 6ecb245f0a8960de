"""``python -m reelsense_training.views VIEW --data DIR --reelsense FILE --cache DIR``: the nested held-out headline of
one view, a source at a time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reelsense_training.data.series import SOURCES
from reelsense_training.fit import candidates as cand
from reelsense_training.fit.evaluate import Bench, nested_held_out
from reelsense_training.fit.splits import Budget
from reelsense_training.views.corpus import OTHER_VIEWS, build_view_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("view", choices=sorted(OTHER_VIEWS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reelsense", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    corpus = build_view_corpus(given.data, given.reelsense, given.view, given.cache, print)
    bench = Bench(corpus, Budget(active_per_flow=4, light_per_flow=1), given.seed, print)
    held = nested_held_out(bench, cand.tree_candidates(corpus.schema))
    found = {"view": given.view, "headline": round(held.headline(), 4), "chosen": held.chosen}
    for s, source in enumerate(SOURCES):
        rates = held.rates(s, lambda windows: windows.active)
        found[source.name] = {
            "windows": rates.windows,
            "recall": round(rates.recall, 4),
            "specificity": round(rates.specificity, 4),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
