"""Drawn apps: the same seed gives the same packets, no link carries more than it can, and nothing judges by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reelsense_training.bench.windows import Session
from reelsense_training.data.dataset import VARIANTS, Corpus, Dataset
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.parts import Part, lab_units, part_rows, with_part
from reelsense_training.data.series import DRAWN, LAB
from reelsense_training.drawn.apps import APPS
from reelsense_training.drawn.link import STEP_S, App, Connection, draw_path
from reelsense_training.drawn.series import NAMES, SHARES, draw, flow
from reelsense_training.fit.evaluate import Bench
from reelsense_training.fit.splits import Budget, cell_weights

RATE = 250_000.0  # bytes a second


def steady(**more: object) -> Connection:
    """A connection over 2 Mbit/s with 50 ms, nothing lost."""
    rng = np.random.default_rng(5)
    path = draw_path(rng, 30.0)
    steps = np.full(len(path.down), RATE * STEP_S)
    still = {"down": steps, "up": steps, "rtt_s": 0.05, "queue_s": 0.2, "loss": 0.0, "think_s": 0.01, "full": 1500}
    return Connection(replace(path, **{**still, "quic": False, "ack": 52, "ack_every": 2, **more}), rng, 30.0)


def down_by_second(net: Connection) -> np.ndarray:
    time, size, up = net.packets()
    return np.bincount(time[~up] // 1_000_000, size[~up], 30)


@pytest.mark.parametrize("name", NAMES)
def test_flow_same_seed_same_packets(name: str) -> None:
    once, again, other = flow(3, 7, name), flow(3, 7, name), flow(4, 7, name)
    for a, b in zip(once, again, strict=True):
        assert np.array_equal(a, b)
    assert len(once[0]) != len(other[0]) or not np.array_equal(once[0], other[0])


@pytest.mark.parametrize("name", NAMES)
def test_flow_is_made_of_ip_packets_in_order_the_client_first(name: str) -> None:
    for number in range(5):
        time, size, up = flow(1, number, name)
        assert time[0] == 0
        assert (np.diff(time) >= 0).all()
        assert size.min() >= 40
        assert size.max() <= 1500
        assert up[0]


def test_link_carries_its_rate_and_no_more() -> None:
    net = steady()

    def app() -> App:
        yield [net.get(1e9)]

    net.run(app())
    carried = down_by_second(net)[3:28]
    assert carried.max() <= RATE * 1.05
    assert carried.mean() >= RATE * 0.9


def test_answer_brings_its_bytes_a_round_trip_after_the_request() -> None:
    net, size = steady(), 40_000.0

    def app() -> App:
        yield 2.0
        yield [net.get(size)]
        yield 5.0

    net.run(app())
    time, packet, up = net.packets()
    asked, first = time[up][0], time[~up][0]
    assert asked == pytest.approx(2_000_000, abs=10_000)
    assert 50_000 <= first - asked <= 250_000
    body = (packet[~up] - net.path.ack).sum()
    assert body == pytest.approx(size, abs=2 * net.path.full)
    assert np.count_nonzero(up) == pytest.approx(1 + np.count_nonzero(~up) / 2, abs=2)


def test_paced_answer_keeps_its_pace() -> None:
    net = steady()

    def app() -> App:
        yield [net.get(1e9, pace=RATE / 4)]

    net.run(app())
    assert down_by_second(net)[3:28].mean() == pytest.approx(RATE / 4, rel=0.1)


def test_upload_goes_up() -> None:
    net = steady()

    def app() -> App:
        yield [net.put(1e9)]

    net.run(app())
    _, size, up = net.packets()
    assert size[up].sum() > 10 * size[~up].sum()


def test_aborted_answer_ends_early() -> None:
    net = steady()

    def app() -> App:
        transfer = net.get(1e9)
        yield 3.0
        net.abort(transfer)
        yield 20.0

    net.run(app())
    assert down_by_second(net)[8:].sum() == 0


def test_draw_deals_apps_by_their_shares_with_their_labels() -> None:
    made = draw(100, seed=2)
    names = [NAMES[a] for a in made.app]
    assert made.packets.flows == 100
    total = sum(SHARES.values())
    for name, share in SHARES.items():
        assert names.count(name) == pytest.approx(100 * share / total, abs=1)
    assert made.video.tolist() == [APPS[name][1] for name in names]


def drawn_flows(count: int = 60) -> Part:
    made = draw(count, seed=9)
    return Part(
        "drawn", DRAWN, "test", made.packets, made.video, np.arange(count, dtype=np.int32),
        np.full(count, DRAWN, np.int8), tuple(f"drawn/{NAMES[a]}" for a in made.app),
    )  # fmt: skip


def sources(part: Part, rows: dict[str, np.ndarray], extractor: Extractor) -> Corpus:
    """The part's own rows twice, dressed as two public sources."""
    flow = rows["flow"]
    windows = [
        Dataset(
            rows=rows["rows"], video=part.video[flow], source=np.full(len(flow), s, np.int8),
            unit=np.full(len(flow), s, np.int8), group=(flow + 1000 * s).astype(np.int32),
            flow=(flow + 1000 * s).astype(np.int32), second=rows["second"], active=rows["active"],
            variant=np.zeros(len(flow), np.int8), condition=np.full(len(flow), s, np.int16),
        )
        for s in (0, 1)
    ]  # fmt: skip
    joined = {name: np.concatenate([getattr(w, name) for w in windows]) for name in vars(windows[0])}
    return Corpus(Dataset(**joined), ("zero", "one"), extractor.schema, "digest")


