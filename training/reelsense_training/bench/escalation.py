"""The two tiers together: the UE keeps the windows that it is sure of and asks the edge about the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.predictors import Answers

MAX_SHARE = 0.15


def escalated(ue: Answers, edge: Answers, counted: NDArray[np.bool_], limit: float = MAX_SHARE) -> NDArray[np.bool_]:
    """Windows [W] that the UE hands over: uncertain ones, the least certain first, at most ``limit`` of the counted.

    The cut looks at how sure the UE is, never at the truth.
    """
    doubt = np.abs(ue.probability - ue.threshold)
    asked = ue.in_band() & ~np.isnan(edge.probability)
    room = int(limit * np.count_nonzero(counted))
    if np.count_nonzero(asked & counted) > room:
        cut = np.sort(doubt[asked & counted])[room]
        asked &= doubt < cut
    return asked


def combine(ue: Answers, edge: Answers, counted: NDArray[np.bool_], limit: float = MAX_SHARE) -> Answers:
    """The UE's probabilities with the edge's in the escalated windows, on the UE's threshold."""
    asked = escalated(ue, edge, counted, limit)
    # The edge's threshold may differ: its label is carried over, its probability moved to the same side.
    label = edge.probability >= edge.threshold
    same_side = label == (edge.probability >= ue.threshold)
    moved = np.where(same_side, edge.probability, np.where(label, 1.0, 0.0))
    return replace(ue, probability=np.where(asked, moved, ue.probability))
