"""model_card.md: for people. Every figure in it is also in manifest.json under ``metrics``."""

from __future__ import annotations

from typing import Any

from reelsense_training.data.series import SOURCES
from reelsense_training.model.metadata import Contract

INTENDED = """\
## What it is for

One label, `video` or `non-video`, for each flow and second (each record, in view `record`), from sizes and times alone:
reels and other streamed video against image feeds, downloads, uploads, calls, browsing, chat and audio. {trained}

Do not use it to bill, block or judge people. It sees no payload, addresses, ports, names or absolute time.
"""
WITH_LAB = """\
It learned from public measurements of 2018 and 2025, which hold next to no short-form video and no labelled image
feeds, and from this product's traffic lab, whose eight app designs do: real browsers and servers over emulated paths,
but not the traffic of any real app."""
WITHOUT_LAB = """\
It learned from public measurements of 2018 and 2025 alone, which hold next to no short-form video and no labelled image
feeds: expect photo-heavy feeds to look like video to it."""

LIMITS = """\
## Where it falls short

- Four sources are few, and class is confounded with source: one is video only, one almost only non-video. The
  held-out figures are the ones to expect on a network that nobody trained on; the known-source figures are
  not.
- The public held-out figures flatter a little: the robust features' definitions were found on these four sources,
  and the procedure (two candidates, threshold one half, committee, variants) was settled while its held-out
  figures were seen. Expect less on a fifth collector.
- The lab's apps are designs of ours: what separates their feeds from their reels need not separate a real app's.
- Early seconds: a flow has no finished chunk yet, so the first seconds of a video are often missed (table
  above).
- Light windows (under 10 packets or 20 kB down) carry little evidence. A light window of a video flow counts
  as video here, so its recall says how well the flow's history is remembered, not how much video it carried.
- Hard cells: music and file transfer inside the same service as the video, photo-heavy search, slow moving
  links, audio streaming, anything inside a VPN tunnel.
- The UC Davis flows end after 90 s and the DPI-test flows are mostly shorter than that: long flows are known
  from Requet and UU alone.
- Labels are those of the sources: DNS names, folders, nDPI's guesses. Some DPI-test labels are doubtful.
"""


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---'] + ['---:'] * (len(head) - 1))}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _sources(metrics: dict[str, Any]) -> str:
    rows = []
    for source in SOURCES:
        held, known = metrics["held_out"]["sources"][source.name], metrics["known"]["sources"][source.name]
        seeds = [v for v in held["balanced_accuracy_by_seed"] if v is not None]
        spread = f"{100 * min(seeds):.1f}–{100 * max(seeds):.1f}" if seeds else "–"
        rows.append(
            [
                source.name, str(held["windows"]), _percent(held["recall"]), _percent(held["specificity"]),
                _percent(held["balanced_accuracy"]), spread, _figure(held["f1"]), _figure(held["ece"]),
                _percent(known["recall"]), _percent(known["specificity"]), _figure(known["ece"]),
            ]
        )  # fmt: skip
    head = ["source", "windows", "recall", "specificity", "balanced", "over seeds", "F1", "ECE",
            "known recall", "known specificity", "known ECE"]  # fmt: skip
    return _table(head, rows)


def _cells(metrics: dict[str, Any]) -> str:
    cells = metrics["conditions"]["cells"]
    rows = [
        [name, str(cell["windows"]), _percent(cell["held_out"]), _percent(cell["known"])]
        for name, cell in sorted(cells.items())
    ]
    return _table(["cell (recall of its class)", "windows", "held out", "known"], rows)


def _early(metrics: dict[str, Any]) -> str:
    rows = []
    for source in SOURCES:
        held = metrics["held_out"]["sources"][source.name]
        early = [
            f"{_percent(cell['recall'])} / {_percent(cell['specificity'])}" for cell in held["early"].values()
        ]
        light = held["light"]
        rows.append([source.name, *early, f"{_percent(light['recall'])} / {_percent(light['specificity'])}"])
    seconds = [f"first {n} s" for n in metrics["held_out"]["sources"][SOURCES[0].name]["early"]]
    return _table(["held out: recall / specificity", *seconds, "light windows"], rows)


def _controls(metrics: dict[str, Any]) -> str:
    shuffled = ", ".join(
        f"{name} {value:.3f}" for name, value in metrics["controls"]["shuffled_labels"].items()
    )
    age = metrics["controls"]["age"]
    leak = ", ".join(f"{name} {value:.2f}" for name, value in metrics["controls"]["collector_leak"].items())
    return f"""\
- **Shuffled labels** (whole flows exchange labels within a source, groups held out; 0.5 is chance):
  {shuffled}.
- **Time**: held-out headline {age["with_age"]:.3f}, without the flow's age {age["without_age"]:.3f}, with
  the age alone {age["age_alone"]:.3f}. (Not nested: compare these three with each other only.)
- **Identity**: addresses, ports and names are no features, so nothing names a host. What remains is the
  collector: from video windows alone a classifier tells which of three sources they came from with balanced
  accuracy {leak} (chance 0.33). The features still carry the collector; this is why sources are held out.
"""


