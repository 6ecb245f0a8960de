#!/usr/bin/env python3
"""`reelsense classify` on the shipped captures, against the truth beside them.

Counts must be exact: the same flows, seconds, packets and bytes as the truth, which another program computed. Labels
are held to floors a little below what the shipped model reaches, so that a change that makes it worse is seen; the
table printed says how it does per class, and on which hard cells it fails (models/*/model_card.md says why).
"""

import csv
import json
import subprocess
import sys
import unittest
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
COUNTS = ("packets_up", "packets_down", "bytes_up", "bytes_down")
KEY = ("time", "client_ip", "client_port", "server_ip", "server_port", "protocol")
ACTIVE_DOWN_BYTES, ACTIVE_PACKETS = 20_000, 10
# Floors over all captures, in active windows. The model has seen no image feed: see its card.
MIN_VIDEO_RECALL = 0.80
MIN_CONFIDENT_ACCURACY = 0.70

reelsense = sys.argv.pop() if len(sys.argv) > 1 else "build/release/bin/reelsense"


def rows_of(text: str) -> dict[tuple[str, ...], dict[str, str]]:
    return {tuple(row[c] for c in KEY): row for row in csv.DictReader(text.splitlines())}


def classify(capture: Path) -> dict[tuple[str, ...], dict[str, str]]:
    run = subprocess.run(
        [reelsense, "classify", str(capture), "--format", "csv"], capture_output=True, text=True, check=True
    )
    return rows_of(run.stdout)


class ShippedCaptures(unittest.TestCase):
    tally: Counter = Counter()

    @classmethod
    def setUpClass(cls) -> None:
        cls.scenarios = sorted(FOLDER.glob("*.scenario.json"))
        cls.rows = {}
        for scenario in cls.scenarios:
            capture = FOLDER / json.loads(scenario.read_text())["capture"]["file"]
            name = scenario.name.removesuffix(".scenario.json")
            cls.rows[name] = (classify(capture), rows_of((FOLDER / f"{name}.truth.csv").read_text()))

    def test_at_least_two_captures_are_shipped(self) -> None:
        self.assertGreaterEqual(len(self.scenarios), 2)

    def test_every_window_counts_what_the_truth_counts(self) -> None:
        for name, (rows, truth) in self.rows.items():
            with self.subTest(capture=name):
                self.assertEqual(rows.keys(), truth.keys())
                for key, row in rows.items():
                    self.assertEqual([row[c] for c in COUNTS], [truth[key][c] for c in COUNTS], key)

    def test_labels_reach_their_floors(self) -> None:
        tally = Counter()
        per_server = Counter()
        for name, (rows, truth) in self.rows.items():
            for key, row in rows.items():
                packets = int(row["packets_up"]) + int(row["packets_down"])
                if int(row["bytes_down"]) < ACTIVE_DOWN_BYTES or packets < ACTIVE_PACKETS:
                    continue
                right = row["label"] == truth[key]["label"]
                sure = row["uncertain"] == "0"
                tally[truth[key]["label"], right, sure] += 1
                per_server[name, key[3], truth[key]["label"], "right" if right else "wrong"] += 1
        for cell in sorted({k[:3] for k in per_server}):
            right, wrong = per_server[(*cell, "right")], per_server[(*cell, "wrong")]
            print(f"{cell[0]:16} {cell[1]:12} {cell[2]:10} {right:4} of {right + wrong:4} active windows right")

        def share(label: str | None, right: bool, sure: bool | None) -> float:
            chosen = {k: n for k, n in tally.items() if label in (None, k[0]) and sure in (None, k[2])}
            return sum(n for k, n in chosen.items() if k[1] == right) / max(1, sum(chosen.values()))

        recall, confident = share("video", True, None), share(None, True, True)
        print(f"video recall {recall:.3f}, specificity {share('non-video', True, None):.3f}, "
              f"accuracy where not uncertain {confident:.3f}")  # fmt: skip
        self.assertGreaterEqual(recall, MIN_VIDEO_RECALL)
        self.assertGreaterEqual(confident, MIN_CONFIDENT_ACCURACY)


if __name__ == "__main__":
    unittest.main()
