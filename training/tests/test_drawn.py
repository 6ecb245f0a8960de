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
from reelsense_training.edge.sequences import join
from reelsense_training.fit.splits import cell_weights
from reelsense_training.views import ViewSpec

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


@pytest.mark.parametrize("pace", [float("inf"), RATE / 2])
def test_aborted_answer_ends_early_and_its_estimate_holds(pace: float) -> None:
    net = steady()

    def app() -> App:
        transfer = net.get(1e9, pace)
        yield 3.0
        net.abort(transfer)
        yield 20.0

    net.run(app())
    assert down_by_second(net)[8:].sum() == 0
    assert net.kbit <= RATE * 8e-3 * 1.05


def test_changed_pace_holds_from_then_on() -> None:
    net = steady()

    def app() -> App:
        transfer = net.get(1e9, pace=RATE / 4)
        yield 15.0
        transfer.pace = RATE / 2
        yield 20.0

    net.run(app())
    carried = down_by_second(net)
    assert carried[3:14].mean() == pytest.approx(RATE / 4, rel=0.1)
    assert carried[17:28].mean() == pytest.approx(RATE / 2, rel=0.1)


def test_draw_deals_apps_by_their_shares_with_their_labels() -> None:
    made = draw(100, seed=2)
    names = [NAMES[a] for a in made.app]
    assert made.packets.flows == 100
    total = sum(SHARES.values())
    for name, share in SHARES.items():
        assert names.count(name) == pytest.approx(100 * share / total, abs=1)
    assert made.video.tolist() == [APPS[name][1] for name in names]


def flows_of(source: int, seed: int, count: int = 60) -> Part:
    """Drawn flows, dressed as what ``source`` says."""
    made = draw(count, seed)
    return Part(
        "test", source, f"test {seed}", made.packets, made.video, np.arange(count, dtype=np.int32),
        np.full(count, source, np.int8), tuple(f"test/{NAMES[a]}" for a in made.app),
    )  # fmt: skip


def test_uploads_are_active_by_what_they_send_up(extractor: Extractor, tmp_path: Path) -> None:
    part, spec = flows_of(LAB, 9), ViewSpec("packet", ((),))
    assert part.up_heavy.tolist() == [name == "test/upload" for name in part.condition]
    rows = part_rows(part, extractor, VARIANTS[0], tmp_path, spec.enough)
    again = part_rows(part, extractor, VARIANTS[0], tmp_path, spec.enough)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
    found = extractor.extract(part.packets, VARIANTS[0].phase_us)
    up = part.up_heavy[found.flow]
    assert (rows["active"][~up] == spec.active(found)[~up]).all()
    assert rows["active"][up].any()
    assert (found.bytes_up[up & rows["active"]] >= 20_000).all()


def test_lab_flows_stand_behind_the_public_ones(extractor: Extractor, tmp_path: Path) -> None:
    part = flows_of(LAB, 9)
    rows = part_rows(part, extractor, VARIANTS[0], tmp_path, ViewSpec("packet", ((),)).enough)
    flow = rows["flow"]
    public = Dataset(
        rows=rows["rows"], video=part.video[flow], source=np.zeros(len(flow), np.int8),
        unit=np.zeros(len(flow), np.int8), group=flow.astype(np.int32), flow=flow.astype(np.int32),
        second=rows["second"], active=rows["active"], variant=np.zeros(len(flow), np.int8),
        condition=np.zeros(len(flow), np.int16),
    )  # fmt: skip
    corpus = with_part(Corpus(public, ("public",), extractor.schema, "digest"), part, [(0, rows), (1, rows)])
    windows, lab = corpus.windows, corpus.windows.source == LAB
    assert np.count_nonzero(lab) == 2 * len(flow)
    assert not set(windows.flow[lab]) & set(windows.flow[~lab])
    assert not set(windows.group[lab]) & set(windows.group[~lab])
    assert {corpus.conditions[c] for c in windows.condition[lab]} == {part.condition[f] for f in flow}
    assert corpus.lab_sha256 == part.digest


def test_drawn_sequences_weigh_as_a_source_and_are_never_judged(
    extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reelsense_training.edge import drawn

    monkeypatch.setattr(drawn, "drawn_part", lambda cache, progress: flows_of(DRAWN, 9))
    made = drawn.drawn_sequences(extractor, tmp_path)
    assert set(made.unit) == set(made.source) == {DRAWN}
    assert made.flow.min() >= drawn.FIRST
    parts = [replace(made, source=made.source * 0 + s, unit=made.unit * 0 + s) for s in (0, 1)]
    joined = join([*parts, made])
    weight = cell_weights(joined, 0.1)
    for video in (False, True):
        shares = [weight[(joined.video == video) & (joined.source == s)].sum() for s in (0, 1, DRAWN)]
        assert max(shares) == pytest.approx(min(shares), rel=1e-6)
    pytest.importorskip("torch", reason="SKIPPED: no PyTorch in this environment")
    from reelsense_training.edge.evaluate import EdgeBench
    from reelsense_training.edge.settings import default_settings

    assert EdgeBench(joined, default_settings(extractor.schema), 1).units == (0, 1)


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
