"""Settings that a role, a database, the environment or a pooler gives a session: the service overrides them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from dev.servers import launch_pgbouncer
from tests.support.live_entries import live, live_entry
from tests.support.processes import QUICK_CLAIMS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment("pgbouncer")

# Letters beyond ASCII in a key, in a value and in the device's name.
TEXT = "Çelësi i Gjirokastrës, ключ 🔑"
DEVICE = "автобус-7-Ç"
IMEI = "356307042441007"

# A trigger records the settings of a session while it writes rows.
SPY = (
    "CREATE TABLE seen (name text, setting text)",
    """CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO public.seen SELECT name, setting FROM pg_settings;
        RETURN NULL; END $$""",
    """CREATE TRIGGER spy BEFORE INSERT ON positions
       FOR EACH STATEMENT EXECUTE FUNCTION spy()""",
)


def seen(servers: Servers, name: str) -> set[str]:
    """The values of this setting at all times when rows were written."""
    with servers.owner() as owner:
        found = owner.execute("SELECT setting FROM seen WHERE name = %s", [name]).fetchall()
    return {setting for (setting,) in found}


def assert_text_is_stored_right(servers: Servers, count: int, *, device: str = DEVICE) -> None:
    with servers.owner() as owner:
        # The database's setting is meant for the service, but would apply here, too.
        owner.execute("SET client_encoding = 'UTF8'")
        found = owner.execute(
            "SELECT device_id, attributes ->> '10358' FROM positions WHERE attributes ? '10358'"
        ).fetchall()
    assert found == [(device, TEXT)] * count


def publish_text(servers: Servers, *, first_second: int = 0, device: str = DEVICE) -> None:
    """Rows with text by both paths: a COPY, then a batch that repeats some of them, which is staged."""
    rows = [
        live_entry(1, first_second + n, device_id=device, attributes={"10358": TEXT})
        for n in range(10)
    ]
    for fields in rows:
        # As UTF-8 bytes, as other producers write it: with escapes there would be nothing to convert.
        value = json.loads(str(fields["payload"]))
        fields["payload"] = json.dumps(value, ensure_ascii=False)
    servers.publish_at_once(rows)
    servers.until_settled()
    servers.publish_at_once([*rows[:5], *live(5, first_second=first_second + 100)])
    servers.until_settled()


@pytest.fixture
def role(postgres_server: PostgresServer) -> Iterator[str]:
    """The service's role, which all databases of the run share: it is restored afterwards."""
    yield "processor"
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as owner:
        owner.execute("ALTER ROLE processor RESET ALL")
        owner.execute("ALTER ROLE processor CONNECTION LIMIT -1")


