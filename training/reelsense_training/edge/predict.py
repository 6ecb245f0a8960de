"""Probabilities of whole sequences, each from a zero state, as a server would give them second by second."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from reelsense_training.edge.model import EdgeModel
from reelsense_training.edge.sequences import Sequences

BATCH_WINDOWS = 20_000  # padding included
FOREST_WINDOWS = 5_000


def _batches(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Sequences of like length together, so that little is padded."""
    order = np.argsort(lengths, kind="stable")
    batches, begin = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or lengths[order[end]] * (end + 1 - begin) > BATCH_WINDOWS:
            batches.append(order[begin:end])
            begin = end
    return batches


def logits(model: EdgeModel, sequences: Sequences) -> NDArray[np.float64]:
    """Uncalibrated logit of every window [N]."""
    out = np.zeros(len(sequences))
    lengths = sequences.lengths()
    with torch.no_grad():
        for batch in _batches(lengths):
            position = np.arange(int(lengths[batch].max()))
            inside = position < lengths[batch][:, None]
            index = sequences.off[batch][:, None] + np.where(inside, position, 0)
            rows = torch.from_numpy(sequences.rows[index])
            found = model.network.sequence_logits(rows).mean(0).numpy()
            out[index[inside]] = found[inside]
        voice = model.network.forest_voice
        if float(voice) > 0:
            for begin in range(0, len(sequences), FOREST_WINDOWS):
                part = torch.from_numpy(sequences.rows[begin : begin + FOREST_WINDOWS])
                out[begin : begin + FOREST_WINDOWS] += (voice * model.network.forest(part))[:, 0].numpy()
    return out


def probabilities(model: EdgeModel, sequences: Sequences) -> NDArray[np.float64]:
    """Calibrated probability of video of every window [N], in the order of ``sequences``."""
    network = model.network
    score = float(network.slope) * logits(model, sequences) + float(network.offset)
    return 1.0 / (1.0 + np.exp(-score))
