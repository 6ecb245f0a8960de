"""The targets of the product, each held against what was measured: met or missed, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

Json = dict[str, object]


@dataclass(frozen=True)
class Target:
    """``path`` leads to the figure in report.json. ``at_most`` turns the comparison round."""

    measure: str
    path: tuple[str, ...]
    ue: float
    edge: float
    at_most: bool = False


TARGETS = (
    Target("lab grid, active windows, mean F1", ("headline", "mean"), 0.97, 0.98),
    Target("lab grid, worst cell F1: reels against its look-alikes, each path", ("headline", "worst"), 0.90, 0.93),
    Target("recorded hard paths (loss, RTT, ≥ 0.5 Mbit/s, policing): mean F1", ("hard_paths", "mean"), 0.93, 0.95),
    Target("emulated hard paths (also loss to 30 %): worst condition's F1", ("emulated", "worst_target"), 0.93, 0.95),
    Target("session label, all seconds of a reels session: accuracy", ("session", "reels"), 0.95, 0.97),
    Target("right label of a video flow ≤ 2 s after its first byte", ("timing", "all", "within", "2"), 0.90, 0.95),
    Target("calibration error (ECE), classes weighing alike", ("calibration", "ece"), 0.03, 0.03, at_most=True),
    Target("public traces, grouped by capture: F1", ("public", "grouped", "f1"), 0.98, 0.99),
    Target("public traces, source held out: headline", ("public", "held_out", "headline"), 0.90, 0.92),
    Target("video flow recognised ≤ 3 s, slow or moving link", ("timing", "slow", "within", "3"), 0.80, 0.85),
)
ESCALATION_POINTS = 0.005


def _figure(report: Json, path: tuple[str, ...]) -> float | None:
    found: object = report
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) and not isnan(found) else None


def _row(measure: str, target: float, figure: float | None, at_most: bool) -> Json:
    if figure is None:
        return {"measure": measure, "target": target, "at_most": at_most, "figure": None, "met": None, "margin": None}
    margin = target - figure if at_most else figure - target
    return {"measure": measure, "target": target, "at_most": at_most, "figure": round(figure, 4),
            "met": margin >= 0, "margin": round(margin, 4)}  # fmt: skip


def held_against(report: Json, tier: str) -> list[Json]:
    """A row a target; a figure that was not measured is neither met nor missed."""
    rows = [_row(t.measure, t.edge if tier == "edge" else t.ue, _figure(report, t.path), t.at_most) for t in TARGETS]
    behind = _figure(report, ("escalation", "behind_edge"))
    if tier == "ue":
        rows.append(_row("UE with escalation (≤ 15 % of windows), mean F1 behind edge alone",
                         ESCALATION_POINTS, behind, at_most=True))  # fmt: skip
    return rows
