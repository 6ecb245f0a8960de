"""Rows of the views socket and record, by the built command."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_series

from reelsense_training.data.dataset import VARIANTS
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.series import PacketSeries
from reelsense_training.views import OTHER_VIEWS, ViewSpec, view_rows


def of_view(extractor: Extractor, view: str, setting: tuple[str, ...]) -> Extractor:
    return Extractor(extractor.program, view, setting)


@pytest.mark.parametrize("view", sorted(OTHER_VIEWS))
def test_view_rows_have_the_views_schema_and_keep_flows(extractor: Extractor, view: str) -> None:
    spec = OTHER_VIEWS[view]
    series = make_series(20, seed=3)
    for setting in spec.settings:
        other = of_view(extractor, view, setting)
        assert other.schema.view == view
        assert other.schema.schema_hash != extractor.schema.schema_hash
        found = view_rows(series, spec, other, 250_000)
        assert found["rows"].shape == (len(found["flow"]), len(other.schema.names))
        assert np.isfinite(found["rows"]).all()
        assert set(found["flow"]) <= set(range(series.flows))


def test_each_setting_has_a_digest_of_its_own(extractor: Extractor) -> None:
    digests = {
        of_view(extractor, view, setting).digest for view, spec in OTHER_VIEWS.items() for setting in spec.settings
    }
    assert len(digests) == sum(len(spec.settings) for spec in OTHER_VIEWS.values())
    assert extractor.digest not in digests


def test_recorded_packets_are_seen_under_every_setting_others_under_one() -> None:
    for spec in OTHER_VIEWS.values():
        pairs = spec.pairs()
        for v, variant in enumerate(VARIANTS):
            settings = [setting for index, setting in pairs if index == v]
            assert len(settings) == (len(spec.settings) if variant.recorded else 1)


def test_coalesced_reads_leave_a_window_active(extractor: Extractor) -> None:
    t_us = np.arange(100, dtype=np.uint32) * 1000
    off = np.array([0, 100], np.int64)
    series = PacketSeries(off, t_us, np.full(100, 1400, np.uint16), np.zeros(100, np.bool_))
    spec = ViewSpec("socket", (("--coalesce-ms", "250"),))
    assert view_rows(series, spec, of_view(extractor, "socket", spec.settings[0]), 0)["active"].all()
