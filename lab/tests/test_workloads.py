"""The timelines: deterministic, inside their time, and only asking for what the driver and the pages can do."""

from __future__ import annotations

import random
import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from reelsense_lab import testbed, workloads
from reelsense_lab.workloads import DESIGNS, WORKLOADS, actions

WEB = Path(workloads.__file__).resolve().parent.parent / "web"
EVERY = [(design, workload) for design in DESIGNS for workload in WORKLOADS]
START_S, END_S = 3.0, 63.0


def timeline(design: str, workload: str, seed: int = 7, **more: object) -> list[workloads.Action]:
    return actions(design, workload, random.Random(seed), START_S, END_S, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("design", "workload"), EVERY)
def test_Actions_SameSeed_SameTimeline(design: str, workload: str) -> None:
    assert timeline(design, workload) == timeline(design, workload)


@pytest.mark.parametrize(("design", "workload"), EVERY)
@pytest.mark.parametrize("seed", range(5))
def test_Actions_AnySeed_SortedInsideTheirTimeAndOpenFirst(design: str, workload: str, seed: int) -> None:
    drawn = timeline(design, workload, seed)
    times = [action["at"] for action in drawn]
    assert drawn[0]["do"] == "open"
    assert times == sorted(times)
    assert times[0] == START_S
    assert times[-1] <= END_S


@pytest.mark.parametrize(("design", "workload"), EVERY)
def test_Actions_Address_NamesDesignWorkloadAndCdn(design: str, workload: str) -> None:
    for cdn in (False, True):
        addresses = [urlparse(action["url"]) for action in timeline(design, workload, cdn=cdn) if "url" in action]
        assert {address.path for address in addresses} == {f"/{design}/{workload}"}
        assert {parse_qs(address.query).get("cdn") == ["1"] for address in addresses} == {cdn}


def test_Actions_SeedsAndDesigns_DifferInWhatTheyAskFor() -> None:
    addresses = {timeline(design, "reels", seed)[0]["url"] for design in DESIGNS for seed in range(10)}
    assert len(addresses) == len(DESIGNS) * 10


def test_Actions_CallersOptions_WinOverDrawnOnes() -> None:
    (opened, *_) = timeline("aria", "reels", options={"rung": 270, "prefetch": 0, "tab": "second"})
    asked = parse_qs(urlparse(opened["url"]).query)
    assert (asked["rung"], asked["prefetch"], opened["tab"]) == (["270"], ["0"], "second")
    assert "tab" not in asked


@pytest.mark.parametrize(("design", "workload"), [("elm", "reels"), ("aria", "games")])
def test_Actions_UnknownName_ValueErrorNamesTheKnownOnes(design: str, workload: str) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        timeline(design, workload)


def test_Actions_EveryVerb_KnownToTheDriver() -> None:
    driver = (WEB / "browse.mjs").read_text()
    known = set(re.findall(r"^  async (\w+)\(page", driver, re.MULTILINE))
    used = {action["do"] for pair in EVERY for action in timeline(*pair)}
    assert used <= known


def test_Actions_EveryToldName_IsAControlOfAPage() -> None:
    pages = "".join(page.read_text() for page in (WEB / "pages").rglob("*.js"))
    known = set(re.findall(r"controls\.(\w+) =", pages))
    used = {
        action["name"] for pair in EVERY for seed in range(5) for action in timeline(*pair, seed) if "name" in action
    }
    assert used <= known


@pytest.mark.parametrize("design", DESIGNS)
def test_Designs_Page_HasEveryWorkload(design: str) -> None:
    page = (WEB / f"pages/designs/{design}.js").read_text()
    offered = set(re.findall(r"^  (\w+)[:,]", page.split("export default")[1], re.MULTILINE))
    assert offered == set(WORKLOADS)


def test_Workloads_Label_IsThatOfTheirServers() -> None:
    labels = {server.name: server.label for server in testbed.EVERY_CLASS}
    for name, workload in WORKLOADS.items():
        assert labels[workload.classes[0]] == workload.label, name
        assert {labels[each] for each in workload.classes[1:]} <= {"non-video"}, name
        assert workload.session_video == (workload.label == "video")
        assert workload.needs_peer == (workload.classes[0] == "call")


def test_WatchTimes_ManyDraws_FallLikeARetentionCurve() -> None:
    rng = random.Random(1)
    drawn = sorted(workloads.watch_s(rng, 1.0) for _ in range(4000))
    left_early = sum(watched < 3 for watched in drawn) / len(drawn)
    stayed = sum(watched > 10 for watched in drawn) / len(drawn)
    assert 0.35 < left_early < 0.55
    assert 0.15 < stayed < 0.35
    assert drawn[0] >= workloads.SHORTEST_WATCH_S