ENCODINGS = ["LATIN1", "WIN1252", "SQL_ASCII", "EUC_JP"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("whose", ["role", "database"])
def test_another_client_encoding_of_role_or_database_changes_no_letter(
    run: Run, servers: Servers, role: str, whose: str, encoding: str
) -> None:
    name = {"role": role, "database": servers.database.name}[whose]
    servers.own(f"ALTER {whose} {name} SET client_encoding = '{encoding}'")
    service = run(**QUICK_CLAIMS).ready()
    publish_text(servers, device=IMEI)
    assert_text_is_stored_right(servers, 10, device=IMEI)
    servers.assert_promise_kept(rows=15)
    assert service.stop() == 0


def test_another_client_encoding_changes_no_letter_of_a_devices_name(
    run: Run, servers: Servers, role: str
) -> None:
    servers.own(f"ALTER ROLE {role} SET client_encoding = 'LATIN1'")
    service = run(**QUICK_CLAIMS).ready()
    publish_text(servers)
    assert_text_is_stored_right(servers, 10)
    assert service.stop() == 0


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252"])
def test_another_client_encoding_of_the_environment_changes_no_letter(
    run: Run, servers: Servers, encoding: str
) -> None:
    service = run(**QUICK_CLAIMS, PGCLIENTENCODING=encoding).ready()
    publish_text(servers, device=IMEI)
    assert_text_is_stored_right(servers, 10, device=IMEI)
    servers.assert_promise_kept(rows=15)
    assert service.stop() == 0


def test_another_client_encoding_in_the_url_changes_no_letter(run: Run, servers: Servers) -> None:
    url = f"{servers.database.processor_url}?client_encoding=LATIN1"
    service = run(**QUICK_CLAIMS, POSTGRES_URL=url).ready()
    publish_text(servers)
    assert_text_is_stored_right(servers, 10)
    assert service.stop() == 0


# Settings of a role that would lose rows, put them elsewhere, refuse them, change them or end the session, with the
# value in pg_settings that must not appear.
ROLE_SETTINGS = {
    "synchronous_commit": ("off", "off"),
    "DateStyle": ("'SQL, DMY'", "SQL, DMY"),
    "TimeZone": ("'Asia/Kathmandu'", "Asia/Kathmandu"),
    "search_path": ("shadow", "shadow"),
    "statement_timeout": ("'900ms'", "900"),
    "lock_timeout": ("'900ms'", "900"),
    "idle_session_timeout": ("'300ms'", "300"),
    "idle_in_transaction_session_timeout": ("'1ms'", "1"),
    "default_transaction_read_only": ("on", "on"),
    "default_transaction_isolation": ("serializable", None),
    "IntervalStyle": ("sql_standard", None),
    "bytea_output": ("escape", None),
    "extra_float_digits": ("-10", None),
    "standard_conforming_strings": ("off", None),
}


@pytest.mark.parametrize("setting", ROLE_SETTINGS)
def test_a_setting_of_the_role_changes_nothing(
    run: Run, servers: Servers, role: str, setting: str
) -> None:
    value, unwanted = ROLE_SETTINGS[setting]
    servers.own(
        "CREATE SCHEMA shadow",
        "CREATE TABLE shadow.positions (LIKE public.positions INCLUDING ALL)",
        "GRANT ALL ON SCHEMA shadow TO processor",
        "GRANT ALL ON shadow.positions TO processor",
        *SPY,
        f"ALTER ROLE {role} SET {setting} = {value}",
    )
    service = run(**QUICK_CLAIMS).ready()
    publish_text(servers)
    assert_text_is_stored_right(servers, 10)
    servers.assert_promise_kept(rows=15)
    assert unwanted not in seen(servers, setting)
    assert service.metrics()['position_writes_total{status="failed"}'] == 0
    service.until_ready_again()
    assert service.stop() == 0


IGNORING = {"ignore_startup_parameters": "options,extra_float_digits"}


@pytest.mark.parametrize("settings", [{}, IGNORING], ids=["refuses options", "ignores options"])
def test_behind_a_pooler_in_session_mode_rows_are_committed_durably(
    run: Run, servers: Servers, role: str, postgres_server: PostgresServer, settings: dict[str, str]
) -> None:
    servers.own(*SPY, f"ALTER ROLE {role} SET synchronous_commit = off")
    with launch_pgbouncer(postgres_server, pool_mode="session", settings=settings) as pooler:
        url = pooler.database(servers.database.name).processor_url
        service = run(**QUICK_CLAIMS, POSTGRES_URL=url).ready()
        publish_text(servers)
        assert_text_is_stored_right(servers, 10)
        # From now on the pooler gives the service other servers.
        with psycopg.connect(pooler.console_url, autocommit=True) as console:
            console.execute("RECONNECT")
        servers.end_sessions()
        publish_text(servers, first_second=1_000)
        servers.assert_promise_kept(rows=30)
        assert seen(servers, "synchronous_commit") == {"on"}
        assert seen(servers, "client_encoding") == {"UTF8"}
        service.until_ready_again()
        assert service.stop() == 0


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
def test_a_pooler_that_changes_servers_between_transactions_is_refused_at_the_start(
    run: Run, servers: Servers, postgres_server: PostgresServer, pool_mode: str
) -> None:
    settings = {**IGNORING, "default_pool_size": "4"}
    with launch_pgbouncer(postgres_server, pool_mode=pool_mode, settings=settings) as pooler:
        url = pooler.database(servers.database.name).processor_url
        service = run(POSTGRES_URL=url, CONNECT_ATTEMPTS="2", CONNECT_BACKOFF_MAX_MS="100")
        assert service.wait() in {4, 78}
        last: str = service.lines[-1]["msg"]
        assert f"{pool_mode} mode" in last
        assert "session" in last


@pytest.mark.parametrize(("writers", "sessions"), [(1, 2), (1, 3), (2, 3)])
def test_a_role_with_no_session_to_spare_has_its_crash_suspects_decided(
    run: Run, servers: Servers, role: str, writers: int, sessions: int
) -> None:
    servers.own(f"ALTER ROLE {role} CONNECTION LIMIT {sessions}")
    service = run(**QUICK_CLAIMS, WRITERS=str(writers)).ready()
    servers.publish(live(100))
    servers.until_settled()
    # Now every session that the service may have is in use.
    until(lambda: len(servers.sessions_of_the_processor()) > writers, "its sessions")
    servers.publish_abandoned(live(10, first_second=1_000), deliveries=6)
    servers.publish(live(100, first_second=2_000))
    servers.until_settled()
    servers.assert_promise_kept(rows=210)
    assert service.logged("crash suspect")
    service.until_ready_again()
    assert service.stop() == 0
