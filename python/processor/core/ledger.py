"""What became of the entries that one life of the process has read: each id counts once, in one class."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ledger:
    """A balance: in the end `read` is the sum of the classes, and before it, with what is in flight.

    An entry that was read is in one class, and counts once, however often it is delivered.
    """

    read: int = 0
    """Entries that came into our hands, or turned out to be lost when they should have."""
    acked: int = 0
    """Named in an XACK that was answered."""
    dead_lettered: int = 0
    lost: int = 0
    """Trimmed or deleted from the stream before they were written."""
    taken_over: int = 0
    """Settled, or claimed, by somebody else."""
    released: int = 0
    """Handed over at the stop, for others to claim at once."""
    left_pending: int = 0
    """Refused, with the failure recorded; or Redis did not answer."""
    released_unread: int = 0
    """Delivered to our name, released at the stop, and never read: no part of the balance."""

    def closed(self, in_flight: int) -> Ledger:
        """The ledger at the end of the life: what is still in flight, and in no class, is left pending."""
        return replace(self, left_pending=self.left_pending + in_flight)

    @property
    def unaccounted(self) -> int:
        """Entries read that are in no class; not 0: a mistake in this program."""
        decided = self.acked + self.dead_lettered + self.lost + self.taken_over
        return self.read - decided - self.released - self.left_pending
