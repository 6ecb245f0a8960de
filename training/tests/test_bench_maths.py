"""ReelBench's sums on tiny arrays: balanced F1, calibration, the grid, folds, timing, escalation, controls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from reelsense_training.bench import controls, page
from reelsense_training.bench.cells import Rules, grid
from reelsense_training.bench.escalation import combine, escalated
from reelsense_training.bench.figures import (
    balanced_f1,
    class_weights,
    expected_calibration_error,
    reliability,
    rounded,
)
from reelsense_training.bench.folds import Fold, FoldError, assert_no_leak, folds
from reelsense_training.bench.predictors import Answers, StepModel, load_bundle
from reelsense_training.bench.protocol import on_half, run_folds, training_part
from reelsense_training.bench.public_data import COUNTED_PER_FLOW, drawn, join
from reelsense_training.bench.session_rule import scores
from reelsense_training.bench.targets import held_against
from reelsense_training.bench.timing import recognitions, summary
from reelsense_training.bench.trainers import RowTrainer, Scored, TrainerError, resolve
from reelsense_training.bench.windows import Lab, Session, SessionTruth, WindowKeys, Windows
from reelsense_training.data.extractor import FeatureSchema

NAMES = ("down_bytes_log2", "requests", "flow_age_log2", "burst_size_log2")
SCHEMA = FeatureSchema("packet", 1, "0" * 64, NAMES, ("",) * 4, (True,) * 4)


def session(number: int, design: str, path: str, workload: str, protocol: str = "h2") -> Session:
    return Session(f"s{number:03d}", design, workload, "video" if workload == "reels" else "non-video", path, 10.0,
                   20.0, 0.0, False, False, protocol, "reno", False, False, number, Path())  # fmt: skip


def make_lab(per: int = 30, designs: str = "ab", paths: str = "xy", seed: int = 1) -> Lab:
    """One session a design, path and workload (reels, feed), each one flow of ``per`` windows; the first feature tells
    the class, the second the design.
    """
    rng = np.random.default_rng(seed)
    sessions = [
        session(i, d, p, w)
        for i, (d, p, w) in enumerate((d, p, w) for d in designs for p in paths for w in ("reels", "feed"))
    ]
    number = np.repeat(np.arange(len(sessions)), per).astype(np.int32)
    video = np.array([s.workload == "reels" for s in sessions])[number]
    design = np.array([designs.index(s.design) for s in sessions])[number]
    rows = rng.normal(0, 1, (len(number), 4)).astype(np.float32)
    rows[:, 0] += 4 * video
    rows[:, 1] += 4 * design
    windows = Windows(
        rows, np.zeros((len(number), 40), np.float32), video, np.ones(len(number), np.bool_),
        np.ones(len(number), np.bool_), number, np.tile(np.arange(per), len(sessions)).astype(np.int32), number,
        (~video).astype(np.int16) * 0 + np.where(video, 1, 0).astype(np.int16),
        np.full(len(number), 50_000, np.int64), np.zeros(len(number), np.int8),
    )  # fmt: skip
    truth = tuple(SessionTruth(np.zeros(0, np.int32), np.zeros(0, np.bool_), ()) for _ in sessions)
    return Lab(tuple(sessions), ("feed", "reels"), windows, truth, WindowKeys(()), SCHEMA, "digest")


def test_balanced_f1_class_ratio_does_not_matter() -> None:
    assert balanced_f1(1.0, 0.0) == 1.0
    assert balanced_f1(0.8, 0.1) == pytest.approx(2 * 0.8 / (0.8 + 0.1 + 1))
    # As plain F1 of 100 windows of each class: 80 true positives, 10 false ones, 20 missed.
    assert balanced_f1(0.8, 0.1) == pytest.approx(2 * 80 / (2 * 80 + 10 + 20))


def test_calibration_perfect_and_overconfident() -> None:
    rng = np.random.default_rng(3)
    stated = rng.uniform(0, 1, 100_000)
    video = rng.random(100_000) < stated
    assert expected_calibration_error(reliability(video, stated, np.ones(100_000))) < 0.01
    sure = np.where(stated > 0.5, 0.99, 0.01)
    assert expected_calibration_error(reliability(video, sure, np.ones(100_000))) == pytest.approx(0.24, abs=0.01)


def test_class_weights_both_classes_weigh_the_same() -> None:
    video = np.array([True, False, False, False])
    weight = class_weights(video)
    assert weight[video].sum() == pytest.approx(weight[~video].sum())
    assert weight.mean() == pytest.approx(1.0)


def test_rounded_nan_becomes_null() -> None:
    assert rounded({"a": float("nan"), "b": [np.float64(0.12345)]}) == {"a": None, "b": [0.1235]}


def test_grid_worst_cell_is_the_one_with_the_errors() -> None:
    lab = make_lab()
    right = np.ones(len(lab.windows), np.bool_)
    on_y = lab.attribute("path") == "y"
    wrong = np.flatnonzero(on_y & ~lab.windows.video)
    right[wrong[: len(wrong) // 2]] = False
    made = grid(lab, right)
    worst = made.worst()
    assert worst is not None
    assert (worst.path, worst.opponent, worst.specificity) == ("y", "feed", 0.5)
    assert worst.f1 == pytest.approx(2 / 2.5)
    assert made.mean == pytest.approx((1 + 0.8) / 2)
    assert made.worst_interval[0] <= worst.f1


def test_grid_too_few_windows_are_listed_not_counted() -> None:
    lab = make_lab(per=10)
    made = grid(lab, np.ones(len(lab.windows), np.bool_), Rules(min_windows=30))
    assert not made.cells
    assert {x["reason"] for x in made.left_out} == {"20 video windows, 30 needed"}
    assert np.isnan(made.mean)


def test_grid_interval_is_over_sessions_not_windows() -> None:
    few, many = make_lab(per=40), make_lab(per=4000)
    for lab in (few, many):
        # One of the two sessions of each side is all wrong: more windows must not make that more certain.
        right = ~((lab.attribute("path") == "x") & (lab.attribute("design") == "a"))
        cell = next(c for c in grid(lab, right).cells if c.path == "x")
        assert cell.high - cell.low > 0.5


@pytest.mark.parametrize("hold_out", [("design", "path"), ("design",), ("session",), ("design", "path", "protocol")])
def test_folds_every_session_is_tested_once_and_nothing_leaks(hold_out: tuple[str, ...]) -> None:
    sessions = [
        session(i, d, p, "reels", q)
        for i, (d, p, q) in enumerate((d, p, q) for d in "abcd" for p in "uvwxyz" for q in ("h2", "h3"))
    ]
    made = folds(sessions, hold_out, limit=12)
    assert len(made) <= 16
    tested = [i for fold in made for i in fold.test]
    assert sorted(tested) == list(range(len(sessions)))
    for fold in made:
        for axis in hold_out:
            train = {sessions[i].axis(axis) for i in fold.train}
            assert not train & {sessions[i].axis(axis) for i in fold.test}


def test_assert_no_leak_shared_path_is_refused() -> None:
    sessions = [session(0, "a", "x", "reels"), session(1, "b", "x", "reels")]
    with pytest.raises(FoldError, match="path x on both sides"):
        assert_no_leak(Fold("f", (0,), (1,), {}), sessions, ("design", "path"))


def test_folds_one_design_only_says_so() -> None:
    with pytest.raises(FoldError, match="one design only"):
        folds([session(0, "a", "x", "reels"), session(1, "a", "y", "reels")])


def test_training_part_holds_nothing_of_the_test_sessions() -> None:
    lab = make_lab()
    fold = folds(lab.sessions, limit=4)[0]
    part = training_part(lab, fold)
    assert {s.name for s in part.sessions} == {lab.sessions[i].name for i in fold.train}
    assert {part.sessions[s].name for s in part.windows.session} == {s.name for s in part.sessions}
    assert set(part.attribute("design")).isdisjoint(fold.held_out["design"])


def test_run_folds_linear_trainer_finds_the_feature_that_carries_over() -> None:
    lab = make_lab(per=120, designs="abc", paths="xyz")
    found = run_folds(lab, folds(lab.sessions, limit=9), RowTrainer("linear"), 1)
    assert not np.isnan(found.answers.probability).any()
    assert found.right.mean() > 0.9


def test_shuffled_labels_are_chance_and_ablation_names_the_group() -> None:
    lab = make_lab(per=60, designs="abcd", paths="wxyz")
    split = folds(lab.sessions, limit=4)
    trainer = RowTrainer("linear")
    shuffled = controls.shuffled_labels(lab, split, trainer, 1, 5, lambda _: None)
    assert 0.3 < shuffled["balanced_accuracy"] < 0.7
    without = controls.without(lab.windows, "requests", NAMES)
    assert not without.rows[:, 1].any()
    assert without.rows[:, 0].any()


def test_shuffled_sessions_whole_sessions_exchange_labels() -> None:
    lab = make_lab()
    video = controls.shuffled_sessions(lab, 3)
    assert video.sum() == lab.windows.video.sum()
    for number in range(len(lab.sessions)):
        assert len(set(video[lab.windows.session == number].tolist())) == 1


def test_source_identification_finds_the_design_in_a_feature() -> None:
    found = controls.source_identification(make_lab(per=80, designs="ab", paths="uvwxyz"), 1)
    assert found["design, video"]["balanced_accuracy"] > 0.9
    assert abs(found["path, video"]["balanced_accuracy"] - 1 / 6) < 0.2


def test_recognition_counts_from_the_first_byte_to_the_end_of_the_right_second() -> None:
    lab = make_lab(per=5, designs="a", paths="x")
    bins = lab.windows.bins.copy()
    bins[0, 10] = 1000  # the first down byte comes half a second into the first second
    lab = replace(lab, windows=replace(lab.windows, bins=bins))
    right = np.zeros(10, np.bool_)
    right[2] = True
    found = recognitions(lab, right)
    assert [r.seconds for r in found] == [2.5]
    assert summary(found)["within"]["3"] == 1.0
    assert recognitions(lab, np.zeros(10, np.bool_))[0].seconds == float("inf")


def test_recognition_idle_connection_opened_ahead_has_not_begun() -> None:
    lab = make_lab(per=4, designs="a", paths="x")
    second, down = lab.windows.second.copy(), lab.windows.bytes_down.copy()
    second[:4], down[:4] = [0, 30, 31, 32], [4_000, 50_000, 50_000, 50_000]
    lab = replace(lab, windows=replace(lab.windows, second=second, bytes_down=down))
    right = np.array([True, True, False, False] + [False] * 4)
    assert recognitions(lab, right)[0].seconds == 1.0


def test_escalation_takes_the_least_certain_up_to_the_limit() -> None:
    ue = Answers(np.linspace(0.01, 0.99, 99), 0.5, (0.2, 0.8))
    edge = Answers(np.where(np.arange(99) < 49, 1.0, 0.0), 0.5, (0.5, 0.5))
    counted = np.ones(99, np.bool_)
    asked = escalated(ue, edge, counted, 0.15)
    assert 10 <= asked.sum() <= 15
    assert np.abs(ue.probability[asked] - 0.5).max() <= np.abs(ue.probability[~asked] - 0.5).min()
    assert np.array_equal(combine(ue, edge, counted, 0.15).probability[asked], edge.probability[asked])


def test_answers_no_answer_is_wrong_for_both_classes() -> None:
    found = Answers(np.array([np.nan, np.nan, 0.9]), 0.5, (0.4, 0.6))
    assert found.right(np.array([True, False, True])).tolist() == [False, False, True]
    assert not found.in_band().any()


def test_on_half_keeps_labels_and_order() -> None:
    p = np.linspace(0, 1, 101)
    moved = on_half(Answers(p, 0.3, (0.2, 0.4)))
    assert np.array_equal(moved >= 0.5, p >= 0.3)
    assert (np.diff(moved) > 0).all()


def test_session_rule_fades_by_half_in_ten_idle_seconds() -> None:
    found = scores(np.array([0], np.int32), np.array([0.9]), np.array([100_000]))
    assert found[0] == pytest.approx(0.9)
    assert found[10] == pytest.approx(0.7)
    assert max(found) == 19  # over after 20 seconds without a packet


def test_targets_met_missed_and_not_measured() -> None:
    rows = held_against({"headline": {"mean": 0.98, "worst": 0.85}, "calibration": {"ece": 0.05}}, "ue")
    verdicts = {row["measure"].split(",")[0]: (row["met"], row["margin"]) for row in rows}
    assert verdicts["calibration error (ECE)"] == (False, -0.02)
    assert [row["met"] for row in rows][:3] == [True, False, None]


def test_resolve_names_and_paths() -> None:
    assert resolve("trees").name == "trees"
    assert resolve("reelsense_training.bench.trainers:OWN")["linear"].name == "linear"  # any attribute is taken
    with pytest.raises(TrainerError, match="no trainer"):
        resolve("no_such_module:Trainer")


def test_trainer_same_seed_gives_the_same_answers() -> None:
    lab = make_lab(per=60)
    trainer = RowTrainer("trees")
    first, second = trainer.fit(lab, 1), trainer.fit(lab, 1)
    assert isinstance(first, Scored)
    assert np.array_equal(first.predict(lab.windows), second.predict(lab.windows))


def test_join_and_draw_public_flows_are_capped_and_never_mixed_with_the_lab() -> None:
    lab, public = make_lab(per=30), make_lab(per=50, seed=2)
    both = join(lab, public)
    assert len(np.unique(both.windows.flow)) == len(lab.sessions) + len(public.sessions)
    chosen = drawn(both, len(lab.sessions), 1)
    of_lab = both.windows.session < len(lab.sessions)
    assert chosen[of_lab].all()
    assert np.bincount(both.windows.flow[chosen & ~of_lab]).max() == COUNTED_PER_FLOW


def write_counter(folder: Path) -> Path:
    """A stateful bundle whose probability is a tenth of the number of steps that its flow has made."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["state", "one"], ["next_state"]),
         helper.make_node("Mul", ["next_state", "tenth"], ["scaled"]),
         helper.make_node("ReduceSum", ["window"], ["sum"], axes=[1], keepdims=1),
         helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
         helper.make_node("Add", ["scaled", "nothing"], ["probability"])],
        "counter",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", 44]),
         helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", 1])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1]),
         helper.make_tensor_value_info("next_state", TensorProto.FLOAT, ["batch", 1])],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
         for name, value in (("one", 1.0), ("tenth", 0.1), ("zero", 0.0))],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    manifest = {"name": "counter", "version": "1.0.0", "threshold": 0.5, "uncertain": [0.4, 0.6]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_step_model_each_flow_keeps_a_state_of_its_own(tmp_path: Path) -> None:
    windows = make_lab(per=5).windows
    keep = np.ones(len(windows), np.bool_)
    keep[7:10] = False  # the second flow is shorter
    windows = windows.take(keep)
    model = load_bundle(write_counter(tmp_path), NAMES)
    assert isinstance(model, StepModel)
    expected = [0.1 * (i + 1) for flow in np.unique(windows.flow) for i in range(int((windows.flow == flow).sum()))]
    assert model.predict(windows) == pytest.approx(expected)


@pytest.mark.parametrize("held_out", [True, False])
def test_page_says_what_a_note_is_about(held_out: bool) -> None:
    subject = {"note": "public sources & a fold's sessions", "held_out": held_out}
    said = page._warnings({"subject": subject, "headline": {"missing_hard": []}})
    assert ("Not a held-out figure" in said) != held_out
    assert ("Retrained in every fold" in said) == held_out
    assert "sources &amp; a fold" in said
