"""What one window looks like to the edge model: a row of `reelsense features --bins`, as it is.

``[F + 40]`` float32: the features of the packet schema in its order, then 20 down and 20 up byte sums of 50 ms.
"""

from __future__ import annotations

BINS = 20  # of each direction; 50 ms each
BIN_VALUES = 2 * BINS
BINS_TEXT = f"down:{BINS},up:{BINS}"


def width(features: int) -> int:
    """Values of one window, W."""
    return features + BIN_VALUES
