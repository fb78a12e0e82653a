"""Which class of the ledger each entry is in, whatever Redis delivers again, and whenever.

An entry that one life has read is *open* while it is in flight, and then in a class:

    from        to                                  when
    unread      open                                it is read
    unread      lost, dead-lettered                 it turns out to be, though it never came
    open        any class                           it is decided, or let go of
    refused     open                                it is read again: its failure is not the last word
    set aside   open                                the same
    lost        open                                the same: a failover brought it back
    taken over  open                                the same: a peer let go of it
    final       the same, but in flight again         it is read again: it was decided
    any class   acked                               an answered XACK names it
    not final   dead-lettered, lost, taken over     news of it comes, although it is not in flight
    set aside   refused                             the same

Nothing else changes anything, so that each event may come twice, and late. Redis gives notice of nothing: a
failover, XGROUP SETID or a group that is created again may send its last delivery back at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from enum import Enum

from processor.core.ledger import Ledger

KNOWN_MAX = 100_000
"""Settled entries whose class is known by id, the newest; others stay in the class that they were counted in."""


class Class(Enum):
    """What became of an entry."""

    ACKED = "acked"
    DEAD_LETTERED = "dead_lettered"
    RELEASED = "released"
    LOST = "lost"
    TAKEN_OVER = "taken_over"
    REFUSED = "refused"
    """Left pending with a recorded failure, which is a decision."""
    SET_ASIDE = "set_aside"
    """Left pending without one: its trial was taken back, or Redis refuses to record its failure."""


class Place(Enum):
    """Where an entry is when news of it comes."""

    IN_HAND = "in_flight"
    READ = "read"
    """It was in flight once."""
    UNREAD = "unread"


FINAL = frozenset({Class.ACKED, Class.DEAD_LETTERED, Class.RELEASED})
LEFT = frozenset({Class.REFUSED, Class.SET_ASIDE})
# What is known of an entry though it was never read.
READ_BY_NEWS = frozenset({Class.LOST, Class.DEAD_LETTERED})


class Classing:
    """The classes of one life's entries.

    The caller says what the sets of ids know: which entries are in flight, and which were ever read. Ids are
    kept here only for what those sets do not know; nothing is looked up for an entry that is read, written
    and acknowledged.
    """

    def __init__(self) -> None:
        self._open = 0
        self._counts = dict.fromkeys(Class, 0)
        self._left: dict[str, Class] = {}
        # Dead-lettered, lost or taken over: the newest of them.
        self._settled: dict[str, Class] = {}
        self._again: set[str] = set()
        self._released_unread: set[str] = set()

    @property
    def ledger(self) -> Ledger:
        """The counts; what is open is read, and in no class yet."""
        counts = self._counts
        return Ledger(
            read=self._open + sum(counts.values()),
            acked=counts[Class.ACKED],
            dead_lettered=counts[Class.DEAD_LETTERED],
            lost=counts[Class.LOST],
            taken_over=counts[Class.TAKEN_OVER],
            released=counts[Class.RELEASED],
            left_pending=counts[Class.REFUSED] + counts[Class.SET_ASIDE],
            released_unread=len(self._released_unread),
        )

    @property
    def again(self) -> AbstractSet[str]:
        """Ids that are in flight once more, and keep the final class that they are in."""
        return self._again

    @property
    def known(self) -> Collection[str]:
        """Ids that are in a class which an acknowledgement would change."""
        return (*self._left, *self._settled)

    @property
    def released_unread(self) -> Collection[str]:
        """Ids that were released, and had never been read."""
        return self._released_unread

    @property
    def left(self) -> Collection[str]:
        """Ids that were left pending."""
        return self._left

    @property
    def refused(self) -> Collection[str]:
        """Ids that were left pending with a recorded failure."""
        return [entry_id for entry_id, it in self._left.items() if it is Class.REFUSED]

    def read_new(self, entries: int) -> None:
        """This number of entries came into our hands that were never read before."""
        self._open += entries

    def read_again(self, entry_ids: Iterable[str]) -> None:
        """Entries came that were read before and were not in flight."""
        for entry_id in entry_ids:
            if self._class_of(entry_id) in FINAL:
                self._again.add(entry_id)
            else:
                self._leave_class(entry_id)
                self._open += 1

    def acked(self, let_go: int, *, again: Collection[str], known: Collection[str]) -> None:
        """An XACK was answered by which `let_go` entries left our hands.

        `again` and `known` are those that it named of the properties of these names.
        """
        self._open -= let_go - len(again)
        self._counts[Class.ACKED] += let_go - len(again)
        self._again.difference_update(again)
        for entry_id in {*again, *known}:
            if self._leave_class(entry_id):
                self._counts[Class.ACKED] += 1

    def released(self, entries: int) -> None:
        """This number of the open entries is free for others now."""
        self._open -= entries
        self._counts[Class.RELEASED] += entries

    def becomes(self, entry_id: str, new: Class, place: Place) -> bool:
        """News of one entry, which is no longer in flight; whether it changes its class."""
        if entry_id in self._again:
            self._again.remove(entry_id)
            return False
        if place is Place.IN_HAND:
            self._open -= 1
            self._leave_class(entry_id)
        elif place is Place.UNREAD:
            return self._never_read(entry_id, new)
        elif not _may_follow(self._class_of(entry_id), new):
            return False
        else:
            self._leave_class(entry_id)
        self._enter(entry_id, new)
        return True

    def came_after_all(self, entry_ids: Collection[str]) -> None:
        """Entries are read; those of them that had been released unread no longer count as that."""
        self._released_unread.difference_update(entry_ids)

    def _never_read(self, entry_id: str, new: Class) -> bool:
        if new is Class.RELEASED:
            self._released_unread.add(entry_id)
        if new not in READ_BY_NEWS:
            return False
        self._enter(entry_id, new)
        return True

    def _class_of(self, entry_id: str) -> Class:
        """The class of an entry that was read and is not open: acknowledged, unless something else is known."""
        return self._left.get(entry_id) or self._settled.get(entry_id) or Class.ACKED

    def _enter(self, entry_id: str, new: Class) -> None:
        self._counts[new] += 1
        if new in LEFT:
            self._left[entry_id] = new
        elif new not in {Class.ACKED, Class.RELEASED}:
            self._settled[entry_id] = new
            if len(self._settled) > KNOWN_MAX:
                del self._settled[next(iter(self._settled))]

    def _leave_class(self, entry_id: str) -> bool:
        """Whether it was in one that is known by id."""
        old = self._left.pop(entry_id, None) or self._settled.pop(entry_id, None)
        if old is not None:
            self._counts[old] -= 1
        return old is not None


def _may_follow(old: Class, new: Class) -> bool:
    """Whether news changes the class of an entry that was read and is not in flight."""
    if new is Class.RELEASED:
        return False
    if new in LEFT:
        return old is Class.SET_ASIDE and new is Class.REFUSED
    return old not in FINAL and old is not new
