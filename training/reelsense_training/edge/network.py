"""The edge network: window and carried state in, probability and next state out.

Everything that a raw window needs happens inside: choice of features, scaling, clipping, logarithms of the bins. Bins
are seen only relative to their own window's largest or to the flow's largest so far: raw sizes name the collector.

State, row-major [B, S] float32, zero for a new flow: for each member H values of its GRU, then one value, the log2 of
the flow's largest down bin so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reelsense_training.edge.forest import Trees
from reelsense_training.edge.layout import BINS

CHANNELS = 6
LOG_SPAN = 10.0  # octaves under the peak that a bin is told apart from an empty one


@dataclass(frozen=True)
class Shape:
    """Sizes of one member; a network averages the logits of ``members`` of them and adds those of trees, if any."""

    features: tuple[int, ...]  # columns of the window that are read, beside the bins
    members: int
    bins: bool
    dense: int
    convolution: tuple[int, int]
    hidden: int
    trees: int  # 0: none
    tree_leaves: int


class Scale(nn.Module):
    """Picks features, standardises and clips them: [..., W] → [..., F]."""

    def __init__(self, features: tuple[int, ...], limit: float = 3.0) -> None:
        super().__init__()
        self.limit = limit
        self.register_buffer("index", torch.tensor(features, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(len(features)))
        self.register_buffer("scale", torch.ones(len(features)))

    def forward(self, window: Tensor) -> Tensor:
        picked = torch.index_select(window, -1, self.index)
        return torch.clamp((picked - self.mean) * self.scale, -self.limit, self.limit)


def bin_logs(window: Tensor) -> Tensor:
    """log2(1 + bytes) of the last 40 values of each window: [..., 40]."""
    return torch.log2(1.0 + torch.clamp(window[..., -2 * BINS :], min=0.0))


def bin_channels(window: Tensor, peak: Tensor) -> Tensor:
    """Six views of the bins [N, 6, 20] from windows [N, W] and the flow's largest down bin [N, 1] in log2 bytes.

    Down and up as a share of the window's largest; the same in octaves; down in octaves under the flow's largest; up
    against down.
    """
    logs = bin_logs(window)
    down, up = logs[:, :BINS], logs[:, BINS:]
    raw = torch.clamp(window[:, -2 * BINS :], min=0.0)
    top_down, top_up = torch.amax(down, 1, keepdim=True), torch.amax(up, 1, keepdim=True)
    share_down = raw[:, :BINS] / (1.0 + torch.amax(raw[:, :BINS], 1, keepdim=True))
    share_up = raw[:, BINS:] / (1.0 + torch.amax(raw[:, BINS:], 1, keepdim=True))
    octaves_down = torch.clamp(1.0 + (down - top_down) / LOG_SPAN, 0.0, 1.0) * (down > 0).to(down.dtype)
    octaves_up = torch.clamp(1.0 + (up - top_up) / LOG_SPAN, 0.0, 1.0) * (up > 0).to(up.dtype)
    flow = torch.clamp(1.0 + (down - peak) / LOG_SPAN, 0.0, 1.0) * (down > 0).to(down.dtype)
    ratio = torch.clamp((up - down) / LOG_SPAN, -1.0, 1.0)
    return torch.stack([share_down, share_up, octaves_down, octaves_up, flow, ratio], 1)


class Member(nn.Module):
    """Dense layer over the features beside a CNN over the bins, a GRU over seconds, a linear head over both."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.bins = shape.bins
        self.hidden = shape.hidden
        self.dense = nn.Linear(len(shape.features), shape.dense)
        first, second = shape.convolution
        self.near = nn.Conv1d(CHANNELS, first, 5, stride=2, padding=2)
        self.far = nn.Conv1d(first, second, 3, stride=2, padding=1)
        joint = shape.dense + (second if shape.bins else 0)
        self.gru = nn.GRU(joint, shape.hidden, batch_first=True)
        self.head = nn.Linear(joint + shape.hidden, 1)

    def encode(self, features: Tensor, channels: Tensor) -> Tensor:
        """[N, F] and [N, 6, 20] → [N, E]."""
        dense = torch.relu(self.dense(features))
        if not self.bins:
            return dense
        shape = torch.relu(self.far(torch.relu(self.near(channels))))
        return torch.cat([dense, torch.mean(shape, 2)], 1)

    def advance(self, encoded: Tensor, hidden: Tensor) -> Tensor:
        """One second of the GRU written out, as exporters like it: [B, E], [B, H] → [B, H]."""
        given = torch.addmm(self.gru.bias_ih_l0, encoded, self.gru.weight_ih_l0.t())
        carried = torch.addmm(self.gru.bias_hh_l0, hidden, self.gru.weight_hh_l0.t())
        n = self.hidden
        reset = torch.sigmoid(given[:, :n] + carried[:, :n])
        update = torch.sigmoid(given[:, n : 2 * n] + carried[:, n : 2 * n])
        fresh = torch.tanh(given[:, 2 * n :] + reset * carried[:, 2 * n :])
        return fresh + update * (hidden - fresh)

    def logit(self, encoded: Tensor, hidden: Tensor) -> Tensor:
        return self.head(torch.cat([encoded, hidden], -1))


