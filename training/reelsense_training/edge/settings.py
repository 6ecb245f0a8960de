"""How an edge network is built and trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from reelsense_training.data.extractor import FeatureSchema
from reelsense_training.edge.network import Disturbance, Shape
from reelsense_training.fit.estimators import TreeParams


@dataclass(frozen=True)
class Settings:
    """How a network is trained."""

    features: tuple[int, ...]  # columns of the window that are read, beside the bins
    names: tuple[str, ...]  # of these features
    members: int = 4
    bins: bool = True
    dense: int = 16
    convolution: tuple[int, int] = (16, 32)
    hidden: int = 16
    disturbance: Disturbance = field(default_factory=Disturbance)
    steps: int = 120
    batch: int = 64  # sequences a step
    seconds: int = 20  # windows of a sequence that are read at once
    from_start: float = 0.7  # of the crops; the others begin anywhere, as flows do that are met half-way
    rate: float = 4e-3
    decay: float = 0.02
    early_seconds: int = 3
    early_weight: float = 1.5
    per_sequence: float = 8.0  # windows from which on a longer crop has no more say
    smoothing: float = 0.02
    trees: TreeParams | None = field(default_factory=TreeParams)
    tree_share: float = 1.0  # deviation of the trees' logits for one of the members'

    def shape(self) -> Shape:
        count, leaves = (self.trees.committee * self.trees.rounds, self.trees.leaves) if self.trees else (0, 2)
        return Shape(
            self.features, self.members, self.bins, self.dense, self.convolution, self.hidden, count, leaves
        )  # fmt: skip


def default_settings(schema: FeatureSchema) -> Settings:
    robust = tuple(i for i, is_robust in enumerate(schema.robust) if is_robust)
    return Settings(features=robust, names=tuple(schema.names[i] for i in robust))
