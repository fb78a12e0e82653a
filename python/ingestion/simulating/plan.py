"""What an operator asks of a simulation, and when a frame is due."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

RESPONSE_TIMEOUT_S: Final = 5.0
"""How long a device waits for an answer; real ones are set to between 1 and 300 s."""
PING_AFTER_S: Final = 30.0
"""A device that has nothing to send for so long sends a ping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """What all devices do. Shares are between 0 and 1."""

    devices: int
    rate: float | None = None
    """Frames a second of all devices together; None: each sends its next frame as soon as the last is answered."""
    seconds: float | None = None
    """None: until every device has sent its frames."""
    resend_share: float = 0.0
    """Of answered frames, those that are sent again, as if the answer had been another number."""
    bad_share: float = 0.0
    """Of sent frames, those that arrive damaged."""
    reconnect_share: float = 0.0
    """Of answered frames, those after which the device closes its link and comes back."""
    response_timeout_s: float = RESPONSE_TIMEOUT_S
    ping_after_s: float = PING_AFTER_S

    def due_s(self, device: int, number: int) -> float | None:
        """When a device's frame `number` is due, in seconds after the start; None: as soon as it can be sent.

        The devices take turns, so that frames are due evenly. Behind the end nothing is ever due.
        """
        if self.rate is None:
            return None
        due_s = (device + number * self.devices) / self.rate
        return due_s if self.seconds is None or due_s < self.seconds else math.inf
