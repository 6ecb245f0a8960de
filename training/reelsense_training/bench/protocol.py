"""Retrain in every fold, answer for its test sessions: windows get labels from models that never saw them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.folds import Fold
from reelsense_training.bench.predictors import Answers, answers
from reelsense_training.bench.trainers import Trainer
from reelsense_training.bench.windows import Lab, Windows, concatenate

Progress = Callable[[str], None]
_NO_BAND = 0.5


@dataclass(frozen=True)
class Result:
    """Held-out answers for the recorded windows [W] and the emulated ones [E]; probabilities on one threshold, 0.5.

    Each fold has a threshold and band of its own, so marks are kept beside the probabilities.
    """

    right: NDArray[np.bool_]
    band: NDArray[np.bool_]
    answers: Answers
    emulated_right: NDArray[np.bool_] | None


def training_part(
    lab: Lab, fold: Fold, extra: Windows | None = None, trainable: NDArray[np.bool_] | None = None
) -> Lab:
    """The lab as a fold's trainer sees it: other sessions' windows are not there.

    ``extra`` adds augmented windows; of the lab's own, only those under ``trainable`` [W] are taken, where given.
    """
    mine = lab.of_sessions(np.array(fold.train))
    windows = lab.windows.take(mine if trainable is None else mine & trainable)
    if extra is not None:
        windows = concatenate([windows, extra.take(np.isin(extra.session, fold.train))])
    return replace(lab, windows=_renumbered(windows, fold.train), truth=tuple(lab.truth[i] for i in fold.train),
                   sessions=tuple(lab.sessions[i] for i in fold.train), keys=replace(lab.keys, key=()))  # fmt: skip


def _renumbered(windows: Windows, sessions: tuple[int, ...]) -> Windows:
    """Session indices into the shorter list; the flows of augmented windows stay apart from recorded ones."""
    table = {old: new for new, old in enumerate(sessions)}
    flow = np.unique(windows.flow.astype(np.int64) * 128 + windows.variant, return_inverse=True)[1]
    return replace(windows, session=np.array([table[s] for s in windows.session.tolist()], np.int32),
                   flow=flow.astype(np.int32))  # fmt: skip


def run_folds(
    lab: Lab, folds: list[Fold], trainer: Trainer, seed: int, emulated: Windows | None = None,
    augmented: Windows | None = None, progress: Progress = lambda _: None, trainable: NDArray[np.bool_] | None = None,
) -> Result:  # fmt: skip
    """Figures' raw material: every window of a test session, answered by the model of its fold."""
    probability = np.full(len(lab.windows), np.nan)
    band = np.zeros(len(lab.windows), np.bool_)
    hits = None if emulated is None else np.zeros(len(emulated), np.bool_)
    for number, fold in enumerate(folds, start=1):
        progress(f"{trainer.name}, seed {seed}: fold {number} of {len(folds)}, {fold.name}")
        predictor = trainer.fit(training_part(lab, fold, augmented, trainable), seed)
        test = lab.of_sessions(np.array(fold.test))
        found = answers(predictor, lab.windows.take(test))
        probability[test], band[test] = on_half(found), found.in_band()
        if emulated is not None and hits is not None:
            mine = np.isin(emulated.session, fold.test)
            part = emulated.take(mine)
            hits[mine] = answers(predictor, part).right(part.video)
    held_out = Answers(probability, 0.5, (_NO_BAND, _NO_BAND))
    return Result(held_out.right(lab.windows.video), band, held_out, hits)


def on_half(found: Answers) -> NDArray[np.float64]:
    """Probabilities whose 0.5 is the predictor's threshold; unchanged where that is 0.5 already."""
    p, t = found.probability, found.threshold
    return np.where(p >= t, 0.5 + (p - t) / (1 - t) / 2, p / t / 2) if t != 0.5 else p
