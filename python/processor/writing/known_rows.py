"""Which rows of one batch the table has already: asked before the write, and for what triggers drop, behind it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from processor.core.bisection import Part
from processor.core.scattered_keys import is_worth_probing
from processor.core.small_batches import is_small
from processor.core.write_errors import WriteRoute
from processor.edges.ports import Commit, PositionStore
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.settling.receipts import SeenRows
from telemetry._codec import Batch, Keys

# Each place that a probe answers with.
KEY_PLACE_BYTES: Final = 4


class KnownRows:
    """What is known of the rows of one batch at a time.

    A small batch is inserted as it is. Of a larger one a probe finds the rows that the table has already, so that
    the rest can be copied directly. That they were seen proves nothing until the next commit on the same session.
    """

    def __init__(self, store: PositionStore, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self.seen: SeenRows | None = None
        """What the probe has seen, until it is proven or to be written like the others."""
        # Rows of the batch that may be in the table, at most.
        self._known_max: float = math.inf

    async def leave_out(self, batch: Batch, unproven: Keys) -> Part[Batch]:
        """Another batch: the rows that a probe does not find in the table, and how to write them.

        The keys `unproven` may be in the table.
        """
        self.seen = None
        self._known_max = math.inf
        if is_small(rows=batch.rows, row_bytes=batch.row_bytes):
            self._known_max = len(unproven)
            return Part(batch, WriteRoute.INSERT_NEW)
        if not len(unproven):
            return Part(batch, WriteRoute.DIRECT)
        if not is_worth_probing(days=unproven.days, rows=batch.rows):
            return Part(batch, WriteRoute.INSERT_NEW)
        try:
            probed = await self._store.probe(unproven)
        except PostgresError as error:
            # The write will fail for the same reason, and handle it. An INSERT needs no probe.
            self._journal.keys_not_probed(error=str(error))
            return Part(batch, WriteRoute.INSERT_NEW)
        if not probed.known:
            return Part(batch, WriteRoute.DIRECT)
        rest, seen = batch.drop_known(unproven, probed.known)
        self.seen = SeenRows(seen, probed.session)
        return Part(rest, WriteRoute.DIRECT)

    def may_have_grown(self) -> None:
        """A write failed, and may have been committed all the same, without an answer."""
        self._known_max = math.inf

    def misses_some(self, part: Batch, commit: Commit) -> bool:
        """Whether more rows were left out than can have been in the table: a trigger drops some."""
        return part.rows - commit.inserted > self._known_max

    async def with_discarded(self, part: Batch, commit: Commit) -> Commit:
        """Count what a trigger dropped.

        The rows that are in the table now were inserted, or another writer was first. With more rows missing than
        were left out, a trigger changes keys, and nothing shows which ones it drops.
        """
        try:
            probed = await self._store.probe(part.keys())
        except PostgresError as error:
            self._journal.keys_not_probed(error=str(error))
            return commit
        left_out = part.rows - commit.inserted
        missing = part.rows - len(probed.known) // KEY_PLACE_BYTES
        return replace(commit, discarded=missing if missing <= left_out else 0)