class Network(nn.Module):
    """Members behind one scaling, their logits averaged, the trees' beside them, Platt's map on top."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.hidden = shape.hidden
        self.count = shape.members
        self.scale = Scale(shape.features)
        self.members = nn.ModuleList([Member(shape) for _ in range(shape.members)])
        self.forest = Trees(max(shape.trees, 1), shape.tree_leaves - 1, shape.tree_leaves)
        self.register_buffer("forest_voice", torch.zeros(()))
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    @property
    def state_width(self) -> int:
        return self.count * self.hidden + 1

    def forward(self, window: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One second of B flows: window [B, W], state [B, S] → probability [B, 1], state [B, S]."""
        features = self.scale(window)
        top = torch.amax(bin_logs(window)[:, :BINS], 1, keepdim=True)
        peak = torch.maximum(state[:, self.count * self.hidden :], top)
        channels = bin_channels(window, peak)
        states: list[Tensor] = []
        logit = torch.zeros_like(peak)
        for i, member in enumerate(self.members):
            encoded = member.encode(features, channels)
            hidden = member.advance(encoded, state[:, i * self.hidden : (i + 1) * self.hidden])
            logit = logit + member.logit(encoded, hidden)
            states.append(hidden)
        states.append(peak)
        logit = logit / float(self.count) + self.forest_voice * self.forest(window)
        logit = self.slope * logit + self.offset
        return torch.sigmoid(logit), torch.cat(states, 1)

    @torch.jit.unused
    def sequence_logits(self, windows: Tensor, disturb: Disturbance | None = None) -> Tensor:
        """Whole sequences from zero state: windows [B, T, W] → logits of each member [M, B, T], not calibrated."""
        batch, seconds, _ = windows.shape
        features = self.scale(windows)
        top = torch.amax(bin_logs(windows)[..., :BINS], 2, keepdim=True)
        flat = windows.reshape(batch * seconds, -1)
        channels = bin_channels(flat, torch.cummax(top, 1).values.reshape(-1, 1))
        out = []
        for member in self.members:
            given = features if disturb is None else disturb(features)
            encoded = member.encode(given.reshape(batch * seconds, -1), channels)
            if disturb is not None:
                encoded = disturb.drop(encoded)
            encoded = encoded.reshape(batch, seconds, -1)
            hidden, _ = member.gru(encoded)
            if disturb is not None:
                hidden = disturb.drop(hidden)
            out.append(member.logit(encoded, hidden)[..., 0])
        return torch.stack(out)


@dataclass(frozen=True)
class Disturbance:
    """What training does to its inputs so that no single reading, scale or collector's offset is relied on."""

    noise: float = 0.3  # of each window, in standard deviations
    shift: float = 1.0  # of a whole sequence: another collector's bias
    feature_dropout: float = 0.3  # features missing (at their mean) for a whole sequence
    dropout: float = 0.2

    def __call__(self, features: Tensor) -> Tensor:
        batch, _, count = features.shape
        keep = (torch.rand(batch, 1, count) >= self.feature_dropout).to(features.dtype)
        shift = self.shift * torch.randn(batch, 1, count)
        return (features + shift + self.noise * torch.randn_like(features)) * keep

    def drop(self, values: Tensor) -> Tensor:
        return nn.functional.dropout(values, self.dropout)
