"""The contract that model.onnx carries in its metadata_props.

The C++ side of it is core/include/reelsense/model/ue_model.h, which refuses a missing or unknown entry.
"""

from __future__ import annotations

from dataclasses import dataclass

LABELS = ("non-video", "video")
TIER = "ue"


@dataclass(frozen=True)
class Contract:
    """What a device must know to use a model file."""

    name: str
    version: str
    view: str
    schema_hash: str
    features: tuple[str, ...]
    threshold: float
    uncertain: tuple[float, float]

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
            "reelsense.threshold": f"{self.threshold:.6g}",
            "reelsense.uncertain": f"{low:.6g},{high:.6g}",
        }
