"""The contract that the edge model's ONNX file carries in its metadata_props; model.pt carries the same as extra file.

It is the UE's (model/metadata.py) with what a stateful model adds: the bins behind the features and the state's width.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelsense_training.edge.layout import BINS_TEXT, width
from reelsense_training.model.metadata import LABELS

TIER = "server"
STATE_RESET = "zero"


@dataclass(frozen=True)
class EdgeContract:
    """What a server must know to use the model. ``features`` are all of the schema, in its order."""

    name: str
    version: str
    view: str
    schema_hash: str
    features: tuple[str, ...]
    threshold: float
    uncertain: tuple[float, float]
    state: int  # values of the state, S

    @property
    def window(self) -> int:
        """Values of one window, W."""
        return width(len(self.features))

    def props(self) -> dict[str, str]:
        """metadata_props in the order in which they are written."""
        low, high = self.uncertain
        if not 0.0 < low <= self.threshold <= high < 1.0:
            raise ValueError(f"threshold {self.threshold} is outside its uncertain band [{low}, {high}]")
        return {
            "reelsense.name": self.name,
            "reelsense.version": self.version,
            "reelsense.tier": TIER,
            "reelsense.view": self.view,
            "reelsense.schema_hash": self.schema_hash,
            "reelsense.features": ",".join(self.features),
            "reelsense.bins": BINS_TEXT,
            "reelsense.window": str(self.window),
            "reelsense.state": str(self.state),
            "reelsense.state_reset": STATE_RESET,
            "reelsense.labels": ",".join(LABELS),
            "reelsense.threshold": f"{self.threshold:.6g}",
            "reelsense.uncertain": f"{low:.6g},{high:.6g}",
        }
