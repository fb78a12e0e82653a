"""The table of environment variables: each field of `Config` is one, under its name in upper case."""

# ruff: noqa: RUF009 - variable() makes a dataclass field
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ingestion.config.parsers import (
    OFF,
    Networks,
    networks,
    optional_port,
    optional_text,
    stream_names,
    switch,
)
from telemetry.chassis.config.parsers import (
    COUNT_MAX,
    choice,
    count,
    milliseconds,
    port,
    text,
    whole_number,
)
from telemetry.chassis.config.redis_target import RedisTarget, redis_target
from telemetry.chassis.config.service import (
    BACKSTOP_BEHIND_DRAIN,
    ServiceSettings,
    usable_directory,
)
from telemetry.chassis.config.variables import Effective, Relation, effective, load, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.chassis.config.sources import Known

PANIC_DUMP_DIR: Final = Path("/var/lib/tcp-ingestion")
BYTES_MAX: Final = 1 << 30

byte_count = whole_number(1, BYTES_MAX)
count_or_none = whole_number(0, COUNT_MAX)


def optional_count(raw: str) -> int | None:
    """A count, or None if it is empty."""
    return count(raw) if raw else None


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Redis, and the names there: what most commands need."""

    redis_url: RedisTarget = variable(redis_target, secret=True, file=True)
    """The server of the stream: `redis://`, `rediss://`, `unix://`, or sentinels that know it."""
    instance_id: str = variable(text, default="tcp-ingestion-1")
    """This instance's name in logs and metrics; distinct among live instances."""
    redis_telemetry_stream: tuple[str, ...] = variable(stream_names, default="telemetry:teltonika")
    """The stream, or several separated by commas: a device's is CRC-32 of its IMEI modulo their number."""
    redis_control_channel: str = variable(text, default="telemetry:ingestion:control")
    """The Pub/Sub channel of operators' requests."""


@dataclass(frozen=True, kw_only=True)
class Config(ServiceSettings, RedisSettings):
    """All settings; immutable, and its repr holds no password."""

    teltonika_host: str = variable(text, default="")
    """Address that devices connect to; empty: every address of the machine, of both families."""
    teltonika_port: int = variable(port, default="5027")
    """The TCP listener's port; 0 takes any free one."""
    teltonika_udp_port: int | None = variable(optional_port, default=OFF)
    """The UDP listener's port."""
    teltonika_tls_port: int | None = variable(optional_port, default=OFF)
    """The port of the listener for TLS over TCP."""
    tls_cert_file: str | None = variable(optional_text, default="")
    """The TLS listener's certificates, PEM; read again when it changes."""
    tls_key_file: str | None = variable(optional_text, default="")
    """Its private key, PEM."""
    redis_stream_maxlen: int = variable(count_or_none, default="1000000")
    """About how many entries each stream keeps; 0: all."""
    publish_queue_capacity: int = variable(count, default="10000")
    """Records that wait for Redis at most, over all streams."""
    publish_queue_bytes_max: int = variable(byte_count, default="67108864")
    """Their bytes on the wire at most."""
    login_timeout_ms: int = variable(milliseconds(), default="30000")
    """From the accept to the whole login."""
    frame_timeout_ms: int = variable(milliseconds(), default="30000")
    """From a frame's first byte to its last."""
    idle_timeout_ms: int = variable(milliseconds(), default="1800000")
    """From the last byte, pings included."""
    max_frame_bytes: int = variable(byte_count, default="65535")
    """The bound of a frame's length field."""
    max_connections: int | None = variable(optional_count, default="")
    """Connections at the same time; further ones wait in the listen queue. Empty: what RLIMIT_NOFILE leaves."""
    max_connections_per_address: int = variable(count_or_none, default="0")
    """Connections from one address; further ones are closed. 0: no limit, since carriers put fleets behind one."""
    device_allowlist_key: str = variable(text, default="telemetry:devices")
    """A Redis set of IMEIs: these devices are known."""
    device_refresh_ms: int = variable(milliseconds(), default="30000")
    """How often it is read."""
    strict_device_auth: bool = variable(switch, default="false")
    """Whether devices that are not known are refused."""
    proxy_protocol: str = variable(choice(OFF, "v1", "v2", "any"), default=OFF)
    """The version of the PROXY header that each connection has to begin with."""
    proxy_trusted: Networks = variable(networks, default="")
    """Networks whose PROXY headers are believed."""
    quarantine_after: int = variable(count_or_none, default="5")
    """Times in a row after which a sound frame that cannot be decoded is kept raw and answered; 0: never."""
    drain_delay_ms: int = variable(milliseconds(least=0), default="0")
    """After a stop request: not ready, but still accepting, for so long."""
    metrics_port: int = variable(port, default="9091")
    """The port of the endpoints; 0 takes any free one."""
    panic_dump_dir: str = variable(text, derive=usable_directory(PANIC_DUMP_DIR))
    """Directory that takes the dump of an uncaught exception."""


def _lacks_tls_files(known: Known) -> bool:
    return known["teltonika_tls_port"] is not None and not (
        known["tls_cert_file"] and known["tls_key_file"]
    )


RELATIONS = (
    BACKSTOP_BEHIND_DRAIN,
    Relation(
        "TELTONIKA_TLS_PORT",
        lambda known: not _lacks_tls_files(known),
        lambda _known: "needs TLS_CERT_FILE and TLS_KEY_FILE",
    ),
)


def effective_config(environ: Mapping[str, str]) -> list[Effective]:
    """Every variable as it is in effect, secrets hidden; a required one may be missing.

    Raises ConfigError as `load_config` does, if another fault is found.
    """
    found, faults = effective(Config, environ, RELATIONS)
    if faults:
        load_config(environ)
    return found


def load_config(environ: Mapping[str, str]) -> Config:
    """Read the whole table. An empty variable counts as not set.

    Raises ConfigError with one line for every variable that is missing or bad.
    """
    return load(Config, environ, RELATIONS)