def test_drawn_windows_are_trained_on_and_never_judged(extractor: Extractor, tmp_path: Path) -> None:
    part = drawn_flows()
    rows = part_rows(part, extractor, VARIANTS[0], tmp_path)
    again = part_rows(part, extractor, VARIANTS[0], tmp_path)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
    corpus = with_part(sources(part, rows, extractor), part, [(0, rows)])
    windows, drawn = corpus.windows, corpus.windows.source == DRAWN
    assert not set(windows.flow[drawn]) & set(windows.flow[~drawn])
    assert not set(windows.group[drawn]) & set(windows.group[~drawn])
    assert {corpus.conditions[c] for c in windows.condition[drawn]} == {part.condition[f] for f in rows["flow"]}
    assert corpus.drawn_sha256 == "test"
    assert corpus.lab_sha256 == ""
    bench = Bench(corpus, Budget(), 1)
    assert bench.units == (0, 1)
    assert (bench.training.source == DRAWN).any()
    assert not (bench.recorded.source == DRAWN).any()
    weight = cell_weights(windows, 0.1)
    for video in (False, True):
        own = windows.video == video
        shares = [weight[own & (windows.source == s)].sum() for s in (0, 1, DRAWN)]
        assert max(shares) == pytest.approx(min(shares), rel=1e-6)


def test_uploads_count_without_bytes_down(extractor: Extractor, tmp_path: Path) -> None:
    part = drawn_flows()
    up = part.up_heavy
    assert up.tolist() == [name == "drawn/upload" for name in part.condition]
    rows = part_rows(part, extractor, VARIANTS[0], tmp_path)
    assert rows["active"][up[rows["flow"]]].any()


def test_many_designs_share_few_units() -> None:
    def units(designs: str) -> list[int]:
        made = [Session(**{**SESSION, "name": d, "design": d}) for d in designs]
        return lab_units(tuple(made)).tolist()

    assert units("abc") == [LAB, LAB + 1, LAB + 2]
    assert units("abcdefgha") == [LAB, LAB + 1, LAB + 2, LAB + 3, LAB, LAB + 1, LAB + 2, LAB + 3, LAB]


SESSION = {
    "name": "", "design": "", "workload": "reels", "label": "video", "path": "lte", "rate_mbit": 1.0, "rtt_ms": 1.0,
    "loss_pct": 0.0, "policed": False, "outage": False, "protocol": "h2", "congestion": "bbr", "cdn": False,
    "ipv6": False, "seed": 1, "folder": Path(),
}  # fmt: skip
