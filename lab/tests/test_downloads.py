"""When another device's downloads begin, and what is told of those that did not."""

from __future__ import annotations

import time
from pathlib import Path

from reelsense_lab import downloads, testbed


class Counted(downloads.Downloads):
    """Counts instead of starting curl."""

    def __init__(self, folder: Path) -> None:
        super().__init__(testbed.Testbed("client", "router", "server"), folder / "certificate", 1, folder)
        self.at: list[float] = []

    def start(self) -> None:
        self.at.append(time.monotonic())


def test_beginning_starts_each_in_turn_and_none_after_the_end(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    begun = time.monotonic()
    with downloads.beginning(counted, [0.2, 0.0, 3600.0]):
        while len(counted.at) < 2:
            time.sleep(0.01)
    assert time.monotonic() - begun < 3600
    assert len(counted.at) == 2
    assert counted.at[1] - begun >= 0.2


def test_problems_tell_how_many_never_began(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    assert counted.problems(0) == []
    assert counted.problems(2) == ["2 downloads never began"]
