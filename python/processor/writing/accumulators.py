"""What a feature declares that keeps something for each device: how it is restored, and how batches update it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telemetry._codec import Batch


class Accumulator(Protocol):
    """State by device that lives in memory and can be restored from the database.

    A device whose state is not in memory, after a start or an eviction, is *cold*: its state is
    restored before the first batch that holds it is taken in. How many devices it keeps is its own
    affair, and must have a bound. Of a batch it asks what there is once a device, such as
    `Batch.newest_positions`: nothing in Python runs once a record.
    """

    @property
    def name(self) -> str:
        """For log lines."""

    @property
    def query(self) -> str:
        """One row for each device that has something to restore, the device's id in the first column.

        `$1::text[]` are the devices, `$2::timestamptz` the oldest time to look at: a bound keeps
        the query from opening every chunk of a hypertable. It is asked with a recent time, then with
        `-infinity` for the devices that were not found, and is to use an index for each device.
        """

    def cold(self, batch: Batch) -> list[str]:
        """The batch's devices that are not in memory, or in memory without having been restored, each once."""

    def restore(self, device_ids: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
        """Take in what the query says of these devices, which are not cold any more, with a row or without."""

    def update(self, batch: Batch, now_ms: int) -> None:
        """Take in a batch that is about to be written; `now_ms` is Unix time."""
