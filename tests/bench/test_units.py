from __future__ import annotations

import os

from bench.units import BYTES, CPU, Unit, measure_units
from dev.servers import Choice

RECORDS = 2_000


def test_each_part_has_a_cost_in_cpu_time_and_in_bytes() -> None:
    choice = Choice(os.environ.get("PROCESSOR_TEST_SERVERS", Choice.AUTO.value))

    # It raises when a record is no row.
    units = measure_units(RECORDS, choice)

    assert all(unit.value > 0 for unit in units), units
    for part in ("Redis", "PostgreSQL"):
        assert {unit.kind for unit in units if unit.part == part} == {CPU, BYTES}
    # A payload has 423 bytes: what carries it has no less, and no more than twice as many.
    assert 423 < value(units, "memory of an entry") < 846
    assert 423 < value(units, "received, XADD") < 846
    assert value(units, "WAL, unique index alone") < value(units, "WAL, three indexes")


def value(units: list[Unit], what: str) -> float:
    [found] = [unit.value for unit in units if unit.what == what]
    return found
