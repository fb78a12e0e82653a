"""The probe: looks up which keys are in the table, with one index lookup a key, in the chunk of its day alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import generators, pq

from processor.core.schema import TABLE
from processor.edges.postgres.statements import expect

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

    from telemetry._codec import Keys

# The table may not have been analysed since it was empty, so the plan must not depend on its statistics:
# * For a pair of bounds whose values the planner does not know, it always assumes a two-hundredth of the rows.
#   So the index on both columns always looks better than one on `ts` alone, which would read all devices of a
#   second. With `ts = key.ts`, or without the bounds on the device, it would use the statistics.
# * The LIMIT prevents a hash or merge join with the whole table.
# * The sub-selects hide the length of the arrays: thousands of keys would look costly enough to compile each
#   day's part by JIT, which takes longer than the lookups.
# The span is repeated beside each key because only constants exclude a hypertable's other chunks while the
# statement is planned; they would be looked through for each key otherwise.
_PROBE_DAY: Final = f"""
    SELECT int4send((${{0}}::integer + key.place - 1)::integer) AS place
    FROM unnest((SELECT ${{1}}::text[]), (SELECT ${{2}}::timestamptz[]))
         WITH ORDINALITY AS key (device_id, ts, place)
    CROSS JOIN LATERAL (
        SELECT FROM {TABLE} stored
        WHERE stored.device_id = key.device_id
          AND stored.device_id >= key.device_id AND stored.device_id <= key.device_id
          AND stored.ts >= key.ts AND stored.ts <= key.ts
          AND stored.ts >= ${{3}}::timestamptz AND stored.ts <= ${{4}}::timestamptz
        LIMIT 1
    ) known
"""
# int4, text[], timestamptz[], timestamptz in src/include/catalog/pg_type.dat.
_DAY_TYPES: Final = (23, 1009, 1185, 1184, 1184)


def probe_of(days: int) -> str:
    """The statement for keys of that number of days. It takes the parameters of `Keys.by_day`, day after day."""
    width = len(_DAY_TYPES)
    parts = (
        _PROBE_DAY.format(*range(day * width + 1, (day + 1) * width + 1)) for day in range(days)
    )
    found = "UNION ALL".join(parts)
    return f"SELECT coalesce(string_agg(place, ''::bytea), ''::bytea) FROM ({found}) found"


def probe_keys(pgconn: PGconn, keys: Keys) -> PQGen[bytes]:
    """The places in `keys`, from 0, of those that are in the table, as four bytes each, big-endian.

    Raises psycopg.Error.
    """
    if not len(keys):
        return b""
    types = _DAY_TYPES * keys.days
    pgconn.send_query_params(
        probe_of(keys.days).encode(),
        [parameter for day in keys.by_day() for parameter in day],
        types,
        [pq.Format.BINARY] * len(types),
        pq.Format.BINARY,
    )
    results = yield from generators.execute(pgconn)
    known = expect(pgconn, results, pq.ExecStatus.TUPLES_OK).get_value(0, 0)
    assert known is not None, "an aggregate without rows is coalesced"
    return known
