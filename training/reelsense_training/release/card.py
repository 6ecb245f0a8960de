"""model_card.md: for people. Every figure in it is also in manifest.json under ``metrics``."""

from __future__ import annotations

from typing import Any

from reelsense_training.data.series import SOURCES
from reelsense_training.model.metadata import Contract

INTENDED = """\
## What it is for

One label per flow and second, `video` or `non-video`, from packet sizes and times alone, on the user's
device. It is the first step of a product, not its end: it was trained on public measurements of 2018 and
2025 that hold **no labelled image feed without video and hardly any short-form video**. Reels against image
feeds, the very thing the product is named for, is what the traffic lab must add; nothing here measures it.
On the six captures of that lab that are shipped in `tests/captures` (never trained on), image feeds and page
loads are mostly called video: `training/README.md` has the figures.

Do not use it to bill, block or judge people. It sees no payload, addresses, ports, names or absolute time.
"""

LIMITS = """\
## Where it falls short

- Four sources are few, and class is confounded with source: one is video only, one almost only non-video. The
  held-out figures are the ones to expect on a network that nobody trained on; the known-source figures are
  not.
- The held-out figures flatter a little: the robust features' definitions were found on these four sources,
  and the procedure (two candidates, threshold one half, committee) was settled while its held-out figures
  were seen. Expect less on a fifth collector; the lab's captures are one.
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
    notes = "\n".join(f"- `{source.name}`: {source.note}" for source in SOURCES)
    files = ", ".join(f"{name} {size / 1024:.0f} KiB" for name, size in sorted(sizes.items()))
    return f"""\
# {contract.name} {contract.version}

{description}

{INTENDED}
## How well it does

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

Training data (digest `{training_data["digest"][:12]}…`; not part of this repository, as most of it states no
licence to redistribute):

{notes}

Files: {files}. `reelsense-train all` makes them again.
"""
