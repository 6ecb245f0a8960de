"""The edge model's card. Every figure in it is also in manifest.json under ``metrics``."""

from __future__ import annotations

from typing import Any

from reelsense_training.data.series import SOURCES
from reelsense_training.edge.contract import EdgeContract
from reelsense_training.release.card import lab_section

LIMITS = """\
## Where it falls short

- Four public sources are few, and class is confounded with source: one is video only, one almost only non-video. The
  held-out figures are the ones to expect on a network that nobody trained on.
- The held-out figures flatter a little: settings were compared while they were seen (`edge/README.md` lists
  every trial).
- The first windows of a flow carry little evidence, and a flow that is met half-way starts from a zero state.
- Hard cells: music and file transfer inside the same service as the video, photo-heavy search, slow moving links,
  audio streaming, anything inside a VPN tunnel.
- Labels are those of the sources: DNS names, folders, nDPI's guesses. Some DPI-test labels are doubtful.

Do not use it to bill, block or judge people. It sees no payload, addresses, ports, names or absolute time.
"""


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _sources(metrics: dict[str, Any]) -> str:
    lines = [
        "| source | windows | recall | specificity | balanced | F1 | ECE | first 3 s: recall / specificity |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for source in SOURCES:
        held = metrics["held_out"]["sources"][source.name]
        early = held["early"]["3"]
        f1, ece = (f"{v:.3f}" if v is not None else "–" for v in (held["f1"], held["ece"]))
        lines.append(
            f"| {source.name} | {held['windows']} | {_percent(held['recall'])} | {_percent(held['specificity'])} | "
            f"{_percent(held['balanced_accuracy'])} | {f1} | {ece} | "
            f"{_percent(early['recall'])} / {_percent(early['specificity'])} |"
        )
    return "\n".join(lines)


def write_card(
    contract: EdgeContract, description: str, calibration: dict[str, Any], metrics: dict[str, Any],
    training_data: dict[str, Any], sizes: dict[str, int],
) -> str:  # fmt: skip
    """The whole card as Markdown."""
    held = metrics["held_out"]
    uncertain = held["uncertain"]
    low, high = contract.uncertain
    notes = "\n".join(f"- `{name}`: {note}" for name, note in training_data["sources"].items())
    files = ", ".join(f"{name} {size / 1024:.0f} KiB" for name, size in sorted(sizes.items()))
    seeds = held["headline_by_seed"]
    return f"""\
# {contract.name} {contract.version}

{description}

## How it is run

`(window [B, {contract.window}], state [B, {contract.state}]) → (probability [B, 1], next_state [B, {contract.state}])`,
float32, any B. A window is a row of `reelsense features --bins` as it is: {len(contract.features)} features of the
`{contract.view}` view (schema `{contract.schema_hash[:12]}…`), then 20 down and 20 up bins. A new flow's state is zero;
windows without packets are not fed. `video` at a probability of {contract.threshold:.3g} or more, uncertain between
{low:.3g} and {high:.3g}.

## How well it does on public traces

A whole source hidden from training, calibration and band (nested); recorded active windows (at least 10 packets and
20 kB down), in per cent. **Headline {held["headline"]:.3f}** (mean over seeds;
{min(seeds):.3f}–{max(seeds):.3f}): mean of Requet balanced accuracy, UC Davis balanced accuracy and half of (UU
recall + DPI-test specificity).

{_sources(metrics)}

In the band: {_percent(uncertain["share"])} % of the windows, accuracy {_percent(uncertain["accuracy_outside"])}
outside it and {_percent(uncertain["accuracy_inside"])} inside.

{lab_section(metrics["lab"]) if "lab" in metrics else ""}{LIMITS}
## How it was made

{training_data["method"]}
Calibration: {calibration["method"]}

Training data (digest `{training_data["digest"][:12]}…`):

{notes}

Files: {files}. `python -m reelsense_training.edge` in build/torch-venv makes them again.
"""
