"""The QoS lab's pure parts: pairs, metrics, bootstrap, report, and what is read from and given to others."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from reelsense_lab import prerequisites, testbed, workloads
from reelsense_lab.errors import LabError
from reelsense_lab.qos import (
    actors,
    decisions,
    design,
    gate,
    lanes,
    lean,
    metrics,
    oracle,
    paired,
    plots,
    report,
    text,
    trial,
)
from reelsense_lab.qos.worker import run_of

FLOW = {
    "time": 1000,
    "kind": "flow",
    "client_ip": "10.77.0.2",
    "client_port": 40000,
    "server_ip": "10.77.0.10",
    "server_port": 443,
    "protocol": "udp",
    "label": "video",
    "confidence": 0.9,
    "bytes_up": 1000,
    "bytes_down": 50_000,
    "dscp": 26,
    "dscp_reason": "video",
}
SESSION = {
    "time": 1000,
    "kind": "session",
    "client_ip": "10.77.0.2",
    "prefetch_depth": 1,
    "prefetch_reason": "congested",
    "buffer_target_ms": 5000,
    "buffer_reason": "congested",
    "max_bitrate_kbps": 650,
    "bitrate_reason": "congested",
}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 400)


# ---- pairs


def test_runs_all_arms_of_a_pair_share_everything_but_the_arm() -> None:
    arms = tuple(design.ARMS)
    planned = design.runs(3, arms, 40, 7)
    assert len(planned) == 3 * len(arms)
    for number in range(3):
        of_pair = [run for run in planned if run.pair.number == number]
        assert sorted(run.arm.name for run in of_pair) == sorted(arms)
        assert len({run.pair for run in of_pair if not run.arm.gate}) == 1
        assert len({json.dumps(run.actions()) for run in of_pair}) == 1
        assert {action["do"] for action in of_pair[0].actions()} == {"open", "tell"}
        assert {run.pair.path for run in of_pair if run.arm.gate} == {design.FIXED}


def test_runs_orders_of_arms_differ_between_pairs() -> None:
    planned = design.runs(8, design.DEFAULT_ARMS, 40, 7)
    size = len(design.DEFAULT_ARMS)
    orders = {tuple(run.arm.name for run in planned[at : at + size]) for at in range(0, len(planned), size)}
    assert len(orders) > 1


def test_runs_unknown_arm_is_named() -> None:
    with pytest.raises(LabError, match=r"expected some of alone, .*, got magic"):
        design.runs(1, ("baseline", "magic"), 40, 7)


def test_pair_twenty_four_have_each_design_on_each_path_and_both_protocols() -> None:
    drawn = [design.pair(number) for number in range(24)]
    assert len({(each.design, each.path) for each in drawn}) == len(workloads.DESIGNS) * len(design.PATHS)
    for values in ([each.protocol for each in drawn], [each.congestion for each in drawn]):
        assert sorted(values.count(value) for value in set(values)) == [12, 12]
    assert len({each.seed for each in drawn}) == 24


def test_run_settings_read_back() -> None:
    run = design.runs(1, ("htb",), 40, 7)[0]
    assert run_of(json.loads(json.dumps(run.settings()))) == run


def test_profile_trace_starts_at_another_second_and_loses_none() -> None:
    run = next(run for run in design.runs(24, ("baseline",), 40, 7) if run.pair.path == "lte")
    loaded, made = design.profiles.load("lte"), design.profile(run)
    before, after = loaded["down"]["rate"]["trace_mbit"], made["down"]["rate"]["trace_mbit"]
    assert before != after and sorted(before) == sorted(after)
    at = before.index(after[0])
    assert any(before[at:] + before[:at] == after for at in range(len(before)) if before[at] == after[0]), at
    assert design.profile(run) == made


def test_profile_of_the_gate_only_delays() -> None:
    run = design.runs(1, ("htb",), 40, 7)[0]
    assert design.profile(run)["down"] == {"rate": "unlimited", "delay_ms": design.ONE_WAY_MS}


# ---- metrics


def event(time: float, kind: str, **details: Any) -> dict[str, Any]:
    return {"time": time, "tab": "main", "event": kind, **details}


def two_clips() -> list[dict[str, Any]]:
    shown = {"frames": 300, "dropped_frames": 3}
    return [
        event(10, "open"),
        event(11, "play", clip="a", position=0),
        event(11.5, "first_frame", clip="a", position=0),
        event(15.5, "stall", clip="a", position=0),
        event(17.5, "resume", clip="a", position=0),
        event(20.5, "leave", clip="a", position=0),
        event(20.5, "shown", clip="a", position=0, shown={"360": 6.0}, **shown),
        event(20.5, "play", clip="b", position=1),
        event(23.5, "close"),
        event(23.5, "shown", clip="b", position=1, shown={}, frames=0, dropped_frames=0),
    ]


LADDER = {"a": {270: 600, 360: 1000}, "b": {270: 600}}


def test_views_times_of_a_started_and_a_never_started_clip() -> None:
    first, second = metrics.views(two_clips())
    assert (first.waited_s, first.played_s, first.stalled_s, first.stalls) == (0.5, 7.0, 2.0, 1)
    assert (second.waited_s, second.started, second.played_s) == (3.0, False, 0)


def test_views_late_first_frame_of_a_clip_that_was_left_is_not_the_next_one_s() -> None:
    late = [*two_clips()[:8], event(21, "first_frame", clip="a", position=0), *two_clips()[8:]]
    assert metrics.views(late) == metrics.views(two_clips())


def test_player_figures() -> None:
    figures = metrics.player(metrics.views(two_clips()), LADDER)
    assert figures["rebuffering"] == pytest.approx(2 / 9)
    assert figures["no_picture"] == pytest.approx(5.5 / 12.5)
    assert figures["never_started"] == 0.5
    assert (figures["first_frame_mean_s"], figures["first_frame_p95_s"]) == (0.5, 3.0)
    assert figures["bitrate_kbps"] == 1000 and figures["shown_bytes"] == 6 * 1000 * 125
    assert figures["dropped_frames"] == 0.01


def test_player_nothing_played_has_no_rebuffering_ratio() -> None:
    figures = metrics.player(metrics.views([event(1, "play", clip="b", position=1), event(9, "close")]), LADDER)
    assert figures["rebuffering"] is None and figures["no_picture"] == 1 and figures["bitrate_kbps"] is None


def test_player_a_page_that_never_came_is_a_clip_that_never_started() -> None:
    seen = metrics.or_nothing(metrics.views([event(1, "open")]), 1.0, 60.0)
    figures = metrics.player(seen, LADDER)
    assert (figures["clips"], figures["never_started"], figures["no_picture"]) == (1, 1, 1)
    assert figures["waited_s"] == 59 and figures["rebuffering"] is None
    assert metrics.or_nothing([], None, 60.0) == []


def test_transfers_waste_and_downloads() -> None:
    down = {"video": {100: 400_000, 101: 600_000}, "files": {99: 9, 103: 1_000_000, 108: 1_000_000, 110: 5}}
    moved = metrics.transfers(down, 250_000, 2.0, start=101.0, end=110.0)
    assert (moved["fetched_bytes"], moved["wasted_bytes"], moved["wasted_share"]) == (1_000_000, 750_000, 0.75)
    assert moved["downloads_mbit"] == pytest.approx(2_000_000 * 8e-6 / 7)
    assert metrics.transfers(down, 0, None, 101.0, 110.0)["downloads_mbit"] is None


def test_quantile_takes_a_value_that_is_there() -> None:
    assert metrics.quantile([5, 1, 4, 2, 3], 0.95) == 5
    assert metrics.quantile(list(range(1, 21)), 0.95) == 19
    assert metrics.quantile([7], 0.95) == 7


def test_label_quality_is_by_bytes_and_second() -> None:
    video, other = ("c", 1, "v", 443, "udp"), ("c", 2, "f", 443, "tcp")
    flows = {video: {10: 100, 11: 300}, other: {10: 500, 11: 500}}
    quality = metrics.label_quality({10: {other}, 11: {video}}, flows, {"v"})
    assert quality == {"video_bytes_marked": 0.75, "other_bytes_marked": 0.5}


# ---- bootstrap


def paired_figures(count: int) -> dict[str, dict[int, float | None]]:
    base = {number: 0.3 + 0.01 * (number % 7) for number in range(count)}
    return {
        "baseline": dict(base),
        "priority": {number: value - 0.2 + 0.01 * (number % 3) for number, value in base.items()},
        "priority-truth": {number: value - 0.25 for number, value in base.items()},
    }


def test_difference_is_paired_the_seeds_spread_cancels() -> None:
    figures = paired_figures(21)
    exact = paired.difference(figures, "priority-truth", "baseline")
    assert exact is not None and exact.value == pytest.approx(-0.25) and exact.high - exact.low < 1e-9
    made = paired.difference(figures, "priority", "baseline")
    assert made is not None and made.low < -0.19 < made.high and made.excludes(0) and made.pairs == 21


def test_gain_share_of_known_gains() -> None:
    share = paired.gain_share(paired_figures(21), "priority", "baseline", "priority-truth")
    assert share is not None and share.value == pytest.approx(0.19 / 0.25) and share.low < share.value < share.high


def test_paired_rows_leave_out_pairs_with_a_gap() -> None:
    figures: dict[str, dict[int, float | None]] = {"a": {1: 1.0, 2: None, 3: 3.0}, "b": {1: 5.0, 2: 5.0}}
    assert paired.paired_rows(figures, ["a", "b"]) == [(1.0, 5.0)]
    assert paired.difference(figures, "a", "c") is None


def test_mean_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = paired.random.Random(5)
    inside = 0
    for _ in range(200):
        figures = {"a": {number: rng.gauss(1, 1) for number in range(24)}}
        estimate = paired.mean(figures, "a")
        inside += estimate is not None and not estimate.excludes(1)
    assert 0.87 <= inside / 200 <= 0.99


def test_same_figures_give_the_same_interval() -> None:
    assert paired.mean(paired_figures(9), "priority") == paired.mean(paired_figures(9), "priority")


# ---- what is read from `reelsense decide`, and who acts on it


def test_read_flow_and_session() -> None:
    mark = decisions.read(json.dumps(FLOW))
    assert isinstance(mark, decisions.FlowMark) and mark.is_video
    assert (mark.probability, mark.bytes) == (0.9, 51_000)
    assert mark.flow == ("10.77.0.2", 40000, "10.77.0.10", 443, "udp")
    decision = decisions.read(json.dumps(SESSION))
    assert isinstance(decision, decisions.SessionDecision)
    assert decision.values == {"prefetch_depth": 1, "buffer_target_ms": 5000, "max_bitrate_kbps": 650}


@pytest.mark.parametrize("reason", sorted(decisions.OWN))
def test_read_where_nothing_is_decided_the_app_does_as_it_likes(reason: str) -> None:
    row = {**SESSION, "prefetch_reason": reason, "buffer_reason": reason, "bitrate_reason": reason}
    decision = decisions.read(json.dumps(row))
    assert isinstance(decision, decisions.SessionDecision) and decision.values == {}


@pytest.mark.parametrize("line", ["", "time,kind", '{"kind": "flow"}', '{"kind": "session", "time": 1}', "[]"])
def test_read_anything_else_is_shown(line: str) -> None:
    with pytest.raises(LabError, match="reelsense decide: expected a flow's or session's row"):
        decisions.read(line)


def test_policy_has_the_app_s_own_habits_as_defaults() -> None:
    run = next(run for run in design.runs(8, ("app",), 40, 7) if run.pair.design == "dune")
    policy = decisions.policy_of(run.session())
    assert policy["default_prefetch_depth"] in (4, 5) and 6000 <= policy["default_buffer_target_ms"] <= 20000


class Recorder:
    def __init__(self) -> None:
        self.calls: list[list[decisions.FlowKey]] = []

    def first(self, flows: list[decisions.FlowKey]) -> None:
        self.calls.append(flows)


def test_network_actor_acts_only_on_changes_and_remembers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.2, 103.9])
    monkeypatch.setattr(actors.time, "time", lambda: next(times))
    lanes_, flow = Recorder(), decisions.FlowKey("c", 1, "s", 443, "udp")
    actor = actors.NetworkActor(lanes_, lean.policy_mark)
    for dscp in (0, 26, 26, 0, 0):
        actor(decisions.FlowMark(99, flow, dscp, 0.9, 20_000))
    assert lanes_.calls == [[flow], []]
    in_force = actor.in_force(99, 104)
    assert [second for second in in_force if in_force[second]] == [100, 101, 102, 103]


def leaning(probabilities: list[float], size: int = 50_000) -> list[bool]:
    made, flow = lean.Lean(), decisions.FlowKey("c", 1, "s", 443, "tcp")
    return [made.goes_first(decisions.FlowMark(n, flow, 0, p, size)) for n, p in enumerate(probabilities)]


def test_lean_follows_unsure_labels_and_stays_through_one_of_the_other_kind() -> None:
    assert leaning([0.6, 0.6, 0.55]) == [False, True, True]
    assert leaning([0.6, 0.6, 0.1, 0.7]) == [False, True, True, True]
    assert leaning([0.6, 0.6, *[0.1] * 4])[-1] is False
    assert leaning([0.9] * 5, size=100) == [False] * 5


def test_app_actor_writes_only_the_phone_s_decisions(tmp_path: Path) -> None:
    actor = actors.AppActor(tmp_path / "decisions")
    for client in (testbed.CLIENT_IPV4, "10.77.0.3"):
        actor(decisions.read(json.dumps({**SESSION, "client_ip": client})))
    actor.close()
    lines = (tmp_path / "decisions").read_text().splitlines()
    assert [json.loads(line)["max_bitrate_kbps"] for line in lines] == [650]


def test_oracle_model_keeps_the_contract_and_calls_everything_video() -> None:
    released = oracle.LINEAR.read_bytes()
    made = oracle.always_video(released)
    assert len(made) == len(released) and made != released
    tail = released.index(b"reelsense.name")
    assert made[tail:] == released[tail:]
    with pytest.raises(LabError, match="coefficients"):
        oracle.always_video(b"no model")


def test_gate_classes_share_the_link() -> None:
    rates = {
        words[words.index("classid") + 1]: int(words[words.index("rate") + 1].removesuffix("bit"))
        for words in gate.tc_commands()
        if "rate" in words
    }
    assert rates["1:1"] == rates[gate.VIDEO_CLASS] + rates[gate.OTHER_CLASS]
    assert rates["1:1"] / gate.ETHERNET_SHARE == pytest.approx(design.LINK_MBIT * 1e6, rel=1e-6)
    assert rates[gate.OTHER_CLASS] / rates["1:1"] == pytest.approx(gate.OTHERS_SHARE, rel=1e-3)


# ---- results, resume, report


def result(run: design.Run, **player: float) -> dict[str, Any]:
    views = metrics.views(two_clips())
    figures = metrics.player(views, LADDER) | player
    acts = run.arm.word == "marks" and run.arm.actor != "app"
    return {
        "settings": run.settings(),
        "media": "digest",
        "versions": {"chromium": "156"},
        "ok": True,
        "findings": [],
        "player": figures,
        "transfers": {"wasted_bytes": 1e6, "downloads_mbit": 2.0, "link_mbit": 3.0},
        "labels": {"video_bytes_marked": 0.9, "other_bytes_marked": 0.01, "changes": 2} if acts else None,
        "delay_s": {"median": 0.1, "max": 0.4} if run.arm.word == "marks" else None,
        "machine": {"busy": 0.5, "waiting": 0.2},
    }


def write_results(out: Path, pairs: int) -> None:
    for run in design.runs(pairs, ("baseline", "priority", "priority-truth"), 40, 7):
        gained = {"baseline": 0.0, "priority": 0.18, "priority-truth": 0.2}[run.arm.name]
        made = result(run, rebuffering=0.3 + 0.01 * run.pair.number - gained)
        (out / run.name).mkdir(parents=True)
        (out / run.name / trial.RESULT).write_text(json.dumps(made))
    meta = {
        "machine": {"processor": "X", "cores": "2", "memory_gib": "24", "linux": "6.18"},
        "model": "reelsense-ue@1.0.0",
        "runs": [{"command": "scripts/qos-lab --pairs 6", "commit": "abc", "lanes": 2}],
    }
    (out / report.META).write_text(json.dumps(meta))


def test_report_says_the_gain_its_share_and_how_it_was_made(tmp_path: Path) -> None:
    write_results(tmp_path, 6)
    written = report.write(tmp_path, tmp_path / "r.md", tmp_path, lambda parts: text.report(".", parts))
    words = (tmp_path / "r.md").read_text()
    assert "rebuffering ratio 0.325 → 0.145, 90% of the perfect label's gain (target 80% met)" in words
    assert "-0.180 [-0.180, -0.180] *" in words and "no gain to share" in words
    assert "`scripts/qos-lab --pairs 6` at commit abc" in words and "2 × X, 24 GiB" in words
    assert "$" not in words
    for picture in written[1:]:
        assert f"./{picture.name}" in words
        ElementTree.parse(picture)


def test_report_a_run_that_played_nothing_counts_against_its_arm(tmp_path: Path) -> None:
    write_results(tmp_path, 6)
    file = next(tmp_path.glob(f"000-priority/{trial.RESULT}"))
    made = json.loads(file.read_text())
    made["player"]["rebuffering"] = None
    file.write_text(json.dumps(made))
    of = report.figures(report.load(tmp_path), report.METRICS[0])
    assert of["priority"][0] == 1.0 and of["baseline"][0] == 0.3
    report.write(tmp_path, tmp_path / "r.md", tmp_path, lambda parts: text.report(".", parts))
    assert "| runs in which nothing was played | 0 | 1 | 0 |" in (tmp_path / "r.md").read_text()


def test_report_missed_target_is_said(tmp_path: Path) -> None:
    write_results(tmp_path, 4)
    for file in tmp_path.glob(f"*-priority/{trial.RESULT}"):
        made = json.loads(file.read_text())
        made["player"]["rebuffering"] += 0.1
        file.write_text(json.dumps(made))
    report.write(tmp_path, tmp_path / "r.md", tmp_path, lambda parts: text.report(".", parts))
    assert "40% of the perfect label's gain (target 80% missed)" in (tmp_path / "r.md").read_text()


def test_report_leaves_out_unsound_runs_and_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    write_results(tmp_path, 2)
    for file in tmp_path.glob(f"001-*/{trial.RESULT}"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "ok": False}))
    assert {arm: list(each) for arm, each in report.load(tmp_path).items()} == {
        arm: [0] for arm in ("baseline", "priority", "priority-truth")
    }
    with pytest.raises(LabError, match=r"expected folders with a result\.json"):
        report.load(tmp_path / "empty")


def test_resume_takes_only_sound_results_of_the_same_settings_and_media(tmp_path: Path) -> None:
    write_results(tmp_path, 1)
    run = design.runs(1, ("baseline",), 40, 7)[0]
    assert lanes.result_of(run, tmp_path, "digest") is not None
    assert lanes.result_of(run, tmp_path, "other media") is None
    assert lanes.result_of(design.runs(1, ("baseline",), 41, 7)[0], tmp_path, "digest") is None
    assert lanes.result_of(design.runs(1, ("baseline",), 40, 8)[0], tmp_path, "digest") is None
    (tmp_path / run.name / trial.RESULT).write_text('{"settings":')
    assert lanes.result_of(run, tmp_path, "digest") is None


def test_plots_draw_what_they_are_given() -> None:
    estimate = paired.Estimate(0.2, 0.1, 0.3, 5)
    drawn = plots.means("title <&>", {"a figure": [estimate, None]}, ["one", "two"])
    assert ElementTree.fromstring(drawn) is not None and drawn.count("<circle") == 1
    assert plots.ticks(0, 1) == [0, 0.5, 1] and plots.ticks(-0.2, 0.3, 5) == [-0.2, -0.1, 0, 0.1, 0.2, 0.3]
    assert plots.pairs("t", "x", {"arm": [(0.1, 0.2), (0.3, 0.1)]}).count("<circle") == 2
    assert plots.waits("t", {"arm": [0.1, float("inf")]}).count("<polyline") == 1


def test_command_wrong_use_is_a_sentence() -> None:
    script = prerequisites.ROOT / "scripts/qos-lab"
    done = subprocess.run([str(script), "--arms", "magic"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "qos-lab: --arms: expected some of" in done.stderr


# ---- a real pair


PROBLEMS = [*prerequisites.problems(prerequisites.DEFAULT_BUILD), *([] if shutil.which("curl") else ["no curl"])]


@pytest.mark.skipif(bool(PROBLEMS), reason=f"cannot record here: {'; '.join(PROBLEMS)}")
def test_real_pair_is_recorded_and_those_who_know_act(tmp_path: Path) -> None:
    """Twelve seconds, three arms at the same time: the parts fit together, whatever the figures."""
    script = prerequisites.ROOT / "scripts/qos-lab"
    words = ["--pairs", "1", "--seconds", "12", "--lanes", "3", "--media", "ci", "--path", design.FIXED]
    words += ["--arms", "baseline,priority-truth,app-truth", "--out", str(tmp_path)]
    done = subprocess.run([str(script), *words], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr + done.stdout
    results = {arm: each[0] for arm, each in report.load(tmp_path).items()}
    assert results.keys() == {"baseline", "priority-truth", "app-truth"}
    for arm, each in results.items():
        assert each["player"]["clips"] >= 1, arm
        assert sum(each["bytes_down"]["video"]) > 100_000 and each["transfers"]["downloads_mbit"] > 0, arm
    prioritised = {arm: each["path"]["down"]["prioritised"]["packets"] for arm, each in results.items()}
    assert prioritised["baseline"] == 0 and prioritised["priority-truth"] > 50
    reasons = {decision["reasons"]["prefetch_depth"] for decision in results["app-truth"]["decisions"]}
    assert reasons & {"video", "congested"}
    seen = (tmp_path / "000-app-truth/events.jsonl").read_text()
    assert '"event": "decision"' in seen
    assert "Means over pairs" in (tmp_path / "qos-means.svg").read_text()
    assert (tmp_path / report.MARKDOWN).read_text().startswith("<!-- Made by")
