"""The address of PostgreSQL: its URL, taken apart far enough that a bad one is found at the start."""

from __future__ import annotations

from dataclasses import dataclass, field

from telemetry.chassis.config.parsers import PORT_MAX, Unacceptable
from telemetry.chassis.config.secrets import secrets_in_url
from telemetry.chassis.config.urls import ENCODE, split_url

POSTGRES_PORT = 5432

POSTGRES_ACCEPTED = "accepted: postgres:// or postgresql://[user:password@]host[:port][,host...]/database[?option=value]"
# Options of libpq 18 that are secrets; the names of files are not.
_LOGIN_SECRETS = (
    "password",
    "sslpassword",
    "oauth_client_secret",
    "scram_client_key",
    "scram_server_key",
)


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """A PostgreSQL database: the URL for libpq, and the parts of it that messages may show."""

    conninfo: str = field(repr=False)
    """The URL as given, password included."""
    host: str
    """As in the URL; several are separated by commas. A local socket when the URL names none."""
    port: str
    database: str
    user: str | None

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def has_several_hosts(self) -> bool:
        """Whether another host may take over from the one in use."""
        return "," in self.host

    @property
    def secrets(self) -> tuple[str, ...]:
        """The URL, its password and its secret options, which must not be shown."""
        return secrets_in_url(self.conninfo)


def postgres_target(raw: str) -> PostgresTarget:
    """Have libpq check a PostgreSQL URL and name its parts."""
    split_url(raw, ("postgres", "postgresql"), POSTGRES_ACCEPTED)
    # Imported late: commands that need no PostgreSQL do not wait for libpq.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        options = conninfo_to_dict(raw)
    except ProgrammingError:
        # libpq quotes the piece that it cannot read, and that may be a part of the password.
        raise Unacceptable(f"is refused by libpq; {ENCODE}; {POSTGRES_ACCEPTED}") from None
    ports = str(options.get("port") or POSTGRES_PORT)
    if not all(_is_port(port) for port in ports.split(",")):
        raise Unacceptable(f"has an invalid port; accepted: 1 to {PORT_MAX}; {ENCODE}")
    user = options.get("user")
    return PostgresTarget(
        conninfo=raw,
        host=str(options.get("host") or options.get("hostaddr") or "local socket"),
        port=ports,
        database=str(options.get("dbname") or user or ""),
        user=None if user is None else str(user),
    )


def holds_password(target: PostgresTarget) -> bool:
    """Whether the URL itself holds a secret for the login, in whichever of the places that libpq knows."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    options = conninfo_to_dict(target.conninfo)
    return any(options.get(name) for name in _LOGIN_SECRETS)


def _is_port(text: str) -> bool:
    """Whether it is a port; an empty one, in a list of several hosts, is the default."""
    return not text or (text.isdecimal() and 1 <= int(text) <= PORT_MAX)
