"""Fits the edge network on sequences. Same sequences, settings and seed, same model (on one thread)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from reelsense_training.edge import predict
from reelsense_training.edge.forest import fit_forest
from reelsense_training.edge.model import EdgeModel
from reelsense_training.edge.network import Network
from reelsense_training.edge.sequences import Sequences
from reelsense_training.edge.settings import Settings
from reelsense_training.fit.splits import cell_weights

LIGHT_WEIGHT = 0.1
SCALE_SEQUENCES = 2_000  # enough to measure a spread


class Sampler:
    """Draws padded crops: cells (source x class) alike, flows alike inside a cell."""

    def __init__(self, sequences: Sequences, settings: Settings, rng: np.random.Generator) -> None:
        self.sequences, self.settings, self.rng = sequences, settings, rng
        age = np.arange(len(sequences)) - np.repeat(sequences.off[:-1], sequences.lengths())
        self.window = np.where(sequences.active, 1.0, LIGHT_WEIGHT).astype(np.float32)
        self.window[(age < settings.early_seconds) & sequences.active] *= settings.early_weight
        say = np.minimum(np.add.reduceat(self.window, sequences.off[:-1]), settings.per_sequence)
        weight = cell_weights(sequences, LIGHT_WEIGHT)
        share = np.add.reduceat(weight, sequences.off[:-1])
        label = np.add.reduceat(weight * sequences.video, sequences.off[:-1]) * 2 > share
        self.chance, self.voice = np.zeros(sequences.count), np.ones(sequences.count)
        source = sequences.first("source")
        for cell in {(s, v) for s, v in zip(source.tolist(), label.tolist(), strict=True)}:
            mask = (source == cell[0]) & (label == cell[1])
            total = max(say[mask].sum(), 1e-9)
            self.chance[mask] = share[mask].sum() * say[mask] / total
            # A cell of short flows brings fewer windows a draw: without this its class would weigh less.
            self.voice[mask] = total / max((say[mask] ** 2).sum(), 1e-9)
        self.chance /= self.chance.sum()

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Windows [B, T, W], labels [B, T] and weights [B, T]."""
        s, settings, rng = self.sequences, self.settings, self.rng
        chosen = rng.choice(s.count, settings.batch, p=self.chance)
        length = s.lengths()[chosen]
        start = rng.integers(0, np.maximum(length - settings.seconds // 2, 1))
        start[rng.random(settings.batch) < settings.from_start] = 0
        position = start[:, None] + np.arange(settings.seconds)
        inside = position < length[:, None]
        index = s.off[chosen][:, None] + np.where(inside, position, 0)
        weight = np.where(inside, self.window[index], 0.0)
        weight /= np.maximum(weight.sum(1, keepdims=True), settings.per_sequence) / settings.per_sequence
        weight *= self.voice[chosen][:, None]
        rows = np.where(inside[..., None], s.rows[index], 0.0).astype(np.float32)
        return (
            torch.from_numpy(rows),
            torch.from_numpy(s.video[index].astype(np.float32)),
            torch.from_numpy(weight.astype(np.float32)),
        )


def _set_scale(network: Network, sequences: Sequences) -> None:
    """Mean and deviation of each feature over active windows, cells alike."""
    weight = cell_weights(sequences, LIGHT_WEIGHT)
    columns = network.scale.index.numpy()
    some = np.flatnonzero(weight > 0)
    x, w = sequences.rows[some][:, columns].astype(np.float64), weight[some] / weight[some].sum()
    mean = w @ x
    deviation = np.sqrt(w @ (x - mean) ** 2)
    network.scale.mean.copy_(torch.from_numpy(mean.astype(np.float32)))
    network.scale.scale.copy_(torch.from_numpy((1.0 / np.maximum(deviation, 1e-3)).astype(np.float32)))


def _add_trees(model: EdgeModel, sequences: Sequences, seed: int) -> None:
    """Trees of the same windows, their voice such that they spread as far as the members do over active ones."""
    network, settings = model.network, model.settings
    if settings.trees is None:
        return
    booster = fit_forest(sequences, settings.features, settings.names, settings.trees, seed)
    network.forest.set(booster, np.array(settings.features, np.int64))
    rng = np.random.default_rng(seed)
    some = sequences.select(rng.permutation(sequences.count)[:SCALE_SEQUENCES])
    of_members = predict.logits(model, some)[some.active]
    columns = list(settings.features)
    of_trees = np.asarray(booster.predict(some.rows[some.active][:, columns], raw_score=True))
    network.forest_voice.fill_(float(settings.tree_share * of_members.std() / max(of_trees.std(), 1e-6)))


def fit(
    sequences: Sequences, settings: Settings, seed: int, progress: Callable[[str], None] = lambda _: None
) -> EdgeModel:
    """Trains on every given sequence, augmented ones included. Members differ by their start and their noise."""
    torch.manual_seed(seed)
    network = Network(settings.shape())
    _set_scale(network, sequences)
    sampler = Sampler(sequences, settings, np.random.default_rng(seed))
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=settings.steps, pct_start=0.15
    )
    network.train()
    for step in range(settings.steps):
        windows, video, weight = sampler.draw()
        logits = network.sequence_logits(windows, settings.disturbance)
        target = (video * (1 - 2 * settings.smoothing) + settings.smoothing).expand_as(logits)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        mean = (loss * weight).sum() / (weight.sum() * len(logits))
        optimiser.zero_grad()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            progress(f"step {step + 1}: loss {float(mean.detach()):.3f}")
    model = EdgeModel(network.eval(), settings)
    _add_trees(model, sequences, seed)
    return model

