"""What the canary finds to be at fault on a real server, for each kind of trouble."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from processor.core.write_errors import Evidence
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from tests.support.batches import NOON, batch_of, position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database

Owner = psycopg.Connection[Any]

DEVICES = 20
REFUSED, NEWEST = 7, DEVICES - 1
HOUR_S, DAY_S = 3_600, 86_400
FIVE_YEARS_S = 5 * 365 * DAY_S
# Each device has a row in each of the last 24 hours; the last device has the newest one.
FILL = f"""
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites,
                           priority, codec, attributes)
    SELECT (356307042441000 + device)::text, timestamptz '2026-05-01 12:00Z'
           - hour * interval '1 hour' + device * interval '1 s',
           41 + device * 0.01, 19 + hour * 0.01, device, hour, device, 9, 0, '8E', '{{"239": 1}}'
    FROM generate_series(0, {DEVICES - 1}) device, generate_series(1, 24) hour
"""
STATES = """
    SELECT DISTINCT state FROM pg_stat_activity
    WHERE usename = 'processor' AND datname = current_database()
"""


def device(number: int) -> str:
    found: str = position(number, 0)["device_id"]
    return found


def trigger(body: str, *, when: str = "BEFORE INSERT ON positions FOR EACH ROW") -> str:
    kind = "CONSTRAINT TRIGGER" if "DEFERRED" in when else "TRIGGER"
    return (
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body} RETURN new; END $$;"
        f"CREATE {kind} act {when} EXECUTE FUNCTION act()"
    )


def raising(sqlstate: str = "P0001", *, of: int | None = None) -> str:
    """The body of a trigger that raises, for all rows or those of one device."""
    error = f"RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}';"
    return error if of is None else f"IF new.device_id = '{device(of)}' THEN {error} END IF;"


def devices_but(*without: int) -> str:
    left = ", ".join(f"('{device(n)}')" for n in range(DEVICES) if n not in without)
    return "CREATE TABLE devices (id text PRIMARY KEY); INSERT INTO devices VALUES " + left


AT_COMMIT = "AFTER INSERT ON positions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
KEY = "ALTER TABLE positions ADD CONSTRAINT fk FOREIGN KEY (device_id) REFERENCES devices NOT VALID"
NO_DEVICES = "CREATE TABLE devices (id text PRIMARY KEY)"
SPEED = "ALTER TABLE positions ADD CHECK (speed < 100)"
PER_DAY = """
    ALTER TABLE positions RENAME TO old;
    CREATE TABLE positions (LIKE old INCLUDING DEFAULTS) PARTITION BY RANGE (ts);
    CREATE UNIQUE INDEX ON positions (device_id, ts);
    CREATE TABLE d30 PARTITION OF positions FOR VALUES FROM ('2026-04-30Z') TO ('2026-05-01Z');
    CREATE TABLE d01 PARTITION OF positions FOR VALUES FROM ('2026-05-01Z') TO ('2026-05-02Z');
    INSERT INTO positions SELECT * FROM old;
    GRANT SELECT, INSERT, UPDATE ON positions TO processor