def lab_section(lab: dict[str, Any]) -> str:
    """The section on ReelBench; a model that learned without the lab has none."""
    head, targets = lab["headline"], lab["targets"]
    rows = [
        [t["measure"], f"{'≤' if t['at_most'] else '≥'} {t['target']}", _figure(t["figure"]),
         "–" if t["met"] is None else "met" if t["met"] else "missed"]
        for t in targets
    ]  # fmt: skip
    low, high = head["worst_interval"]
    return f"""\
## On the traffic lab (ReelBench)

{lab["sessions"]} recorded sessions, {lab["windows"]} windows; every session answered by a model that saw neither its
app design nor its path. **Worst cell F1 {_figure(head["worst"])}** ({head["worst_cell"]}; 95 % interval {_figure(low)}
to {_figure(high)}), mean {_figure(head["mean"])} of {head["cells"]} cells. These figures and the public ones are never
mixed.

{_table(["target", "wanted", "measured", ""], rows)}

"""


def _uncertain(contract: Contract, held: dict[str, Any], known: dict[str, Any]) -> str:
    low, high = contract.uncertain
    return f"""\
Uncertain (probability between {low:.3g} and {high:.3g}), source x class weighing alike: held out
{_percent(held["share"])} % of the windows, accuracy {_percent(held["accuracy_outside"])} outside the band and
{_percent(held["accuracy_inside"])} inside; known {_percent(known["share"])} %, accuracy
{_percent(known["accuracy_outside"])} outside and {_percent(known["accuracy_inside"])} inside."""


def write_card(
    contract: Contract, description: str, calibration: dict[str, Any], metrics: dict[str, Any],
    training_data: dict[str, Any], sizes: dict[str, int],
) -> str:  # fmt: skip
    """The whole card as Markdown."""
    held, known, worst = metrics["held_out"], metrics["known"], metrics["conditions"]["worst"]
    cells = metrics["conditions"]["cells"]
    seeds = held["headline_by_seed"]
    digest = training_data.get("lab_digest")
    lab_digest = f"; lab sessions, digest `{digest[:12]}…`" if digest else ""
    notes = "\n".join(f"- `{source.name}`: {source.note}" for source in SOURCES)
    files = ", ".join(f"{name} {size / 1024:.0f} KiB" for name, size in sorted(sizes.items()))
    return f"""\
# {contract.name} {contract.version}

{description}

{INTENDED.format(trained=WITH_LAB if training_data.get("lab_digest") else WITHOUT_LAB)}
{lab_section(metrics["lab"]) if "lab" in metrics else ""}## How well it does on public traces

All figures: recorded active windows (at least 10 packets and 20 kB down), in per cent. *Held out*: the whole
source was hidden from training **and** from the choice of features, calibration, threshold and band (nested).
*Known*: other groups (captures, sessions) of the source were trained on. Probabilities are calibrated on
other sources' windows, so they are cautious on known ones.

**Held-out headline {held["headline"]:.3f}** (mean over seeds; {min(seeds):.3f}–{max(seeds):.3f}): mean of
Requet balanced accuracy, UC Davis balanced accuracy and half of (UU recall + DPI-test specificity). On known
sources {known["headline"]:.3f}.

**Worst cell: {worst["held_out"]}, {_percent(cells[worst["held_out"]]["held_out"])} held out;
{worst["known"]}, {_percent(cells[worst["known"]]["known"])} known** (cells of at least
{metrics["conditions"]["worst_of_at_least_windows"]} windows).

{_sources(metrics)}

{_early(metrics)}

{_cells(metrics)}

{_uncertain(contract, held["uncertain"], known["uncertain"])}

## Controls

{_controls(metrics)}
{LIMITS}
## How it was made

{training_data["method"]}
Calibration: {calibration["method"]} Threshold {contract.threshold:.3g}.

Features ({len(contract.features)}, view `{contract.view}`, schema `{contract.schema_hash[:12]}…`):
{", ".join(f"`{name}`" for name in contract.features)}.

Training data (public sources, digest `{training_data["digest"][:12]}…`{lab_digest}; not part of this repository, as
most of the public data states no licence to redistribute):

{notes}

Files: {files}. `reelsense-train all` makes them again.
"""
