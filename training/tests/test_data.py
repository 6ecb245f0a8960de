"""Sources, truth, the extractor's answers, and what is said when something is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_series

from reelsense_training.cli import main
from reelsense_training.data.extractor import Extractor, ExtractorError
from reelsense_training.data.series import (
    LINK_HEADER_BYTES,
    MIN_IP_BYTES,
    SOURCES,
    DataError,
    Source,
    load_packets,
    load_truth,
    require_data,
)


def write_source(folder: Path, link_header: int) -> Source:
    names = np.array(["a/b/c/exp_1", "a/b/c/exp_2", "a/b/c/exp_1"])
    np.savez(
        folder / "made.npz", off=np.array([0, 2, 3, 5]), t_us=np.array([0, 9, 0, 0, 7], np.uint32),
        size=np.array([74, 1514, 66, 14, 1514], np.uint16), up=np.array([True, False, True, False, False]),
        label=np.array(["video", "non-video", "video"]), group=names, flow=names,
    )  # fmt: skip
    return Source("made", "made.npz", link_header, "generated")


def test_link_headers_come_off_and_what_is_no_ip_packet_goes(tmp_path: Path) -> None:
    packets = load_packets(tmp_path, write_source(tmp_path, LINK_HEADER_BYTES))
    assert packets.size.tolist() == [60, 1500, 52, 1500]
    assert packets.off.tolist() == [0, 2, 3, 4]
    assert packets.size.min() >= MIN_IP_BYTES


def test_truth_is_by_flow_and_groups_by_capture(tmp_path: Path) -> None:
    truth = load_truth(tmp_path, write_source(tmp_path, 0))
    assert truth.video.tolist() == [True, False, True]
    assert truth.group[0] == truth.group[2] != truth.group[1]


def test_absent_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="requet_youtube_2018"):
        require_data(tmp_path)


def test_absent_extractor_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExtractorError, match="not built"):
        Extractor(tmp_path / "reelsense")


def test_command_fails_with_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["dataset", "--reelsense", str(tmp_path / "nowhere"), "--data", str(tmp_path), "--quiet"]) == 1
    )
    assert "not built" in capsys.readouterr().err


def test_command_refuses_an_unknown_product() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--product", "nothing"])
    assert stopped.value.code == 2


def test_extractor_accounts_for_every_packet(extractor: Extractor) -> None:
    series = make_series(40, seed=3)
    found = extractor.extract(series, phase_us=400_000)
    per_flow = np.bincount(found.flow, weights=found.packets, minlength=series.flows)
    assert np.array_equal(per_flow, series.lengths())
    assert found.bytes_down.sum() == series.size[~series.up].sum()
    assert (np.diff(found.flow * 10_000 + found.second) > 0).all()


def test_extractor_keeps_the_numbers_of_flows_without_packets(extractor: Extractor) -> None:
    series = make_series(10, seed=4)
    wanted = np.arange(10) % 3 == 0
    found = extractor.extract(series.select(wanted), phase_us=0)
    assert set(found.flow.tolist()) == set(np.flatnonzero(wanted).tolist())


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_public_data_is_what_the_sources_say(source: Source, data_folder: Path) -> None:
    truth = load_truth(data_folder, source)
    assert truth.video.any() and (source.name == "uu") == truth.video.all()
    assert load_packets(data_folder, source).size.max() <= 1514  # three of the DPI tests
