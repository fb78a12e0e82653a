"""A frame from its acceptance until its outcome is known, and who hears of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from ingestion.errors import RedisUnavailableError
from ingestion.publishing.parked import Parked
from telemetry._codec import Confirmation

if TYPE_CHECKING:
    from telemetry._codec import AcceptedFrame

Outcome: TypeAlias = Confirmation | RedisUnavailableError
"""What becomes of a frame: Redis has confirmed it, or it was dropped."""


class Submitter(Protocol):
    """Whose frame it is."""

    def settled(self, outcome: Outcome) -> None:
        """The outcome is known. Called once, by the publisher's task: raises nothing."""


class WaitingFrame:
    """One frame that was accepted. It stays on its way whatever becomes of its submitter."""

    __slots__ = ("accepted_s", "commands_bytes", "frame", "submitter")

    def __init__(
        self, frame: AcceptedFrame, commands_bytes: int, accepted_s: float, submitter: Submitter
    ) -> None:
        self.frame = frame
        self.commands_bytes = commands_bytes
        self.accepted_s = accepted_s
        """Of Trio's clock."""
        self.submitter = submitter


class ParkedOutcome(Parked):
    """A submitter whose task waits for the outcome; nobody hears of it if the task is cancelled."""

    __slots__ = ("_outcome",)

    def __init__(self) -> None:
        super().__init__()
        self._outcome: Outcome | None = None

    async def wait(self) -> Confirmation:
        """Wait for it. Raises RedisUnavailableError if the frame was dropped."""
        await self.park()
        outcome = self._outcome
        if isinstance(outcome, Confirmation):
            return outcome
        assert outcome is not None
        raise outcome

    def settled(self, outcome: Outcome) -> None:
        """Wake whoever waits."""
        self._outcome = outcome
        self.wake()
