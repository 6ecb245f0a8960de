"""The loader, packets, transforms and the command on real captures: those in tests/captures, in the lab's layout."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_lab import make_lab
from conftest import REPOSITORY

from reelsense_training.bench import cli
from reelsense_training.bench.emulate import Condition, emulate, windows_of
from reelsense_training.bench.lab_data import load_lab, read_index
from reelsense_training.bench.packets import Packets, read_packets
from reelsense_training.bench.predictors import Answers, Labels, PredictorError, answers, load_bundle
from reelsense_training.bench.session_rule import scores, session_accuracy
from reelsense_training.bench.transform import Outage, Policer, Shaper, bottleneck, path_loss, stretch_rtt
from reelsense_training.bench.windows import OTHER_DEVICE, Lab, WindowKeys
from reelsense_training.data.augment import coarse_clock
from reelsense_training.data.extractor import Extractor
from reelsense_training.data.lab import as_dataset, lab_conditions
from reelsense_training.data.parts import Part
from reelsense_training.data.series import LAB, DataError, PacketSeries

BUNDLE = REPOSITORY / "models" / "reelsense-ue" / "1.0.0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def lab(folder: Path, extractor: Extractor, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return load_lab(folder, extractor, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def packets(folder: Path) -> Packets:
    return read_packets(folder / "reels-h3")


def rate_mbit(packets: Packets) -> float:
    """Down rate over the busiest ten seconds."""
    down = ~packets.up
    return float(np.bincount(packets.t_us[down] // 10_000_000, packets.size[down]).max() * 8 / 1e7)


def test_read_index_sessions_that_are_not_ok_are_told_and_passed_over(folder: Path) -> None:
    told: list[str] = []
    assert next(s.name for s in read_index(folder, told.append)) == "feed-h2"
    assert told == ["broken: passed over, ok is '0'"]


def test_read_index_no_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="reelsense-lab run"):
        read_index(tmp_path)


def test_load_lab_windows_are_those_of_the_truth(lab: Lab, folder: Path) -> None:
    for number, session in enumerate(lab.sessions):
        with (folder / session.name / "truth.csv").open() as file:
            truth = list(csv.DictReader(file))
        mask = lab.windows.session == number
        assert mask.sum() == len(truth)
        assert lab.windows.video[mask].sum() == sum(row["label"] == "video" for row in truth)
        assert lab.windows.bytes_down[mask].sum() == sum(int(row["bytes_down"]) for row in truth)
    assert lab.windows.rows.shape[1] == len(lab.schema.names)
    assert np.array_equal(lab.windows.bins[:, :20].sum(axis=1).astype(np.int64), lab.windows.bytes_down)


def test_load_lab_cached_rows_are_the_same(folder: Path, extractor: Extractor, tmp_path: Path) -> None:
    first = load_lab(folder, extractor, tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    again = load_lab(folder, extractor, tmp_path)
    assert np.array_equal(first.windows.rows, again.windows.rows)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == stamps


def test_read_packets_counts_what_the_truth_counts(packets: Packets, folder: Path) -> None:
    with (folder / "reels-h3" / "truth.csv").open() as file:
        truth = list(csv.DictReader(file))
    assert len(packets.t_us) == sum(int(r["packets_up"]) + int(r["packets_down"]) for r in truth)
    assert packets.size[~packets.up].sum() == sum(int(r["bytes_down"]) for r in truth)
    video = [r for r in truth if r["label"] == "video"]
    assert packets.size[packets.video & ~packets.up].sum() == sum(int(r["bytes_down"]) for r in video)


def test_windows_of_unchanged_packets_keep_bytes_and_truth(packets: Packets, extractor: Extractor) -> None:
    found = windows_of(packets, extractor, 0, np.array(packets.workloads))
    assert found["bytes_down"].sum() == packets.size[~packets.up].sum()
    assert found["bytes_down"][found["video"]].sum() == packets.size[packets.video & ~packets.up].sum()


@pytest.mark.parametrize("mbit", [0.5, 3.0])
def test_shaper_rate_is_kept_and_no_byte_is_lost(packets: Packets, mbit: float) -> None:
    shaped = bottleneck(packets, Shaper(mbit, 300))
    assert shaped.size.sum() == packets.size.sum()
    assert rate_mbit(packets) > mbit
    assert rate_mbit(shaped) == pytest.approx(mbit, rel=0.02)
    assert (np.diff(shaped.t_us)[np.diff(shaped.flow()) == 0] >= 0).all()


def test_policer_burst_passes_and_the_rate_is_kept(packets: Packets) -> None:
    policed = bottleneck(packets, Policer(1.0, 30_000, 40))
    assert policed.size.sum() == packets.size.sum()
    assert rate_mbit(policed) <= 1.0 + 30_000 * 8 / 1e7 + 0.01


def test_outage_nothing_arrives_during_it(packets: Packets) -> None:
    gate = Outage(2.0, 20.0, np.random.default_rng(1))
    phase = gate.phase
    out = bottleneck(packets, gate)
    down = out.t_us[~out.up]
    assert ((down + phase) % 20e6 >= 2e6 - 1).all()
    assert len(out.t_us) == len(packets.t_us)


def test_path_loss_moves_the_share_lost_by_round_trips(packets: Packets) -> None:
    lossy = path_loss(packets, 0.1, 50, np.random.default_rng(2))
    down = int((~packets.up).sum())
    assert int((~lossy.up).sum()) == down
    assert lossy.up.sum() >= packets.up.sum()
    delay = (np.sort(lossy.t_us[~lossy.up]) - np.sort(packets.t_us[~packets.up])).sum() / down / 1e3
    assert delay == pytest.approx(50 * 0.1 / 0.9, rel=0.15)  # mean number of losses of a packet, an RTT each


def test_stretch_rtt_first_answer_comes_that_much_later(packets: Packets) -> None:
    stretched = stretch_rtt(packets, 200)

    def first_answer(p: Packets) -> list[int]:
        flow = p.flow()
        return [int(p.t_us[(flow == f) & ~p.up][0] - p.t_us[flow == f][0]) for f in range(p.flows)]

    for before, after in zip(first_answer(packets), first_answer(stretched), strict=True):
        assert after - before == 200_000


def test_through_collector_keeps_the_truth_of_each_packet(packets: Packets) -> None:
    series = packets.series()
    everywhere = np.ones(series.flows, np.bool_)
    same = packets.through(series)
    assert np.array_equal(same.video, packets.video)
    coarse = packets.through(coarse_clock(series, np.random.default_rng(1), everywhere))
    assert (coarse.video == packets.video).mean() > 0.99


def test_emulate_numbers_conditions_and_caches(lab: Lab, extractor: Extractor, tmp_path: Path) -> None:
    few = replace(lab, sessions=lab.sessions[:1])
    conditions = (
        Condition("1 Mbit/s", "rate", 1, rate_mbit=1),
        Condition("misses", "collector", 10, collector="misses"),
    )
    found = emulate(few, extractor, tmp_path, conditions)
    assert set(found.variant.tolist()) == {1, 2}
    assert found.bytes_down[found.variant == 2].sum() < found.bytes_down[found.variant == 1].sum()
    assert len(list(tmp_path.iterdir())) == 2
    assert np.array_equal(emulate(few, extractor, tmp_path, conditions).rows, found.rows)


def test_emulate_draws_the_same_with_another_build_of_the_extractor(
    lab: Lab, extractor: Extractor, tmp_path: Path
) -> None:
    few = replace(lab, sessions=lab.sessions[:1])
    conditions = (Condition("misses", "collector", 10, collector="misses"),)
    found = emulate(few, extractor, tmp_path, conditions)
    rebuilt = tmp_path / "reelsense"
    shutil.copy(extractor.program, rebuilt)
    with rebuilt.open("ab") as file:
        file.write(b"another build")
    other = Extractor(rebuilt)
    assert other.digest != extractor.digest
    again = emulate(few, other, tmp_path, conditions)
    assert np.array_equal(again.rows, found.rows)


def test_bundle_by_onnx_is_what_the_native_engine_says(lab: Lab, extractor: Extractor) -> None:
    predictor = load_bundle(BUNDLE, lab.schema.names)
    native = extractor.predict(BUNDLE / "model.onnx", lab.windows.rows)
    assert np.abs(answers(predictor, lab.windows).probability - native).max() <= 1e-5


def classify(extractor: Extractor, trace: Path, *more: str) -> str:
    command = [str(extractor.program), "classify", str(trace), "--format", "csv", "--model", str(BUNDLE), *more]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_labels_of_classify_give_the_bundle_own_labels(lab: Lab, extractor: Extractor, tmp_path: Path) -> None:
    for session in lab.sessions:
        trace = next(session.folder.glob("trace.*"))
        (tmp_path / f"{session.name}.csv").write_text(classify(extractor, trace))
    labels = Labels(tmp_path, lab)
    assert labels.missing == 0
    own = answers(load_bundle(BUNDLE, lab.schema.names), lab.windows)
    video = lab.windows.video
    assert np.array_equal(answers(labels, lab.windows).right(video), own.right(video))


def test_labels_bad_confidence_names_file_and_line(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("session,time,client_ip,client_port,server_ip,server_port,protocol,label,confidence\n"
                    "reels-h2,1,a,1,b,2,tcp,video,1.5\n")  # fmt: skip
    with pytest.raises(PredictorError, match=r"mine\.csv:2"):
        Labels(path, lab)


def test_labels_several_sessions_in_one_file_need_a_session_column(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("time,client_ip,client_port,server_ip,server_port,protocol,label,confidence\n"
                    "1,a,1,b,2,tcp,video,0.9\n")  # fmt: skip
    with pytest.raises(PredictorError, match="session column"):
        Labels(path, lab)


def test_session_rule_is_that_of_classify_scope_session(lab: Lab, extractor: Extractor) -> None:
    own = answers(load_bundle(BUNDLE, lab.schema.names), lab.windows).probability
    for number, session in enumerate(lab.sessions):
        text = classify(extractor, next(session.folder.glob("trace.*")), "--scope", "session")
        rows = list(csv.DictReader(text.splitlines()))
        start = int(rows[0]["time"])
        mask = lab.windows.session == number
        found = scores(lab.windows.second[mask], own[mask], lab.windows.bytes_down[mask])
        for row in rows:
            score = found[int(row["time"]) - start]
            assert max(score, 1 - score) == pytest.approx(float(row["confidence"]), abs=2e-4), (session.name, row)
            assert (score >= 0.5) == (row["label"] == "video")


def test_score_command_writes_report_and_a_page_without_outside_assets(folder: Path, tmp_path: Path) -> None:
    arguments = ["score", "--lab", str(folder), "--bundle", str(BUNDLE), "--out", str(tmp_path), "--quiet"]
    assert cli.main([*arguments, "--cache", str(tmp_path / "cache"), "--min-windows", "5", "--no-emulated"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["headline"]["missing_hard"] == ["carousel", "upload", "videocall"]
    assert report["headline"]["worst"] <= report["headline"]["mean"]
    page = (tmp_path / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "Not a held-out figure" in page
    assert cli.main(["report", str(tmp_path / "report.json"), "--out", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text() == page


def test_run_command_retrains_with_sessions_held_out(folder: Path, tmp_path: Path) -> None:
    arguments = ["run", "--lab", str(folder), "--trainer", "linear", "--hold-out", "session", "--folds", "3"]
    arguments += ["--seeds", "2", "--min-windows", "5", "--no-emulated", "--quiet"]
    assert cli.main([*arguments, "--out", str(tmp_path), "--cache", str(tmp_path / "cache")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["subject"]["held_out"] is True
    assert len(report["split"]) == 3
    assert len(report["seeds"]) == 2
    assert set(report["controls"]["ablation"]) >= {"nothing", "age", "requests", "bins"}
    assert report["uncertain"]["unanswered"] == 0


def test_command_absent_lab_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["folds", "--lab", str(tmp_path), "--quiet"]) == 1
    assert "no index.csv" in capsys.readouterr().err


def _beside_a_download(lab: Lab) -> Lab:
    """The lab as if every second window of its first session were another device's."""
    first = np.flatnonzero(lab.windows.session == 0)
    keys = list(lab.keys.key)
    for w in first[::2]:
        keys[w] = (keys[w][0], OTHER_DEVICE, *keys[w][2:])
    return replace(
        lab,
        sessions=(replace(lab.sessions[0], downloads=1), *lab.sessions[1:]),
        keys=WindowKeys(tuple(keys)),
    )


