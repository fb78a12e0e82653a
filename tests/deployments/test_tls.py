"""TLS to both servers as they speak it themselves: who is refused, in which words, and that certificates are shown."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.schema import create_database
from dev.servers import Choice, find_postgres, find_redis, launch_postgres, launch_redis
from dev.servers.ports import free_port
from dev.servers.redis_users import PASSWORD
from tests.support.live_entries import live
from tests.support.processes import PROCESSOR, Service, base_environment
from tests.support.servers import Servers
from tests.support.tls_servers import HBA, TlsServers, make_certificates, redis_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

# The embedded servers are built without TLS.
pytestmark = pytest.mark.deployment

STREAM = "telemetry:tls"
IMEI = "356307042441013"
CAPTURE = Path(__file__).parents[1] / "captures" / "drive-codec8.hex"
# Encrypted, whatever the server shows.
UNCHECKED = "?sslmode=require&sslcert=%s&sslkey=%s"
# What the servers show, and what is said to do about it. libpq does not say what is wrong.
NOT_ACCEPTED = {
    "wrong-name": "use a host name that the server's certificate has",
    "expired": "have the server's certificate renewed",
    "stranger": "name (the|its) authority",
}
WANTS_OURS = "wants a (valid client certificate|certificate of this client)"


@pytest.fixture(scope="module")
def both() -> Iterator[TlsServers]:
    """Both servers, with a certificate authority of the test's own."""
    port = free_port()
    with launch_postgres(find_postgres(Choice.MACHINE)) as postgres:
        certificates = make_certificates(postgres.process.directory.path / "certificates")
        with launch_redis(
            find_redis(Choice.MACHINE), extra_args=[*redis_arguments(certificates, port)]
        ) as redis:
            database = create_database(postgres, "tls")
            servers = TlsServers(certificates, redis, port, postgres, database)
            (postgres.data_dir / "pg_hba.conf").write_text(HBA)
            servers.show("good")
            yield servers


@pytest.fixture
def environment(both: TlsServers, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a service that has everything it needs; both servers show `good` again afterwards."""
    yield {
        **base_environment(tmp_path),
        "REDIS_URL": both.redis_url(),
        "POSTGRES_URL": both.postgres_url(),
        "REDIS_TELEMETRY_STREAM": STREAM,
        "CONNECT_ATTEMPTS": "1",
    }
    both.show("good")


def refused_start(environment: dict[str, str], tmp_path: Path) -> str:
    """The last words of a service that does not get in; nothing that it says has a password."""
    service = Service(environment, tmp_path / "stderr")
    try:
        assert service.wait() == 4, service.report()
    finally:
        service.kill()
    assert_no_secret(str(service.lines) + service.stderr)
    return str(service.lines[-1]["msg"])


def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [PROCESSOR, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert_no_secret(ended.stdout + ended.stderr)
    return ended


def assert_no_secret(text: str) -> None:
    assert PASSWORD not in text
    assert "processor:" not in text


def test_everything_works_with_certificates_on_both_sides(
    both: TlsServers, environment: dict[str, str], tmp_path: Path
) -> None:
    service = Service(environment, tmp_path / "stderr")
    try:
        service.ready()
        with both.redis_admin() as admin:
            servers = Servers(admin, STREAM, both.database)
            servers.publish_at_once(live(50))
            servers.until_rows(50)
            servers.until_settled()
            assert all(
                client["laddr"].endswith(f":{both.redis_port}")
                for client in admin.client_list()
                if client["name"].startswith("processor")
            )
        with servers.owner() as owner:
            [encrypted] = owner.execute(
                # PostgreSQL shows the beginning of the name.
                "SELECT bool_and(client_dn LIKE '%/CN=proc%')"
                " FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'processor'"
            ).fetchone() or (False,)
        assert encrypted
        commands = environment | {"REDIS_URL": both.operator_url()}
        shown = command(commands, "instances", "--json")
        assert shown.returncode == 0, shown.stderr
        assert len(json.loads(shown.stdout)["instances"]) == 1
        assert command(commands, "device", "show", IMEI, "--json").returncode == 0
        assert service.stop() == 0
    finally:
        service.kill()


@pytest.mark.parametrize("shown", NOT_ACCEPTED)
def test_a_server_that_is_not_what_the_url_says_is_refused(
    both: TlsServers, environment: dict[str, str], tmp_path: Path, shown: str
) -> None:
    both.show(shown)
    advice = NOT_ACCEPTED[shown]
    # PostgreSQL is connected to first: behind that, Redis.
    said = refused_start(environment, tmp_path)
    assert re.search(f"localhost:{both.postgres.port}: .*{advice}", said)
    open_postgres = {"POSTGRES_URL": both.database.processor_url + UNCHECKED % both.own_certificate}
    said = refused_start(environment | open_postgres, tmp_path)
    assert re.search(f"localhost:{both.redis_port}: .*{advice}", said)
    commands = environment | {"REDIS_URL": both.operator_url()}
    for words in (("instances",), ("device", "show", IMEI), ("publish", str(CAPTURE))):
        ended = command(commands, *words)
        assert (ended.returncode, ended.stdout) == (4, "")
        assert re.search(advice, ended.stderr)


@pytest.mark.parametrize("own", [None, "stranger"])
def test_a_client_without_a_certificate_of_the_authority_is_refused(
    both: TlsServers, environment: dict[str, str], tmp_path: Path, own: str | None
) -> None:
    for urls in (
        {"REDIS_URL": both.redis_url(own=own)},
        {"POSTGRES_URL": both.postgres_url(own=own)},
    ):
        assert re.search(WANTS_OURS, refused_start(environment | urls, tmp_path))
    ended = command(environment | {"REDIS_URL": both.operator_url(own=own)}, "instances")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert re.search(WANTS_OURS, ended.stderr)
