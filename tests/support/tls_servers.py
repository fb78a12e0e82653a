"""Redis and PostgreSQL that speak TLS by themselves, with certificates that a test can exchange while they run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import trustme
from redis import Redis

from dev.servers.account import unprivileged
from dev.servers.redis_users import ADMIN, OPERATOR, PASSWORD, PROCESSOR, login
from tests.support.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.servers import Database, PostgresServer, RedisServer

# A client without its certificate is refused with the password right.
HBA = """
hostssl all directus all scram-sha-256
hostssl all all all scram-sha-256 clientcert=verify-ca
"""


@dataclass(frozen=True)
class Certificates:
    """Files of a certificate authority: `pair` gives a certificate, its chain included, and its key."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "ca.pem"

    def pair(self, name: str) -> tuple[Path, Path]:
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"


def make_certificates(directory: Path) -> Certificates:
    """A new authority, and certificates by what they are for; the keys belong to the user that PostgreSQL runs as."""
    directory.mkdir(mode=0o755)
    authority, stranger = trustme.CA(), trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    issued = {
        "good": authority.issue_cert("localhost"),
        "wrong-name": authority.issue_cert("elsewhere.example.org"),
        "expired": authority.issue_cert("localhost", not_after=yesterday),
        "stranger": stranger.issue_cert("localhost"),
        "client": authority.issue_cert("processor.example.org", common_name="processor"),
    }
    certificates = Certificates(directory)
    authority.cert_pem.write_to_path(str(certificates.authority))
    account = unprivileged()
    for name, leaf in issued.items():
        chain, key = certificates.pair(name)
        chain.write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
        key.touch(mode=0o600)
        key.write_bytes(leaf.private_key_pem.bytes())
        # A server and a client that are other users read it: PostgreSQL refuses a key that all may read.
        if account.switch and name != "client":
            shutil.chown(key, account.uid, account.gid)
    return certificates


@dataclass(frozen=True)
class TlsServers:
    """Both servers; they show `good` and demand a certificate of the client."""

    certificates: Certificates
    redis: RedisServer
    redis_port: int
    postgres: PostgresServer
    database: Database

    def show(self, name: str) -> None:
        """Have both servers show another certificate to whoever connects from now on."""
        chain, key = self.certificates.pair(name)
        with self.redis_admin() as client:
            client.config_set("tls-cert-file", str(chain), "tls-key-file", str(key))
        with psycopg.connect(self.database.admin_url, autocommit=True) as owner:
            owner.execute(f"ALTER SYSTEM SET ssl_cert_file = '{chain}'".encode())
            owner.execute(f"ALTER SYSTEM SET ssl_key_file = '{key}'".encode())
            owner.execute(
                f"ALTER SYSTEM SET ssl_ca_file = '{self.certificates.authority}'".encode()
            )
            owner.execute("ALTER SYSTEM SET ssl = on")
            owner.execute("SELECT pg_reload_conf()")
        until(lambda: self._shown() == str(chain), "PostgreSQL has read its settings again")

    def _shown(self) -> str:
        with psycopg.connect(self.database.admin_url) as owner:
            [shown] = owner.execute("SHOW ssl_cert_file").fetchone() or ("",)
            return str(shown)

    def redis_admin(self) -> Redis:
        return Redis(
            unix_socket_path=str(self.redis.unix_socket), username=ADMIN, password=PASSWORD
        )

    def redis_url(self, *, user: str = PROCESSOR, own: str | None = "client") -> str:
        """A URL that checks the server, and shows the certificate `own`."""
        shown = ""
        if own is not None:
            chain, key = self.certificates.pair(own)
            shown = f"&ssl_certfile={chain}&ssl_keyfile={key}"
        place = f"rediss://{login(user)}@localhost:{self.redis_port}/0"
        return f"{place}?ssl_ca_certs={self.certificates.authority}{shown}"

    @property
    def own_certificate(self) -> tuple[Path, Path]:
        """The client's certificate and key."""
        return self.certificates.pair("client")

    def operator_url(self, *, own: str | None = "client") -> str:
        return self.redis_url(user=OPERATOR, own=own)

    def postgres_url(self, *, own: str | None = "client") -> str:
        """The same for PostgreSQL."""
        shown = ""
        if own is not None:
            chain, key = self.certificates.pair(own)
            shown = f"&sslcert={chain}&sslkey={key}"
        place = self.database.processor_url.replace("127.0.0.1", "localhost")
        return f"{place}?sslmode=verify-full&sslrootcert={self.certificates.authority}{shown}"


def redis_arguments(certificates: Certificates, port: int) -> Iterator[str]:
    """The command line of a Redis that demands certificates on `port`."""
    chain, key = certificates.pair("good")
    settings = {
        "tls-port": str(port),
        "tls-cert-file": str(chain),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(certificates.authority),
        "tls-auth-clients": "yes",
    }
    for name, value in settings.items():
        yield from (f"--{name}", value)
