"""A frame from its acceptance until its outcome is known, and who hears of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from ingestion.errors import RedisUnavailableError
from ingestion.publishing.parked import Parked
from ingestion.publishing.redirected import commands_left
from telemetry._codec import Confirmation

if TYPE_CHECKING:
    from telemetry._codec import AcceptedFrame, PublishRefusal, ReplyCounter

Outcome: TypeAlias = Confirmation | RedisUnavailableError
"""What becomes of a frame: Redis has confirmed it, or it was dropped."""


class Submitter(Protocol):
    """Whose frame it is."""

    def settled(self, outcome: Outcome) -> None:
        """The outcome is known. Called once, by the publisher's task: raises nothing."""


class WaitingFrame:
    """One frame that was accepted. It stays on its way whatever becomes of its submitter."""

    __slots__ = ("accepted_s", "commands_bytes", "frame", "submitter", "turned_away")

    def __init__(
        self, frame: AcceptedFrame, commands_bytes: int, accepted_s: float, submitter: Submitter
    ) -> None:
        self.frame = frame
        self.commands_bytes = commands_bytes
        self.accepted_s = accepted_s
        """Of Trio's clock."""
        self.submitter = submitter
        self.turned_away: PublishRefusal | None = None
        """With what a node of a cluster has sent it elsewhere: its last records are to be sent again."""

    def expected_by(self, counter: ReplyCounter, *, asking: bool = False) -> bytes:
        """Its commands, or what is left of them; `counter` expects the replies to them from here on."""
        if (refusal := self.turned_away) is None:
            counter.expect(self.frame, self)
            return self.frame.commands
        counter.expect_rest(refusal, self, asking=asking)
        return commands_left(self.frame.commands, taken=refusal.taken or 0, asking=asking)


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