def test_of_phone_leaves_out_another_devices_downloads_and_so_does_the_session_label(lab: Lab) -> None:
    assert lab.of_phone().all()
    crowded = _beside_a_download(lab)
    others = np.flatnonzero(~crowded.of_phone())
    assert others.tolist() == np.flatnonzero(lab.windows.session == 0)[::2].tolist()
    said = np.full(len(lab.windows), 0.9)
    silent = said.copy()
    silent[others] = 0.0
    accuracy = [session_accuracy(crowded, Answers(p, 0.5, (0.1, 0.9))) for p in (said, silent)]
    assert accuracy[0] == accuracy[1]
    assert session_accuracy(lab, Answers(silent, 0.5, (0.1, 0.9))) != accuracy[0]


def test_as_dataset_gives_sessions_beside_downloads_conditions_of_their_own(lab: Lab) -> None:
    crowded = _beside_a_download(lab)
    made = as_dataset(crowded.windows, crowded.sessions, 0, 0, 5)
    names = np.array(lab_conditions(lab.workloads), dtype=object)[made.condition - 5]
    workloads = crowded.workload_names()
    beside = crowded.windows.session == 0
    assert np.array_equal(names[beside], [f"lab/{name} beside downloads" for name in workloads[beside]])
    assert np.array_equal(names[~beside], [f"lab/{name}" for name in workloads[~beside]])


def test_lab_part_uploads_beside_downloads_are_still_up_heavy() -> None:
    part = Part("lab", LAB, "", PacketSeries(*(np.zeros(0, np.int64),) * 4), np.zeros(0, np.bool_),
                np.zeros(0, np.int32), np.zeros(0, np.int8),
                ("lab/upload beside downloads", "lab/upload", "lab/feed beside downloads"))  # fmt: skip
    assert part.up_heavy.tolist() == [True, True, False]
