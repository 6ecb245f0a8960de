"""Scenario files: what is refused and how, what a matrix expands to, and that it is balanced."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from reelsense_lab import prerequisites, scenario, workloads
from reelsense_lab.errors import LabError

SCENARIOS = prerequisites.LAB / "scenarios"
GOOD = {"design": "aria", "workload": "reels", "path": "lte"}


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "made.yaml"
    file.write_text(text)
    return file


def test_load_single_session_has_a_name_and_a_seed_of_its_own(tmp_path: Path) -> None:
    (session,) = scenario.load(write(tmp_path, "{design: aria, workload: reels, path: lte}"))
    assert session.name == "aria-reels-lte-h2-000"
    assert session.label == "video"
    assert session.seed > 0
    assert scenario.load(write(tmp_path, "{design: aria, workload: reels, path: lte}")) == [session]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("design: [", "expected YAML"),
        ("- 1", "expected a mapping"),
        ("{design: zebra, workload: reels, path: lte}", "sessions[0].design: expected one of aria, brisk"),
        ("{design: aria, workload: reels}", "sessions[0].path: expected this key, got nothing"),
        ("{design: aria, workload: reels, path: moon}", "sessions[0].path: expected a profile (3g"),
        ("{design: aria, workload: reels, path: lte, seconds: 2}", "seconds: expected an integer from 5"),
        ("{design: aria, workload: reels, path: lte, colour: red}", "sessions[0].colour: expected one of"),
        ("{design: aria, workload: mixed, path: lte}", "sessions[0].parts: expected parts exactly where"),
        ("sessions: [{each: {design: all, workload: [sleep]}, set: {path: lte}}]", "each.workload[0]: expected one of"),
        ("sessions: [{each: {design: aria}}]", "each.design: expected a list"),
        ("sessions: []", "sessions: expected a list of mappings"),
        ("{sessions: [{each: {design: all}, what: 1}]}", "sessions[0].what: expected one of each"),
        (
            "{design: aria, workload: reels, path: lte, downloads: 5}",
            "sessions[0].downloads: expected an integer from 0 to 4, got 5",
        ),
        (
            "{design: aria, workload: reels, path: lte, background: [{kind: storm, mbit: 1}]}",
            "background: expected a list of {kind: constant|onoff|player",
        ),
    ],
)
def test_load_mistake_names_file_key_and_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(LabError) as error:
        scenario.load(file)
    assert str(file) in str(error.value)
    assert expected in str(error.value)


def test_load_twice_the_same_name_is_refused(tmp_path: Path) -> None:
    entry = "{name: a, design: aria, workload: reels, path: lte}"
    with pytest.raises(LabError, match="different name"):
        scenario.load(write(tmp_path, f"sessions: [{entry}, {entry}]"))


def test_settings_read_back_give_the_same_session(tmp_path: Path) -> None:
    import yaml

    session = scenario.load(SCENARIOS / "ci.yaml")[1]
    assert scenario.load(write(tmp_path, yaml.safe_dump(session.settings()))) == [session]


def test_downloads_begin_at_times_of_the_seed_and_are_read_back(tmp_path: Path) -> None:
    import yaml

    (session,) = scenario.load(write(tmp_path, "{design: aria, workload: reels, path: lte, downloads: 2, seed: 5}"))
    low, high = scenario.DOWNLOADS_FROM_S
    assert len(session.downloads_at_s()) == 2
    assert all(low <= at <= high for at in session.downloads_at_s())
    (again,) = scenario.load(write(tmp_path, yaml.safe_dump(session.settings())))
    assert (again, again.downloads_at_s()) == (session, session.downloads_at_s())


def test_settings_of_a_session_without_downloads_do_not_name_them(tmp_path: Path) -> None:
    # Sessions recorded before there were any stay complete.
    (session,) = scenario.load(write(tmp_path, "{design: aria, workload: reels, path: lte}"))
    assert "downloads" not in session.settings()


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.yaml")), ids=lambda file: file.name)
def test_shipped_scenarios_every_session_has_actions_in_order(file: Path) -> None:
    for session in scenario.load(file):
        times = [action["at"] for action in session.actions()]
        assert times and times == sorted(times)
        assert times == [action["at"] for action in session.actions()]
        assert session.timeline()[-1].end_s <= session.seconds + 0.01


@pytest.mark.parametrize(
    ("name", "designs", "least", "paths_met"),
    [("full", workloads.DESIGNS[:4], 6, 12), ("more", workloads.DESIGNS[4:], 5, 14)],
)
def test_full_and_more_are_two_hours_and_meet_their_balance(
    name: str, designs: tuple[str, ...], least: int, paths_met: int
) -> None:
    sessions = scenario.load(SCENARIOS / f"{name}.yaml")
    assert {session.design for session in sessions} == set(designs)
    assert sum(session.seconds for session in sessions) >= 7200
    paths = defaultdict(Counter)
    for session in sessions:
        paths[session.design, session.workload][session.path_name] += 1
        paths[session.workload][session.path_name] += 1
    hard = ("reels", "feed", "carousel", "download", "upload", "videocall")
    for workload in workloads.WORKLOADS:
        for design in designs:
            assert len(paths[design, workload]) >= (least if workload in hard else 2), (design, workload)
    for workload in hard:
        assert len(paths[workload]) == paths_met, workload
        assert max(paths[workload].values()) - min(paths[workload].values()) <= 3, workload
    assert 0.15 <= sum(session.cdn for session in sessions) / len(sessions) <= 0.3
    assert 0.4 <= sum(session.protocol == "h3" for session in sessions) / len(sessions) <= 0.6
    assert any(session.ipv6 for session in sessions)


def test_shared_every_session_has_downloads_beside_it_and_every_design_has_reels_on_four_paths() -> None:
    sessions = scenario.load(SCENARIOS / "shared.yaml")
    assert all(session.downloads for session in sessions)
    for design in workloads.DESIGNS:
        assert len({s.path_name for s in sessions if (s.design, s.workload) == (design, "reels")}) == 4, design


def test_recorded_scenarios_share_no_session() -> None:
    names = [
        session.name for file in ("full", "more", "shared") for session in scenario.load(SCENARIOS / f"{file}.yaml")
    ]
    assert len(names) == len(set(names))


def test_full_first_part_is_a_balanced_sample() -> None:
    sessions = scenario.load(SCENARIOS / "full.yaml")
    part = sessions[: len(sessions) // 3]
    assert {session.workload for session in part} == {session.workload for session in sessions}
    designs = Counter(session.design for session in part)
    assert max(designs.values()) - min(designs.values()) <= len(part) // 10
    labels = Counter(session.label for session in part), Counter(session.label for session in sessions)
    assert abs(labels[0]["video"] / len(part) - labels[1]["video"] / len(sessions)) < 0.06


def test_extra_paths_join_the_rotation(tmp_path: Path) -> None:
    text = "{extra_paths: true, sessions: [{each: {design: all, workload: [reels]}, rotate: {path: [lte]}, repeat: 2}]}"
    sessions = scenario.load(write(tmp_path, text), ["wifi", "3g"])
    assert Counter(session.path_name for session in sessions) == {"lte": 8, "wifi": 8}  # no more than were there
