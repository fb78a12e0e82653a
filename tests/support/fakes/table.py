"""The table that several FakeStores share: its rows, what it refuses, and the standby that confirms its commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from tests.support.fakes.rows import Key, Row, day_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass
class FakeTable:
    """Committed rows, what is refused, and what is missing."""

    rows: dict[Key, Row] = field(default_factory=dict)
    # Keys of rows that operators have marked.
    faulty: set[Key] = field(default_factory=set)
    # Answers to accumulators' queries, by device; any other query is the one for newest positions.
    found_by: dict[str, dict[str, tuple[object, ...]]] = field(default_factory=dict)
    # SQLSTATE by device: a batch with a row of that device is refused whole.
    refused_devices: dict[str, str] = field(default_factory=dict)
    # SQLSTATE by day, from 2000-01-01 on: a missing partition.
    refused_days: dict[int, str] = field(default_factory=dict)
    # SQLSTATE that every row is refused with.
    refuses_all: str | None = None
    # SQLSTATE that a COMMIT is refused with; a transaction that is rolled back never raises it.
    refuses_commits: str | None = None
    # Devices whose rows end the session that writes them.
    killers: set[str] = field(default_factory=set)
    # Devices whose rows a trigger drops.
    discarded_devices: set[str] = field(default_factory=set)
    # A write of more rows loses its session.
    rows_max: int | None = None
    sessions_max: int | None = None
    sessions: set[object] = field(default_factory=set)
    differences: tuple[str, ...] = ()
    reachable: bool = True
    # While it is not set, calls wait here before they do anything, as on a stalled server.
    answers: trio.Event = field(default_factory=trio.Event)
    # Visible, but confirmed by no standby.
    unconfirmed: set[Key] = field(default_factory=set)
    # Counts the server's starts and failovers: all sessions are lost then.
    life: int = 0
    _awaits_standby: bool = False
    # Rows that wait in COMMIT, visible to nobody; closing their session changes nothing about that.
    _in_commit: list[Mapping[Key, Row]] = field(default_factory=list)
    _changed: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def refusal_of(self, keys: Iterable[Key]) -> str | None:
        """The SQLSTATE that rows with these keys are refused with."""
        for key in keys:
            of_key = self.refused_devices.get(key[0]) or self.refused_days.get(day_of(key))
            if sqlstate := self.refuses_all or of_key:
                return sqlstate
        return None

    async def commit(self, rows: Mapping[Key, Row]) -> bool:
        """Add the rows once a standby has confirmed them; False if the session was lost meanwhile."""
        life = self.life
        if self._awaits_standby:
            self._in_commit.append(rows)
            while not self._is_over(life):
                await self._changed.wait()
            return self.life == life
        self.rows |= rows
        return True

    async def until_free(self, keys: Iterable[Key]) -> None:
        """Wait until no other transaction holds one of the keys."""
        wanted = set(keys)
        while any(not wanted.isdisjoint(rows) for rows in self._in_commit):
            await self._changed.wait()

    def _is_over(self, life: int) -> bool:
        return not self._awaits_standby or self.life != life

    def standby_leaves(self) -> None:
        """From now on every commit waits."""
        self._awaits_standby = True

    def standby_returns(self) -> None:
        """It confirms every commit that waits."""
        self._awaits_standby = False
        self.unconfirmed.clear()
        self._reveal()
        self._wake()

    def show(self) -> None:
        """Cut waits in COMMIT short: their rows are visible, and unconfirmed."""
        self.unconfirmed.update(key for rows in self._in_commit for key in rows)
        self._reveal()

    def restart(self) -> None:
        """The server crashes and starts again, which cuts waits in COMMIT short."""
        self.show()
        self._begin_life()

    def promote(self) -> None:
        """The server is lost, and its standby takes its place with the rows that it has confirmed."""
        self._awaits_standby = False
        for key in self.unconfirmed:
            del self.rows[key]
        self.unconfirmed.clear()
        self._in_commit.clear()
        self._begin_life()

    def _reveal(self) -> None:
        for rows in self._in_commit:
            self.rows |= rows
        self._in_commit.clear()

    def _begin_life(self) -> None:
        self.life += 1
        self.sessions.clear()
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()