"""


@dataclass(frozen=True)
class Case:
    """What the owner has done, which row is refused, and the evidence that is due."""

    name: str
    setup: str
    due: Evidence
    # Seconds between the entry and its position.
    second: int = 0
    entry_s: int = 0
    refused: int = REFUSED
    changes: dict[str, Any] = field(default_factory=dict)
    empty: bool = False


FAST = {"speed": 150}
R, T, TIME, GONE = Evidence.RECORD, Evidence.TABLE, Evidence.TIME, Evidence.CAUSE_GONE
CASES = [
    Case("nothing is wrong", "SELECT", GONE),
    Case("a CHECK that the row breaks", SPEED, R, changes=FAST),
    Case("a CHECK that the row keeps", SPEED, GONE, changes={"speed": 50}),
    Case("tomorrow's partition is missing", PER_DAY, T, second=DAY_S, entry_s=DAY_S),
    Case("a partition of years ago is missing", PER_DAY, TIME, second=-FIVE_YEARS_S),
    Case(
        "a CHECK on ts, against an old row",
        "ALTER TABLE positions ADD CHECK (ts > '2026-01-01Z')",
        TIME,
        second=-FIVE_YEARS_S,
    ),
    Case(
        "a CHECK on ts, against all that is new",
        "ALTER TABLE positions ADD CHECK (ts < '2026-05-01 11:30Z')",
        T,
    ),
    *(
        Case(f"a trigger raises {sqlstate} for all", trigger(raising(sqlstate)), T)
        for sqlstate in ("P0001", "42883", "22012", "0A000", "44000", "54000", "23503")
    ),
    *(
        Case(
            f"a trigger raises {sqlstate} for the device",
            trigger(raising(sqlstate, of=REFUSED)),
            R,
        )
        for sqlstate in ("P0001", "42883", "22012", "0A000", "44000")
    ),
    Case(
        "a trigger raises for the device with the newest row",
        trigger(raising(of=NEWEST)),
        R,
        refused=NEWEST,
    ),
    Case("a trigger raises at COMMIT for all", trigger(raising(), when=AT_COMMIT), T),
    Case(
        "a trigger raises at COMMIT for the device",
        trigger(raising(of=REFUSED), when=AT_COMMIT),
        R,
    ),
    Case("an unknown device", f"{devices_but(REFUSED)}; {KEY}", R),
    Case(
        "an unknown device, found out at COMMIT",
        f"{devices_but(REFUSED)}; {KEY.replace('NOT VALID', 'DEFERRABLE INITIALLY DEFERRED NOT VALID')}",
        R,
    ),
    Case("all devices are gone", f"{NO_DEVICES}; {KEY}", T),
    Case("an unknown device, and no rows", f"{devices_but(REFUSED)}; {KEY}", T, empty=True),
    Case(
        "a known device's bad value, and no rows",
        f"{devices_but()}; {KEY}; {SPEED}",
        R,
        changes=FAST,
        empty=True,
    ),
    Case(
        "the newest row is of tomorrow, and its device is gone",
        f"{devices_but(NEWEST)}; {KEY}; {SPEED}; UPDATE positions SET ts = '2026-05-02 08:00Z'"
        f" WHERE device_id = '{device(NEWEST)}' AND ts > '2026-05-01 11:00Z'",
        R,
        changes=FAST,
    ),
    Case(
        "a NOT NULL column that nobody fills",
        "ALTER TABLE positions ADD tenant int; UPDATE positions SET tenant = 1;"
        "ALTER TABLE positions ALTER tenant SET NOT NULL",
        T,
    ),
    Case("row level security", "ALTER TABLE positions ENABLE ROW LEVEL SECURITY", T),
    Case(
        "values that are there under another unique index",
        "CREATE UNIQUE INDEX second ON positions (latitude, longitude)",
        R,
        changes={"latitude": 41.0, "longitude": 19.01},
    ),
    Case(
        "another unique index, and a CHECK that the row breaks",
        f"CREATE UNIQUE INDEX second ON positions (latitude, longitude); {SPEED}",
        R,
        changes=FAST,
    ),
    Case(
        "another unique index, and a trigger that raises for all",
        "CREATE UNIQUE INDEX second ON positions (latitude, longitude);"
        + trigger(raising(), when="AFTER INSERT ON positions FOR EACH ROW"),
        T,
    ),
    Case(
        "a unique index by a slip",
        "CREATE UNIQUE INDEX slip ON positions (codec) WHERE ts >= '2026-05-01 11:00:19Z'",
        T,
    ),
    Case(
        "a generated column that cannot be computed of the row",
        "ALTER TABLE positions ADD g float8 GENERATED ALWAYS AS (1 / (speed - 150)) STORED",
        R,
        changes=FAST,
    ),
    Case(
        "an identity column, and a CHECK that the row breaks",
        f"ALTER TABLE positions ADD n bigint GENERATED ALWAYS AS IDENTITY; {SPEED}",
        R,
        changes=FAST,
    ),
    Case(
        "a sequence that the role may not use",
        "ALTER TABLE positions ADD n bigserial; REVOKE ALL ON SEQUENCE positions_n_seq FROM processor",
        T,
    ),
    Case(
        "a statement trigger raises",
        trigger(raising(), when="BEFORE INSERT ON positions FOR EACH STATEMENT"),
        T,
    ),
    Case(
        "a trigger swallows the rows of the device with the newest row",
        trigger(f"IF new.device_id = '{device(NEWEST)}' THEN RETURN NULL; END IF;") + f"; {SPEED}",
        R,
        changes=FAST,
    ),
    Case(
        "a trigger rounds ts",
        trigger("new.ts = date_trunc('second', new.ts);") + f"; {SPEED}",
        R,
        changes=FAST,
    ),
    Case(
        "no other device, and a CHECK that its own rows break themselves",
        f"DELETE FROM positions WHERE device_id <> '{device(REFUSED)}';"
        "ALTER TABLE positions ADD CHECK (satellites < 9) NOT VALID",
        R,
    ),
    # Left wrong, and lossless: such entries stay pending without a recorded failure.
    Case(
        "a CHECK that the newest rows break themselves",
        f"{SPEED}; ALTER TABLE positions ADD CHECK (satellites > 9) NOT VALID",
        T,
        changes=FAST,
    ),
    Case(
        "an exclusion constraint on a second in which every device has a row",
        FILL.replace("hour * interval", "0 * hour * interval")
        .replace("device * interval '1 s'", "0 * device * interval '1 s'")
        .replace("(1, 24)", "(1, 1)")
        + "; ALTER TABLE positions ADD EXCLUDE USING btree"
        " (device_id WITH =, date_trunc('second', ts AT TIME ZONE 'UTC') WITH =)",
        T,
        changes={"timestamp": "2026-05-01T12:00:00.500Z"},
    ),
]


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    limits = StoreLimits(write_timeout_ms=3_000)
    store = PostgresStore(database.processor_url, instance_id="processor-1", limits=limits)
    yield store
    await store.aclose()


async def examine(store: PostgresStore, case: Case) -> Evidence:
    refused = batch_of([position(case.refused, case.second, **case.changes)])
    entered = NOON + timedelta(seconds=case.entry_s)
    return await store.gather_evidence(refused, entry_ms=int(entered.timestamp() * 1_000))


def stored(owner: Owner) -> list[Any]:
    return owner.execute("SELECT count(*), sum(speed) FROM positions").fetchall()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_evidence_is_what_is_due_and_nothing_is_left_behind(
    store: PostgresStore, owner: Owner, case: Case
) -> None:
    if not case.empty:
        owner.execute(FILL.encode())
    owner.execute(case.setup.encode())
    before = stored(owner)
    assert await examine(store, case) is case.due
    assert stored(owner) == before
    assert owner.execute(STATES).fetchall() == [("idle",)]


@pytest.mark.parametrize("entry_ms", [0, 7, 1_777_636_800_000_000_000, 2**64 - 1])
async def test_an_entrys_id_may_be_any_number(
    store: PostgresStore, owner: Owner, entry_ms: int
) -> None:
    owner.execute(f"{FILL}; {SPEED}".encode())
    refused = batch_of([position(REFUSED, 0, **FAST)])
    assert await store.gather_evidence(refused, entry_ms=entry_ms) is Evidence.RECORD


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.due in {R, T}], ids=lambda case: case.name
)
async def test_what_is_examined_is_what_the_writer_is_refused(
    store: PostgresStore, owner: Owner, case: Case
) -> None:
    """Else the table above would be about other trouble than it says."""
    if not case.empty:
        owner.execute(FILL.encode())
    owner.execute(case.setup.encode())
    with pytest.raises(PostgresError) as caught:
        await store.insert_new(batch_of([position(case.refused, case.second, **case.changes)]))
    assert caught.value.connection_usable


@pytest.mark.parametrize("sqlstate", ["53100", "55P03", "25006", "40001", "57014", "58030"])
async def test_trouble_of_the_infrastructure_is_no_evidence(
    store: PostgresStore, owner: Owner, sqlstate: str
) -> None:
    owner.execute(FILL.encode())
    owner.execute(trigger(raising(sqlstate)).encode())
    with pytest.raises(PostgresError) as caught:
        await examine(store, CASES[0])
    assert caught.value.sqlstate == sqlstate
    assert caught.value.connection_usable
    assert owner.execute(STATES).fetchall() == [("idle",)]


async def test_a_row_that_takes_too_long_is_no_evidence_and_holds_no_transaction(
    store: PostgresStore, owner: Owner
) -> None:
    owner.execute(FILL.encode())
    slow = f"IF new.device_id = '{device(REFUSED)}' THEN PERFORM pg_sleep(60); END IF;"
    owner.execute(trigger(slow).encode())
    with pytest.raises(PostgresError, match="no answer within 3000 ms"):
        await examine(store, CASES[0])
    # The server hears of the closed session, and rolls back.
    with trio.fail_after(10):
        while owner.execute(STATES).fetchall():
            await trio.lowlevel.checkpoint()


async def test_a_row_that_ends_its_session_is_no_evidence(
    store: PostgresStore, owner: Owner
) -> None:
    owner.execute(FILL.encode())
    ending = (
        f"IF new.device_id = '{device(REFUSED)}' THEN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
    )
    owner.execute(trigger(ending).replace("LANGUAGE", "SECURITY DEFINER LANGUAGE").encode())
    with pytest.raises(PostgresError) as caught:
        await examine(store, CASES[0])
    assert caught.value.sqlstate == "57P01"
    assert not caught.value.connection_usable
    await store.try_canary()


async def test_a_canary_is_a_row_that_is_taken_back_and_a_commit(
    store: PostgresStore, owner: Owner
) -> None:
    owner.execute(FILL.encode())
    before = stored(owner)
    [(written,)] = owner.execute("SELECT pg_current_wal_lsn()")
    commit = await store.try_canary()
    assert (commit.session, commit.inserted) == (1, 0)
    assert stored(owner) == before
    [(more,)] = owner.execute(f"SELECT pg_current_wal_lsn() > '{written}'".encode())
    assert more


async def test_on_an_empty_table_a_canary_is_a_row_of_no_device(
    store: PostgresStore, owner: Owner
) -> None:
    await store.try_canary()
    owner.execute(SPEED.replace("<", ">").encode())
    with pytest.raises(PostgresError):
        await store.try_canary()


async def test_a_canary_that_is_refused_is_an_error_with_the_sqlstate_of_the_refusal(
    store: PostgresStore, owner: Owner
) -> None:
    owner.execute(FILL.encode())
    owner.execute("ALTER TABLE positions ADD CHECK (speed < 0) NOT VALID")
    with pytest.raises(PostgresError) as caught:
        await store.try_canary()
    assert caught.value.sqlstate == "23514"
    assert caught.value.connection_usable
