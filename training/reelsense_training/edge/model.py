"""A trained edge network."""

from __future__ import annotations

from dataclasses import dataclass

from reelsense_training.edge.network import Network
from reelsense_training.edge.settings import Settings


@dataclass
class EdgeModel:
    """A trained network; ``network.slope`` and ``.offset`` hold the calibration once it is set."""

    network: Network
    settings: Settings

    def calibrate(self, slope: float, offset: float) -> None:
        self.network.slope.fill_(slope)
        self.network.offset.fill_(offset)
