"""Other access links and other collectors, made from recorded packet series: what one never saw, another may do.

All changes keep the order of packets inside a flow, invent no byte and are seeded. The snap length is no
change: features read the length in the IP header, never how many bytes of a packet were kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelsense_training.data.series import PacketSeries

RATE_MBIT = (0.5, 10.0)
QUEUE_S = (0.05, 2.0)
ACK_THINNING = (2, 8)
LOSS = (0.001, 0.3)
CLOCK_US = (1_000, 4_000, 10_000)
OFFLOAD_GAP_US = 500  # packets closer than this arrive in one interrupt and are merged
OFFLOAD_BYTES = (8_000, 65_000)
_MAX_US = np.iinfo(np.uint32).max


def _log_uniform(rng: np.random.Generator, low: float, high: float, count: int) -> NDArray[np.float64]:
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def token_bucket(series: PacketSeries, rng: np.random.Generator) -> PacketSeries:
    """Sends each flow's down packets over a link of its own rate (0.5-10 Mbit/s) and queue (50 ms-2 s).

    No byte is lost: where the queue would grow past its limit, the rest of the flow starts later instead, as
    a sender with congestion control does. Up packets wait behind the down packets that caused them. The
    queue is a Lindley recursion, run for all flows at once, packet rank by packet rank.
    """
    us_per_byte = 8.0 / _log_uniform(rng, *RATE_MBIT, series.flows)
    limit_us = 1e6 * _log_uniform(rng, *QUEUE_S, series.flows)
    order = np.argsort(-series.lengths(), kind="stable")
    lengths = series.lengths()[order]
    start, us_per_byte, limit_us = series.off[:-1][order], us_per_byte[order], limit_us[order]
    shift, wait, last = (np.zeros(series.flows) for _ in range(3))
    out = np.empty(len(series.t_us), np.float64)
    alive = np.searchsorted(-lengths, -np.arange(int(lengths[0]) if len(lengths) else 0), side="left")
    for rank, n in enumerate(alive):
        index = start[:n] + rank
        t = series.t_us[index].astype(np.float64)
        wait[:n] = np.maximum(wait[:n] - (t - last[:n]), 0.0)
        wait[:n] += np.where(series.up[index], 0.0, series.size[index] * us_per_byte[:n])
        excess = np.maximum(wait[:n] - limit_us[:n], 0.0)
        wait[:n] -= excess
        shift[:n] += excess
        last[:n] = t
        out[index] = t + shift[:n] + wait[:n]
    return PacketSeries(series.off, _since_first(out, series), series.size, series.up)


def _since_first(times: NDArray[np.float64], series: PacketSeries) -> NDArray[np.uint32]:
    lengths = series.lengths()
    filled = lengths > 0
    first = np.zeros(series.flows)
    first[filled] = times[series.off[:-1][filled]]
    return np.minimum(np.round(times - np.repeat(first, lengths)), _MAX_US).astype(np.uint32)


def thin_acks(series: PacketSeries, rng: np.random.Generator) -> PacketSeries:
    """Keeps one in 2-8 of each flow's ACKs (up packets within 1.5 x the flow's smallest up size + 16 bytes).
    """
    lengths = series.lengths()
    flow = np.repeat(np.arange(series.flows), lengths)
    every = rng.integers(ACK_THINNING[0], ACK_THINNING[1] + 1, series.flows)
    ack_size = _ack_sizes(series, flow)
    ack = series.up & (series.size * 2 <= 3 * ack_size[flow] + 32)
    before = np.concatenate([[0], np.cumsum(ack)])
    rank = before[:-1] - before[series.off[:-1]][flow]
    return series.keep(~ack | (rank % every[flow] == 0))


def other_collector(series: PacketSeries, rng: np.random.Generator) -> PacketSeries:
    """Each flow as one of three worse collectors would have recorded it, dealt at random: one that loses
    packets, one behind a receive offload, one with a coarse clock.
    """
    kind = rng.integers(0, 3, series.flows)
    merged = merge_offload(series, rng, kind == 1)
    coarse = coarse_clock(merged, rng, kind == 2)
    return lose(coarse, rng, kind == 0)


def lose(series: PacketSeries, rng: np.random.Generator, where: NDArray[np.bool_]) -> PacketSeries:
    """Drops packets of the flows under ``where`` [N] at random, 0.1-30 % of a flow's, in both directions: what a
    collector misses. The sender does not notice, so nothing is sent again.
    """
    share = np.where(where, _log_uniform(rng, *LOSS, series.flows), 0.0)
    return series.keep(rng.random(len(series.t_us)) >= np.repeat(share, series.lengths()))


def merge_offload(series: PacketSeries, rng: np.random.Generator, where: NDArray[np.bool_]) -> PacketSeries:
    """Merges runs of large down packets under 500 us apart into super-packets of at most 8-65 kB, as a receive
    offload does, in the flows under ``where`` [N].
    """
    lengths = series.lengths()
    limit = np.repeat(rng.integers(*OFFLOAD_BYTES, series.flows), lengths)
    flow = np.repeat(np.arange(series.flows), lengths)
    large = ~series.up & (series.size > 1000) & where[flow]
    joins = np.zeros(len(series.t_us), np.bool_)
    joins[1:] = (
        large[1:] & large[:-1] & (flow[1:] == flow[:-1]) & (series.t_us[1:] - series.t_us[:-1] < OFFLOAD_GAP_US)
    )
    run = np.cumsum(~joins)  # a run's packets share a number; a run over the limit is cut into several
    before = np.cumsum(series.size.astype(np.int64)) - series.size
    first = np.flatnonzero(np.diff(run, prepend=0))
    inside = before - before[first][run - 1]
    heads = np.flatnonzero(np.diff(run * 4096 + inside // limit, prepend=-1))
    size = np.add.reduceat(series.size.astype(np.int64), heads) if len(heads) else np.zeros(0, np.int64)
    keep = np.zeros(len(series.t_us), np.bool_)
    keep[heads] = True
    kept = series.keep(keep)
    return PacketSeries(kept.off, kept.t_us, np.minimum(size, 65_535).astype(np.uint16), kept.up)


def coarse_clock(series: PacketSeries, rng: np.random.Generator, where: NDArray[np.bool_]) -> PacketSeries:
    """Rounds the times of the flows under ``where`` [N] down to 1, 4 or 10 ms."""
    step = np.where(where, rng.choice(CLOCK_US, series.flows), 1).astype(np.uint32)
    every = np.repeat(step, series.lengths())
    return PacketSeries(series.off, series.t_us // every * every, series.size, series.up)


def _ack_sizes(series: PacketSeries, flow: NDArray[np.int64]) -> NDArray[np.int64]:
    """Smallest up size of each flow [N], at least 40."""
    smallest = np.full(series.flows, np.iinfo(np.int64).max)
    np.minimum.at(smallest, flow[series.up], series.size[series.up].astype(np.int64))
    return np.clip(smallest, 40, 1500)
