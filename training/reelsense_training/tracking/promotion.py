"""When a challenger becomes the champion: only if its worst cell is not worse, measured on the same sessions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    """What the registry knows of a version."""

    version: str
    worst: float | None
    held_out: bool
    lab_digest: str


@dataclass(frozen=True)
class Decision:
    promote: bool
    reason: str


def decide(champion: Standing | None, challenger: Standing) -> Decision:
    """Comparing figures of other sessions, or a held-out figure with one that is not, would prove nothing."""
    if challenger.worst is None:
        return Decision(False, f"version {challenger.version} has no worst cell: too few windows in every hard cell")
    if champion is None:
        return Decision(True, "there is no champion yet")
    if champion.lab_digest != challenger.lab_digest:
        return Decision(False, "the champion was measured on other sessions: score it on these first")
    if champion.held_out and not challenger.held_out:
        return Decision(False, "the champion's figure is held out and the challenger's is not")
    if champion.worst is None or challenger.worst >= champion.worst:
        return Decision(True, f"worst cell {challenger.worst:.4f}, the champion's {champion.worst or 0:.4f}")
    return Decision(False, f"worst cell {challenger.worst:.4f} is below the champion's {champion.worst:.4f}")
