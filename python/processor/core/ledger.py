"""What became of the entries that one run of the process has read: each id counts once, in one field."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ledger:
    """A balance: at the end `read` is the sum of the other fields, and before the end also of what is in flight.

    An entry that was read counts once, in one field, however often it is delivered.
    """

    read: int = 0
    """Entries that were read, or found to be lost or dead-lettered before they were."""
    acked: int = 0
    """Named in an XACK that was answered."""
    dead_lettered: int = 0
    lost: int = 0
    """Trimmed or deleted from the stream before they were written."""
    taken_over: int = 0
    """Settled or claimed by another consumer."""
    released: int = 0
    """Made claimable for others at the stop."""
    left_pending: int = 0
    """Refused, with the failure recorded; or Redis did not answer."""
    released_unread: int = 0
    """Pending under our name and released at the stop, but never read. Not part of the balance."""

    def closed(self, in_flight: int) -> Ledger:
        """The ledger at the end of the run: entries that are still in flight count as left pending."""
        return replace(self, left_pending=self.left_pending + in_flight)

    @property
    def unaccounted(self) -> int:
        """Entries read that are in no field. At the end, anything but 0 is a mistake in this program."""
        decided = self.acked + self.dead_lettered + self.lost + self.taken_over
        return self.read - decided - self.released - self.left_pending
