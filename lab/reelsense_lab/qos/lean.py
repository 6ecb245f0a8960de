"""A network without the policy: it smooths a flow's probability of video over a few windows and follows that.

It is here to compare with: what the policy's marks (`dscp`) add to the bare labels. Windows of fewer bytes than an
active second's say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelsense_lab.qos.decisions import FlowKey, FlowMark

ACTIVE_BYTES = 10_000  # the policy's active_bytes
HALF_LIFE_WINDOWS = 3
FIRST_WINDOWS = 2  # that a flow must have had
ENTER, LEAVE = 0.5, 0.4
KEPT = 0.5 ** (1 / HALF_LIFE_WINDOWS)


@dataclass(slots=True)
class _State:
    mean: float = 0.5
    windows: int = 0
    goes_first: bool = False


class Lean:
    def __init__(self) -> None:
        self.flows: dict[FlowKey, _State] = {}  # as many as one run has

    def goes_first(self, mark: FlowMark) -> bool:
        """After this window of the flow."""
        state = self.flows.setdefault(mark.flow, _State())
        if mark.bytes >= ACTIVE_BYTES:
            state.windows += 1
            state.mean = (
                mark.probability + KEPT * (state.mean - mark.probability) if state.windows > 1 else mark.probability
            )
            if state.windows >= FIRST_WINDOWS and state.mean >= ENTER:
                state.goes_first = True
            elif state.mean < LEAVE:
                state.goes_first = False
        return state.goes_first


def policy_mark(mark: FlowMark) -> bool:
    return mark.is_video
