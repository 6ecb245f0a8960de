"""The sections of the page, each from its part of report.json to HTML; empty where there is nothing to show."""

from __future__ import annotations

from html import escape
from typing import Any

from reelsense_training.bench.svg import Axis, Line, level, lines, reliability
from reelsense_training.bench.svg import bar as bar_svg

Report = dict[str, Any]
# Lower ends of the heat map's steps: below 0.6, … up to 0.97 and more.
STEPS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.97)
F1_AXIS = Axis(0.5, 1.0, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "F1")


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def table(head: list[str], rows: list[list[str]], left: tuple[int, ...] = (0,)) -> str:
    """Cells are HTML already."""
    mark = [' class="left"' if i in left else "" for i in range(len(head))]
    top = "".join(f"<th{mark[i]}>{name}</th>" for i, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{mark[i]}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def targets(report: Report) -> str:
    rows = []
    for row in report["targets"]:
        sign = "≤" if row["at_most"] else "≥"
        if row["met"] is None:
            verdict = '<span class="none">not measured</span>'
        elif row["met"]:
            verdict = f'<span class="met">met by {row["margin"]:.3f}</span>'
        else:
            verdict = f'<span class="missed">missed by {-row["margin"]:.3f}</span>'
        rows.append([escape(row["measure"]), f"{sign} {row['target']:g}", number(row["figure"]), verdict])
    return "<h2>Targets</h2>" + table(["measure", "target", "measured", "verdict"], rows)


def _step(value: float) -> int:
    return sum(value >= limit for limit in STEPS)


def _order(cells: list[dict[str, Any]], left_out: list[dict[str, Any]]) -> list[str]:
    """Opponents, hard ones first, then by name."""
    hard = {c["opponent"]: c["hard"] for c in cells}
    names = set(hard) | {str(x["opponent"]) for x in left_out}
    return sorted(names, key=lambda n: (not hard.get(n, False), n))


def _heat_cell(cell: dict[str, Any] | None, reason: str, worst: str) -> str:
    if cell is None:
        return f'<td class="out" title="{escape(reason)}">–</td>'
    interval = "" if cell["low"] is None else f"<small>{cell['low']:.2f} to {cell['high']:.2f}</small>"
    classes = f"q{_step(cell['f1'])}" + (" worst" if f"{cell['opponent']} on {cell['path']}" == worst else "")
    title = (
        f"{cell['opponent']} on {cell['path']}: recall {number(cell['recall'])} of {cell['videos']} video windows, "
        f"specificity {number(cell['specificity'])} of {cell['others']}; "
        f"sessions {cell['video_sessions']} + {cell['other_sessions']}"
    )
    return f'<td class="{classes}" title="{escape(title)}">{cell["f1"]:.3f}{interval}</td>'


def _heat(grid: dict[str, Any], by: str, worst: str) -> str:
    """A row a place, a column an opponent, look-alikes first."""
    cells, left_out = grid["cells"], grid["left_out"]
    found = {(c["path"], c["opponent"]): c for c in cells}
    reasons = {(str(x[by]), str(x["opponent"])): str(x["reason"]) for x in left_out}
    hard = {c["opponent"] for c in cells if c["hard"]}
    names = _order(cells, left_out)
    head = "".join(
        f'<th scope="col">{escape(n)}<small>{"look-alike" if n in hard else "&nbsp;"}</small></th>' for n in names
    )
    rows = []
    # Places without a single cell (no reels were recorded there) are in the list below the map.
    for place in sorted({p for p, _ in found}):
        row = "".join(_heat_cell(found.get((place, n)), reasons.get((place, n), "not recorded"), worst) for n in names)
        rows.append(f'<tr><th scope="row">{escape(place)}</th>{row}</tr>')
    top = f"<thead><tr><th></th>{head}</tr></thead>"
    return f'<div class="scroll"><table class="heat">{top}<tbody>{"".join(rows)}</tbody></table></div>'


def heat_map(report: Report) -> str:
    worst = report["headline"]["worst_cell"] or ""
    left_out = report["grid"]["left_out"]
    listed = "".join(
        f"<li>{escape(x['opponent'])} on {escape(x['path'])}: {escape(x['reason'])}</li>" for x in left_out
    )
    details = (
        f"<details><summary>{len(left_out)} cells left out</summary><ul>{listed}</ul></details>" if left_out else ""
    )
    return f"""<h2>Reels against everything else, path by path</h2>
<p class="note">F1 of video where both sides of a cell weigh the same, on recorded sessions. Small figures: 95 %
interval by bootstrap over sessions; without one, a side has a single session. The framed cell is the headline;
orange is below 0.9.</p>
{_heat(report["grid"], "path", worst)}{details}"""


def emulated(report: Report) -> str:
    found = report["emulated"].get("conditions") if report["emulated"] else None
    if not found:
        return ""
    rows = [
        [escape(c["condition"]), number(c["f1"]), bar_svg(c["f1"], "a" if c["f1"] >= 0.9 else "b", c["condition"]),
         percent(c["recall"]), percent(c["specificity"]), f"{number(c['worst_f1'])} {escape(c['worst_opponent'])}"]
        for c in found
    ]  # fmt: skip
    plots = "".join(_sweep(found, axis, title, report) for axis, title in
                    (("rate", "rate, Mbit/s"), ("loss", "loss, %"), ("rtt", "round trip, ms")))  # fmt: skip
    return f"""<h2>Emulated: worse paths and worse collectors</h2>
<p class="note">The same held-out sessions with their packets moved, delayed or lost by a model of the path.
These are not recordings and enter no figure above. All video against every other workload,
workloads weighing alike.</p>
<div class="pair">{plots}</div>
{table(["condition", "F1", "", "recall", "specificity", "worst opponent"], rows)}"""


def _sweep(found: list[dict[str, Any]], axis: str, title: str, report: Report) -> str:
    points = sorted((c["value"], c["f1"], c["worst_f1"]) for c in found if c["axis"] == axis)
    if len(points) < 2:
        return ""
    places = range(len(points))
    x = Axis(0, len(points) - 1, tuple(float(i) for i in places), title, tuple(f"{p[0]:g}" for p in points))
    goal = 0.95 if report["subject"]["tier"] == "edge" else 0.93
    series = [
        level(x, goal, "target", "target"),
        Line(tuple((float(i), points[i][1]) for i in places), "all", "a", True),
        Line(tuple((float(i), points[i][2]) for i in places), "worst", "b", True),
    ]
    key = ('<p class="key"><i class="a"></i>all workloads<i class="b"></i>worst workload'
           '<i class="target"></i>target</p>')  # fmt: skip
    return f"<figure><h3>F1 by {title}</h3>{key}{lines(x, F1_AXIS, series, text=f'F1 by {title}')}</figure>"


def time_and_calibration(report: Report) -> str:
    timing, calibration, uncertain = report["timing"], report["calibration"], report["uncertain"]
    parts = []
    if timing["all"]["flows"]:
        parts.append(_time_curve(timing))
    if calibration:
        plot = reliability(calibration["bins"], "reliability: observed against stated share of video")
        parts.append(
            f"<figure><h3>Observed share of video, by stated probability</h3>{plot}"
            f"<figcaption>ECE {number(calibration['ece'])} with classes weighing alike, "
            f"{number(calibration['ece_unweighted'])} "
            f"as windows come. {percent(uncertain['share'])} of the windows are marked uncertain; accuracy "
            f"{percent(uncertain['accuracy_sure'])} on the others, "
            f"{percent(uncertain['accuracy_uncertain'])} on those, "
            f"{percent(uncertain['accuracy'])} without abstention.</figcaption></figure>"
        )
    return f'<h2>How soon, and how sure</h2><div class="pair">{"".join(parts)}</div>' if parts else ""


def _time_curve(timing: dict[str, Any]) -> str:
    x = Axis(0, 20, (0, 2, 5, 10, 15, 20), "seconds since the flow's first byte")
    y = Axis(0, 1, (0, 0.25, 0.5, 0.75, 1), "share")
    series = [Line(tuple((a, b) for a, b in timing["all"]["curve"]), "all", "a")]
    key = '<i class="a"></i>all paths'
    if timing["slow"]["flows"]:
        series.append(Line(tuple((a, b) for a, b in timing["slow"]["curve"]), "slow", "b"))
        key += '<i class="b"></i>slow or moving links'
    every, slow = timing["all"], timing["slow"]
    slow_text = (
        f" On slow or moving links {percent(slow['within']['3'])} of {slow['flows']} within 3 s."
        if slow["flows"]
        else ""
    )
    return (
        f'<figure><h3>Video flows recognised, by time</h3><p class="key">{key}</p>'
        f"{lines(x, y, series, [(2, '2 s')], 'share of video flows recognised by time')}"
        f"<figcaption>{every['flows']} video flows; median {number(every['median_s'], 1)} s, "
        f"{percent(every['within']['2'])} "
        f"within 2 s, {percent(every['never'])} never.{slow_text}</figcaption></figure>"
    )


def workloads(report: Report) -> str:
    rows = []
    for row in report["workloads"]:
        truth = "video" if row["video"] else "non-video"
        wrong = "non-video" if row["video"] else "video"
        rows.append(
            [escape(row["workload"]), truth, str(row["windows"]), str(row["sessions"]), percent(row["right"]),
             bar_svg(row["right"], "a" if row["video"] else "b", f"{row['workload']} right"),
             f"{percent(None if row['right'] is None else 1 - row['right'])} called {wrong}", percent(row["uncertain"])]
        )  # fmt: skip
    head = ["workload", "truth", "windows", "sessions", "right", "", "wrong", "uncertain"]
    return "<h2>What is taken for what</h2>" + table(head, rows, left=(0, 1))


def sessions(report: Report) -> str:
    session = report["session"]
    if not session["seconds"]:
        return ""
    rows = [[escape(name), str(v["seconds"]), percent(v["accuracy"])] for name, v in session["by_workload"].items()]
    return f"""<h2>The session's label, second by second</h2>
<p class="note">Is the user watching video now, by the hold rule over all flows, also while nothing is sent.
All seconds: {percent(session["accuracy"])} right; reels sessions {percent(session["reels"])}; seconds of video
without load {percent(session["video_idle"])} of {session["video_idle_seconds"]}.</p>
{table(["in front", "seconds", "right"], rows)}"""


def facets(report: Report) -> str:
    parts = []
    for name, grid in report["facets"].items():
        if len({c["path"] for c in grid["cells"]}) > 1:
            parts.append(f"<details><summary>By {escape(name)}</summary>{_heat(grid, name, '')}</details>")
    return f"<h2>The same grid, cut otherwise</h2>{''.join(parts)}" if parts else ""


def escalation(report: Report) -> str:
    found = report["escalation"]
    if not found:
        return ""
    names = (("ue", "UE alone"), ("both", "UE, uncertain windows from the edge"), ("edge", "edge alone"))
    rows = [[label, number(found[key]["worst"]), number(found[key]["mean"])] for key, label in names]
    return f"""<h2>Two tiers together</h2>
<p class="note">{percent(found["share"])} of the counted windows were handed over.</p>
{table(["", "worst hard cell", "mean"], rows)}"""


def controls(report: Report) -> str:
    found, parts = report["controls"], []
    if shuffled := found.get("shuffled_labels"):
        repeats = ", ".join(number(v) for v in shuffled["by_repeat"])
        parts.append(f"<p>Shuffled labels, exchanged between whole sessions: balanced accuracy "
                     f"<b>{number(shuffled['balanced_accuracy'])}</b>; chance is 0.5. "
                     f"Repeats: {repeats}.</p>")  # fmt: skip
    if seeds := report["seeds"]:
        text = "; ".join(f"seed {s['seed']}: worst {number(s['worst'])}, mean {number(s['mean'])}" for s in seeds)
        parts.append(f"<p>Seeds. {text}.</p>")
    if ablation := found.get("ablation"):
        base = ablation["nothing"]
        rows = [[f"without {escape(name)}", number(v["worst"]), _change(v["worst"], base["worst"]), number(v["mean"]),
                 _change(v["mean"], base["mean"])] for name, v in ablation.items()]  # fmt: skip
        parts.append("<h3>Feature groups taken away, retrained</h3>"
                     + table(["", "worst hard cell", "change", "mean", "change"], rows))  # fmt: skip
    if source := found.get("source_identification"):
        rows = [[escape(name), number(v["balanced_accuracy"]), number(v["chance"])] for name, v in source.items()]
        parts.append("<h3>Sources told apart inside one class</h3>" + table(["", "balanced accuracy", "chance"], rows))
    return f"<h2>Controls</h2>{''.join(parts)}" if parts else ""


def _change(value: float | None, base: float | None) -> str:
    return "–" if value is None or base is None else f"{value - base:+.3f}"


def public(report: Report) -> str:
    found = report["public"]
    if not found:
        return ""
    held, grouped = found["held_out"], found.get("grouped")
    known = ""
    if grouped:
        windows = grouped["windows"]
        known = f"Grouped by capture, all sources known: F1 {number(grouped['f1'])} over {windows} windows."
    rows = [[escape(name), str(v["windows"]), percent(v["recall"]), percent(v["specificity"])]
            for name, v in held["sources"].items()]  # fmt: skip
    return f"""<h2>Public real traces, apart</h2>
<p class="note">Trained on the lab and the other sources, the named source hidden: headline {number(held["headline"])}.
{known}</p>
{table(["source held out", "windows", "recall", "specificity"], rows)}"""


def split(report: Report) -> str:
    if not report["split"]:
        return ""
    rows = [[escape(f["name"]), str(f["train_sessions"]), str(f["test_sessions"])] for f in report["split"]]
    return (f"<details><summary>{len(rows)} folds: what each held out</summary>"
            f"{table(['held out together', 'training sessions', 'test sessions'], rows)}</details>")  # fmt: skip
