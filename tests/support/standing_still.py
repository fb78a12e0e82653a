"""A program for tests: the processor, whose writers begin a write and never come back from it."""

from __future__ import annotations

from typing import NoReturn
from unittest.mock import patch

import trio

from processor.cli import enter
from processor.edges.postgres.store import PostgresStore
from processor.service import assembly


class StoreThatNeverReturns(PostgresStore):
    """It has no deadline either, as a mistake in our own code would have none."""

    async def copy_direct(self, batch: object) -> NoReturn:  # noqa: ARG002  # named as in the port
        """Wait for ever."""
        await trio.sleep_forever()
        raise AssertionError("unreachable")

    insert_new = copy_direct


if __name__ == "__main__":
    with patch.object(assembly, "PostgresStore", StoreThatNeverReturns):
        enter()
