"""How much is accepted and unanswered by Redis, and whether there is room for more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class QueueDepth:
    """What is accepted and unanswered, over all streams, beside its bounds. Counts, and does nothing else."""

    records_max: int
    bytes_max: int
    records: int = 0
    bytes: int = 0
    """Of commands on the wire."""

    def has_room(self, records: int, size: int, *, part: float = 1.0) -> bool:
        """Whether a frame of so many records and bytes may be accepted: always if nothing else waits.

        `part` of the bounds counts, for those who are to leave the rest to others.
        """
        if not self.records:
            return True
        return (
            self.records + records <= self.records_max * part
            and self.bytes + size <= self.bytes_max * part
        )

    def add(self, records: int, size: int) -> None:
        """A frame was accepted."""
        self.records += records
        self.bytes += size

    def remove(self, records: int, size: int) -> None:
        """Redis has answered it, or it was dropped."""
        self.records -= records
        self.bytes -= size
