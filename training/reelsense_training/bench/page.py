"""``report.html``: one page without outside assets, made from report.json alone."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from reelsense_training.bench import sections
from reelsense_training.bench.style import CSS

Report = dict[str, Any]


def figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _hero(report: Report) -> str:
    head = report["headline"]
    low, high = head["worst_interval"]
    mean_low, mean_high = head["mean_interval"]
    family_low, family_high = head["worst_family_interval"]
    return f"""
<section class="hero">
<div class="first"><div class="figure">{figure(head["worst"])}</div>
<div class="what"><b>Worst cell F1</b>{escape(head["worst_cell"] or "no hard cell has enough windows")}<br>
95 % interval over sessions {figure(low)} to {figure(high)}</div></div>
<div><div class="figure">{figure(head["worst_family"])}</div>
<div class="what"><b>Worst by family of paths</b>{escape(head["worst_family_cell"] or "–")}<br>95 % interval
{figure(family_low)} to {figure(family_high)}</div></div>
<div><div class="figure">{figure(head["mean"])}</div>
<div class="what"><b>Mean F1 of {head["cells"]} cells</b>95 % interval {figure(mean_low)}
to {figure(mean_high)}</div></div>
<div><div class="figure">{figure(head["worst_any"])}</div>
<div class="what"><b>Worst of all cells</b>{escape(head["worst_any_cell"] or "–")}, look-alike or not</div></div>
</section>"""


def _warnings(report: Report) -> str:
    """What was retrained, and what a reader must not overlook."""
    notes = []
    subject, head = report["subject"], report["headline"]
    note = escape(subject["note"])
    if note and not subject["held_out"]:
        notes.append(f"Not a held-out figure, as {note}. Quote figures of <code>reelbench run</code>.")
    if head["missing_hard"]:
        missing = ", ".join(head["missing_hard"])
        notes.append(
            f"No cell of these look-alikes had enough windows: {escape(missing)}. The headline does not cover them."
        )
    retrained = f'<p class="note">Retrained in every fold: {note}.</p>' if note and subject["held_out"] else ""
    return retrained + "".join(f'<p class="warning">{each}</p>' for each in notes)


def _footer(report: Report) -> str:
    data, rules = report["data"], report["rules"]
    return f"""<footer>Lab data {data["digest"][:16]}, feature schema {data["schema_hash"][:12]};
{data["sessions"]} sessions, {data["flows"]} flows, {data["counted"]} counted windows of {data["windows"]},
{data["video"]} of them video. A cell needs {rules["min_windows"]} windows and {rules["min_sessions"]} sessions of
each class. Definitions: docs/reference/reelbench.md.</footer>"""


def render(report: Report) -> str:
    """The page. Sections without figures are left out, except that missing targets stay in their table."""
    subject, data = report["subject"], report["data"]
    how = "held out: designs and paths that its training never saw" if subject["held_out"] else "scored as given"
    body = "".join(
        part(report)
        for part in (
            sections.targets, sections.heat_map, sections.emulated, sections.time_and_calibration,
            sections.workloads, sections.sessions, sections.facets, sections.escalation, sections.controls,
            sections.public, sections.split,
        )
    )  # fmt: skip
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>ReelBench: {escape(subject["name"])}</title><style>{CSS}</style></head><body><main>
<header><p class="kicker">ReelBench, {how}</p><h1>{escape(subject["name"])}</h1>
<p class="lead">Video or not, per flow and second, on {data["sessions"]} recorded sessions of
{len(data["designs"])} app designs over {len(data["paths"])} paths. Every cell pairs reels with one other kind of
traffic on the same path.</p></header>
{_warnings(report)}{_hero(report)}{body}{_footer(report)}
</main></body></html>
"""


def write_report(report: dict[str, object], folder: Path) -> list[Path]:
    """report.json and the page beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / "report.json", folder / "report.html"
    data.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    page.write_text(render(report))
    return [data, page]
