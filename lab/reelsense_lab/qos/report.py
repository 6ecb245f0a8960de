"""The report of a folder of runs, as Markdown and pictures: what was measured, and under which conditions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from reelsense_lab.errors import LabError
from reelsense_lab.qos import design, metrics, paired, plots, trial
from reelsense_lab.qos.paired import Estimate

META = "runs.json"
TARGET = 0.8
MARKDOWN = "qos-report.md"
Results = Mapping[str, Mapping[int, dict[str, Any]]]  # arm → pair → result


@dataclass(frozen=True, slots=True)
class Metric:
    key: str
    title: str
    unit: str
    form: str
    of: Callable[[dict[str, Any]], float | None]
    headline: bool = False  # held against the target


def rebuffering(result: dict[str, Any]) -> float:
    """1 where nothing was ever played: to leave such a run out would reward the arm that starved it."""
    ratio = result["player"]["rebuffering"]
    return 1.0 if ratio is None else float(ratio)


def mean_wait(result: dict[str, Any]) -> float:
    return fmean(wait for wait, _ in result["player"]["waits_s"])


METRICS = (
    Metric("rebuffering", "rebuffering ratio", "", ".3f", lambda r: rebuffering(r), True),
    Metric("no_picture", "time without a picture", "", ".3f", lambda r: r["player"]["no_picture"], True),
    Metric("never_started", "never started", "", ".3f", lambda r: r["player"]["never_started"], True),
    Metric("wait", "wait for the first frame, mean", "s", ".2f", lambda r: mean_wait(r), True),
    Metric("first_frame", "the same of clips that started", "s", ".2f", lambda r: r["player"]["first_frame_mean_s"]),
    Metric("bitrate", "bitrate shown", "kbit/s", ".0f", lambda r: r["player"]["bitrate_kbps"]),
    Metric("wasted", "fetched, never shown", "MB", ".2f", lambda r: r["transfers"]["wasted_bytes"] / 1e6),
    Metric("downloads", "both downloads", "Mbit/s", ".2f", lambda r: r["transfers"]["downloads_mbit"]),
)


def load(out: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """Every sound result in the folder."""
    found: defaultdict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for file in sorted(out.glob(f"*/{trial.RESULT}")):
        result = json.loads(file.read_text())
        if result["ok"]:
            found[result["settings"]["arm"]][result["settings"]["number"]] = result
    if not found:
        raise LabError(f"{out}: expected folders with a {trial.RESULT}, found none that is sound")
    return {arm: found[arm] for arm in design.ARMS if arm in found}


def figures(results: Results, metric: Metric) -> dict[str, dict[int, float | None]]:
    return {arm: {number: metric.of(result) for number, result in each.items()} for arm, each in results.items()}


def first_frames(results: Mapping[int, dict[str, Any]]) -> dict[int, list[float]]:
    """Waits for the first frame; of clips that never started what was waited, a lower bound."""
    return {number: [wait for wait, _ in result["player"]["waits_s"]] for number, result in results.items()}


def shown(estimate: Estimate | None, form: str, *, sign: bool = False) -> str:
    if estimate is None:
        return "–"
    form = ("+" if sign else "") + form
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    alignment = ["---", *(["---:"] * (len(head) - 1))]
    return [f"| {' | '.join(row)} |" for row in (head, alignment, *rows)] + [""]


def titled(arm: str) -> str:
    return design.ARMS[arm].title


def means_table(results: Results) -> list[str]:
    """A row a figure, a column an arm."""
    rows = []
    for metric in METRICS:
        of = figures(results, metric)
        unit = f", {metric.unit}" if metric.unit else ""
        rows.append([metric.title + unit, *(shown(paired.mean(of, arm), metric.form) for arm in results)])
        if metric.key == "first_frame":
            p95 = [
                paired.pooled(first_frames(results[arm]), lambda v: metrics.quantile(v, metrics.P95)) for arm in results
            ]
            rows.append(["wait for the first frame, 95th percentile, s", *(shown(each, ".2f") for each in p95)])
    count = ["pairs", *(str(len(results[arm])) for arm in results)]
    dead = ["runs in which nothing was played"]
    dead += [str(sum(r["player"]["rebuffering"] is None for r in results[arm].values())) for arm in results]
    return table(["mean [95 % interval]", *map(titled, results)], [count, *rows, dead])


def differences_table(results: Results, arms: Sequence[str]) -> list[str]:
    rows = []
    for metric in METRICS:
        of = figures(results, metric)
        unit = f", {metric.unit}" if metric.unit else ""
        row = [metric.title + unit]
        for arm in arms:
            change = paired.difference(of, arm, design.ARMS[arm].baseline)
            row.append(shown(change, metric.form, sign=True) + (" *" if change and change.excludes(0) else ""))
        rows.append(row)
    return table(["arm − baseline", *map(titled, arms)], rows)


def gains_table(results: Results, arms: Sequence[str]) -> list[str]:
    rows = []
    for metric in (each for each in METRICS if each.headline):
        of, row = figures(results, metric), [metric.title]
        for arm in arms:
            about = design.ARMS[arm]
            assert about.truth
            row.append(_share(of, arm, about.baseline, about.truth))
        rows.append(row)
    return table(["share of the perfect label's gain", *map(titled, arms)], rows)


def _share(of: paired.Figures, arm: str, baseline: str, truth: str) -> str:
    possible = paired.difference(of, truth, baseline)
    if possible is None:
        return "–"
    if not possible.excludes(0) or possible.value > 0:
        return "no gain to share"
    share = paired.gain_share(of, arm, baseline, truth)
    return "–" if share is None else f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def by_path_table(results: Results) -> list[str]:
    """Rebuffering and time without a picture of each path: a mean hides what happens on the worst."""
    paths = sorted({result["settings"]["path"] for each in results.values() for result in each.values()})
    rows = []
    for path in paths:
        for metric in (each for each in METRICS if each.key in ("rebuffering", "no_picture", "downloads")):
            cells = []
            for arm in results:
                values = [metric.of(r) for r in results[arm].values() if r["settings"]["path"] == path]
                known = [value for value in values if value is not None]
                cells.append(f"{fmean(known):{metric.form}} ({len(known)})" if known else "–")
            rows.append([f"{path}: {metric.title}", *cells])
    return table(["mean (runs)", *map(titled, results)], rows)


def labels_table(results: Results) -> list[str]:
    rows = []
    for arm, each in results.items():
        marked = [result["labels"] for result in each.values() if result["labels"]]
        delays = [result["delay_s"]["median"] for result in each.values() if result["delay_s"]]
        if not delays:
            continue
        row = [titled(arm)]
        for key in ("video_bytes_marked", "other_bytes_marked"):
            known = [labels[key] for labels in marked if labels[key] is not None]
            row.append(f"{fmean(known):.3f} (worst {_worst(key, known):.3f})" if known else "–")
        changes = f"{fmean(labels['changes'] for labels in marked):.1f}" if marked else "–"
        rows.append([*row, changes, f"{median(delays):.2f}"])
    head = [
        "",
        "video bytes that went first",
        "other bytes that went first",
        "changes a run",
        "s after the second's end",
    ]
    return table(head, rows)


def _worst(key: str, values: Sequence[float]) -> float:
    return min(values) if key == "video_bytes_marked" else max(values)


def machine_table(results: Results) -> list[str]:
    rows = []
    for arm, each in results.items():
        runs = list(each.values())
        dropped = [run["player"]["dropped_frames"] for run in runs if run["player"]["dropped_frames"] is not None]
        waiting = [run["machine"]["waiting"] for run in runs if run["machine"]["waiting"] is not None]
        links = [
            run["transfers"]["link_mbit"]
            for run in runs
            if run["transfers"]["link_mbit"] is not None and run["settings"]["path"] == design.FIXED
        ]
        rows.append(
            [
                titled(arm),
                f"{fmean(run['machine']['busy'] for run in runs):.2f}",
                f"{fmean(waiting):.2f}" if waiting else "–",
                f"{fmean(dropped):.3f}" if dropped else "–",
                f"{fmean(links):.2f}" if links else "–",
            ]
        )
    head = ["", "processors busy", "some task waiting", "frames dropped", f"Mbit/s on {design.FIXED}"]
    return table(head, rows)


def verdict(results: Results, arms: Sequence[str]) -> list[str]:
    lines = []
    for arm in arms:
        about, words = design.ARMS[arm], []
        assert about.truth
        for metric in (each for each in METRICS if each.headline):
            of = figures(results, metric)
            possible = paired.difference(of, about.truth, about.baseline)
            share = paired.gain_share(of, arm, about.baseline, about.truth)
            if share is None or possible is None or possible.value > 0 or not possible.excludes(0):
                continue
            before, after = paired.mean(of, about.baseline), paired.mean(of, arm)
            assert before and after
            met = "met" if share.value >= TARGET else "missed"
            gained = f"{share.value:.0%} of the perfect label's gain" if share.value >= 0 else "worse, no gain"
            words.append(
                f"{metric.title} {before.value:{metric.form}} → {after.value:{metric.form}}, "
                f"{gained} (target {TARGET:.0%} {met})"
            )
        summary = "; ".join(words) or "a perfect label gains nothing here that the interval can tell from zero"
        lines.append(f"- **{about.title}** ({len(results[arm])} pairs): {summary}.")
    return [*lines, ""]


def pictures(results: Results) -> dict[str, str]:
    """File name → SVG."""
    rows = [titled(arm) for arm in results]
    panels = {
        f"{metric.title}{f', {metric.unit}' if metric.unit else ''}": [
            paired.mean(figures(results, metric), arm) for arm in results
        ]
        for metric in METRICS
    }
    made = {"qos-means.svg": plots.means("Means over pairs with 95 % intervals", panels, rows)}
    rebuffering = figures(results, METRICS[0])
    compared = [arm for arm in results if design.ARMS[arm].word != "nobody"]
    points = {
        titled(arm): [(row[0], row[1]) for row in paired.paired_rows(rebuffering, [design.ARMS[arm].baseline, arm])]
        for arm in compared
        if design.ARMS[arm].baseline in results
    }
    made["qos-pairs.svg"] = plots.pairs("Rebuffering ratio, a dot a pair", "rebuffering", points)
    waited = {
        titled(arm): [
            wait if started else float("inf")
            for result in each.values()
            for wait, started in result["player"]["waits_s"]
        ]
        for arm, each in results.items()
    }
    made["qos-waits.svg"] = plots.waits("Share of clips whose first frame had come", waited)
    return made


def conditions(results: Results, meta: Mapping[str, Any]) -> list[str]:
    some = next(iter(next(iter(results.values())).values()))
    machine = meta["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in some["versions"].items())
    commands = [f"`{run['command']}` at commit {run['commit']}" for run in meta["runs"]]
    return [
        f"- made by {'; '.join(dict.fromkeys(commands))}",
        f"- model {meta['model']}, default QoS policy",
        f"- machine: {machine['cores']} × {machine['processor']}, {machine['memory_gib']} GiB, "
        f"Linux {machine['linux']}",
        f"- {versions}; media {some['media'][:12]}",
        f"- runs of {some['settings']['seconds']} s, {max(run['lanes'] for run in meta['runs'])} at a time at most",
        "",
    ]


def write(out: Path, text_to: Path, images_to: Path, template: Callable[[Mapping[str, str]], str]) -> list[Path]:
    """Makes the report of `out`; gives the files."""
    results = load(out)
    meta = json.loads((out / META).read_text())
    compared = [arm for arm in results if design.ARMS[arm].truth in results and design.ARMS[arm].baseline in results]
    against = [arm for arm in results if design.ARMS[arm].word != "nobody" and design.ARMS[arm].baseline in results]
    made = pictures(results)
    parts = {
        "verdict": verdict(results, compared),
        "conditions": conditions(results, meta),
        "means": means_table(results),
        "differences": differences_table(results, against),
        "gains": gains_table(results, compared),
        "paths": by_path_table(results),
        "labels": labels_table(results),
        "machine": machine_table(results),
    }
    images_to.mkdir(parents=True, exist_ok=True)
    text_to.parent.mkdir(parents=True, exist_ok=True)
    written = [text_to]
    for name, svg in made.items():
        (images_to / name).write_text(svg)
        written.append(images_to / name)
    text_to.write_text(template({name: "\n".join(lines).rstrip("\n") for name, lines in parts.items()}))
    return written
