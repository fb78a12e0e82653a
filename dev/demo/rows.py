"""Reads the rows that were written, for the picture and for a file to look into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

EXPORT = """
    COPY (SELECT * FROM positions WHERE NOT faulty ORDER BY device_id, ts)
    TO STDOUT (FORMAT csv, HEADER)
"""
# Without a fix a device repeats its last place or sends zeros.
TRACK = """
    SELECT device_id, ts, latitude, longitude, speed FROM positions
    WHERE NOT faulty AND satellites > 0 ORDER BY device_id, ts
"""


@dataclass(frozen=True)
class Fix:
    """One place of a vehicle; degrees and km/h."""

    device_id: str
    ts: datetime
    latitude: float
    longitude: float
    speed: float


def export_rows(database_url: str, file: Path) -> None:
    """Write all rows to `file` as CSV."""
    with (
        psycopg.connect(database_url) as connection,
        connection.cursor().copy(EXPORT) as copy,
        file.open("wb") as output,
    ):
        output.writelines(copy)


def read_track(database_url: str) -> list[Fix]:
    """All places with a fix, vehicle by vehicle in the order of time."""
    with psycopg.connect(database_url) as connection:
        return [Fix(*row) for row in connection.execute(TRACK)]
