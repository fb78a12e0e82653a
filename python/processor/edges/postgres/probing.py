"""Asks which keys are in the table: one statement, one index lookup for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import generators, pq

from processor.core.schema import TABLE
from processor.edges.postgres.results import expect

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

    from processor._codec import Keys

# A LIMIT keeps the planner from joining the whole table by hash or merge, whatever its statistics say.
# The keys' span stands beside each key because only constants spare a hypertable the other
# chunks: they are left out when the statement is planned, not looked through once a key.
PROBE_KEYS: Final = f"""
SELECT coalesce(string_agg(int4send((key.place - 1)::integer), ''::bytea), ''::bytea)
FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS key (device_id, ts, place)
CROSS JOIN LATERAL (
    SELECT FROM {TABLE} stored
    WHERE stored.device_id = key.device_id AND stored.ts = key.ts
      AND stored.ts >= $3::timestamptz AND stored.ts <= $4::timestamptz
    LIMIT 1
) known
""".encode()

# text[], timestamptz[], timestamptz in src/include/catalog/pg_type.dat.
PROBE_TYPES: Final = (1009, 1185, 1184, 1184)


def probe_keys(pgconn: PGconn, keys: Keys) -> PQGen[bytes]:
    """The positions among `keys`, from 0, of those in the table, as four bytes each, big-endian.

    Raises psycopg.Error.
    """
    if keys.span is None:
        return b""
    pgconn.send_query_params(
        PROBE_KEYS,
        (keys.device_ids, keys.timestamps, *keys.span),
        PROBE_TYPES,
        [pq.Format.BINARY] * len(PROBE_TYPES),
        pq.Format.BINARY,
    )
    results = yield from generators.execute(pgconn)
    known = expect(pgconn, results, pq.ExecStatus.TUPLES_OK).get_value(0, 0)
    assert known is not None, "an aggregate without rows is coalesced"
    return known
