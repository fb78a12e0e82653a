"""What a drill asks of the two servers, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from telemetry.stream.entry import Entry


class PositionKey(NamedTuple):
    """What makes a row one row; `ts` as it was published."""

    device_id: str
    ts: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """The drill's consumer group at one moment."""

    read: int
    """Entries delivered for the first time, ever."""
    pending: int
    undelivered: bool
    """Whether entries wait that no consumer was given yet."""
    consumers: tuple[tuple[str, int], ...]
    """Each consumer's name and its pending entries."""

    @property
    def settled(self) -> bool:
        """Everything was delivered and nothing is pending."""
        return not self.pending and not self.undelivered


@dataclass(frozen=True, slots=True)
class LeftPending:
    """What a consumer that has ended left in its pending list, each entry in one class."""

    released: int = 0
    """Marked as idle for so long that any instance claims them at once."""
    refused: int = 0
    """With a recorded failure: their time has not come yet (contract section 4, rule 3)."""
    stranded: int = 0
    """Neither: found only after CLAIM_THRESHOLD_MS."""


class DrillStream(Protocol):
    """The stream, asked directly and never through the service's own way to it. Methods block.

    All raise RedisUnavailable and RedisRefused.
    """

    def in_use(self) -> str | None:
        """What is on the stream already, for a message; None if nothing."""

    def create_group(self) -> None:
        """Make the drill's own group, which is given what is published from now on."""

    def publish(self, entries: Sequence[Entry]) -> None:
        """Append entries in order."""

    def state(self) -> GroupState:
        """The group now."""

    def left_by(self, consumer: str) -> LeftPending:
        """What is pending under the name of a consumer that has ended."""

    def released(self) -> bool:
        """Whether a released entry waits for somebody to claim it."""

    def unsettled(self) -> list[PositionKey]:
        """What is pending or not delivered yet."""

    def dead_letters(self) -> list[tuple[PositionKey, str]]:
        """Dead letters, each with its code."""

    def trim_settled(self) -> None:
        """Remove entries that are settled from the drill's own stream."""

    def remove(self) -> None:
        """Remove all that the drill made in Redis. Idempotent."""


class DrillTable(Protocol):
    """The table, asked directly. All methods raise PostgresError."""

    async def role_without_delete(self) -> str | None:
        """The role that cannot remove the drill's rows; None if it can."""

    async def turns_ms(self, device_id: str, start: datetime) -> list[int]:
        """How many milliseconds after `start` each row of a device is; rows of one key are as many numbers."""

    async def writers(self) -> int:
        """Sessions of the service under test that are still there."""

    async def delete(self) -> int:
        """Remove the drill's rows; how many."""

    async def mark_faulty(self) -> int:
        """Hide the drill's rows from every reader; how many."""
