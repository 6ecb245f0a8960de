"""The released procedures as ReelBench's trainers: public sources and a fold's training sessions together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.trainers import Scored
from reelsense_training.bench.windows import Lab, Windows
from reelsense_training.data.dataset import Corpus
from reelsense_training.data.lab import behind
from reelsense_training.fit import candidates as cand
from reelsense_training.fit.candidates import Candidate
from reelsense_training.fit.evaluate import Bench, decide
from reelsense_training.fit.splits import Budget


@dataclass(frozen=True)
class UeTrainer:
    """A device model of one candidate, calibrated on public sources and app designs that its fits did not see."""

    name: str
    public: Corpus
    candidate: Candidate
    budget: Budget

    def fit(self, train: Lab, seed: int) -> Scored:
        windows = behind(self.public.windows, train.windows, train.sessions, len(self.public.conditions))
        bench = Bench(replace(self.public, windows=windows), self.budget, seed)
        bench.prefit((self.candidate,), nested=False)
        decision = decide(bench.out_of_source(self.candidate))
        model, columns = bench.model(self.candidate, frozenset()), bench.schema.indices(self.candidate.features)

        def logits(given: Windows) -> NDArray[np.float64]:
            return cand.logits(model, np.ascontiguousarray(given.rows[:, columns]))

        return Scored(self.name, logits, decision.platt, decision.threshold, decision.uncertain)
