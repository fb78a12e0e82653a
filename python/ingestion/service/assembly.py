"""Puts the service together from its configuration: rooms, the options of each task, and its panic dumps.

Nothing below knows the whole configuration: a task gets the options that it needs.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.core.quarantine import Quarantine
from ingestion.devices.allowlist import Allowlist
from ingestion.devices.known_devices import KnownDevices
from ingestion.journal import SERVICE
from ingestion.journal.statistics import Build
from ingestion.listening.descriptors import take_descriptors
from ingestion.listening.listeners import Listeners
from ingestion.listening.options import ListenOptions, TlsOptions
from ingestion.publishing.options import PublishOptions
from ingestion.publishing.publishers import Publishers
from ingestion.service.crash_sections import versions
from ingestion.service.rooms import Rooms
from ingestion.service.starting import StartOptions
from ingestion.service.supervisor import ServiceOptions
from ingestion.sessions.house import House
from ingestion.sessions.parts import Parts
from ingestion.sessions.refusing import SUFFIX
from ingestion.sessions.roster import Roster
from ingestion.taps.taps import Taps
from telemetry._codec import SessionLimits, StreamWriters, __version__
from telemetry.chassis.backoff import BACKOFF_BASE_MS, Backoff, for_ever
from telemetry.chassis.config.secrets import secrets_of
from telemetry.chassis.control.messages import MESSAGE_BYTES_MAX
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.redis.cluster.homes import Homes
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.subscription import SubscriptionOptions

if TYPE_CHECKING:
    from ingestion.config import Config
    from ingestion.journal.journal import Journal


def make_rooms(config: Config, journal: Journal) -> Rooms:
    """The rooms that a frame passes through; nothing is connected or open yet."""
    homes = Homes(config.redis_url)
    publishers = Publishers(publish_options(config, homes), journal)
    devices = KnownDevices(
        Allowlist(
            homes=homes,
            key=config.device_allowlist_key,
            client_name=f"{client_name(config)}:devices",
        ),
        journal,
        is_strict=config.strict_device_auth,
        refresh_ms=config.device_refresh_ms,
    )
    parts = Parts(
        limits=SessionLimits(
            frame_bytes_max=config.max_frame_bytes,
            login_timeout_ms=config.login_timeout_ms,
            frame_timeout_ms=config.frame_timeout_ms,
            idle_timeout_ms=config.idle_timeout_ms,
        ),
        writers=StreamWriters(
            config.redis_telemetry_stream, entries_max=config.redis_stream_maxlen
        ),
        publishers=publishers,
        devices=devices,
        quarantine=Quarantine(config.quarantine_after),
        quarantine_streams=_quarantine_streams(config),
        taps=Taps(),
        roster=Roster(),
        journal=journal,
        instance_id=config.instance_id,
    )
    return Rooms(
        listeners=Listeners(listen_options(config, journal), journal),
        house=House(parts, drain_budget_ms=config.drain_budget_ms),
        parts=parts,
        publishers=publishers,
        devices=devices,
    )


def listen_options(config: Config, journal: Journal) -> ListenOptions:
    """Where devices are listened to, and who may connect."""
    tls = None
    if config.teltonika_tls_port is not None and config.tls_cert_file and config.tls_key_file:
        tls = TlsOptions(
            port=config.teltonika_tls_port,
            cert_file=Path(config.tls_cert_file),
            key_file=Path(config.tls_key_file),
        )
    return ListenOptions(
        host=config.teltonika_host,
        port=config.teltonika_port,
        udp_port=config.teltonika_udp_port,
        tls=tls,
        login_timeout_ms=config.login_timeout_ms,
        max_connections=take_descriptors(config.max_connections, journal),
        max_connections_per_address=config.max_connections_per_address,
        proxy_protocol=config.proxy_protocol,
        proxy_trusted=config.proxy_trusted,
    )


def publish_options(config: Config, homes: Homes) -> PublishOptions:
    """The streams, the way to them, and the bounds of what waits."""
    return PublishOptions(
        homes=homes,
        streams=config.redis_telemetry_stream,
        quarantine_streams=_quarantine_streams(config),
        instance_id=config.instance_id,
        records_max=config.publish_queue_capacity,
        bytes_max=config.publish_queue_bytes_max,
        backoff=for_ever(
            config.connect_backoff_max_ms,
            several_servers=config.redis_url.sentinels is not None,
        ),
    )


def service_options(config: Config) -> ServiceOptions:
    """The options of every task."""
    redis = config.redis_url
    return ServiceOptions(
        metrics_host=config.metrics_host,
        metrics_port=config.metrics_port,
        start=StartOptions(
            redis_host=redis.shown_host,
            redis_port=redis.shown_port,
            backoff=Backoff(
                base_ms=BACKOFF_BASE_MS,
                max_ms=config.connect_backoff_max_ms,
                attempts_max=config.connect_attempts,
            ),
        ),
        requests=SubscriptionOptions(
            homes=Homes(redis),
            channel=config.redis_control_channel,
            name=f"{client_name(config)}:requests",
            message_bytes_max=MESSAGE_BYTES_MAX,
            limits=RedisLimits(),
        ),
        stall_ms=config.stall_ms,
        drain_delay_ms=config.drain_delay_ms,
        drain_budget_ms=config.drain_budget_ms,
        instance_id=config.instance_id,
        dumps=dump_options(config),
    )


def build_of(config: Config) -> Build:
    """What runs, and on what, for the metrics."""
    return Build(
        version=__version__,
        instance_id=config.instance_id,
        streams=config.redis_telemetry_stream,
        drain_budget_s=config.drain_budget_ms / 1_000,
    )


def dump_options(config: Config) -> DumpOptions:
    """What a panic dump says of the settings, and where it goes."""
    return DumpOptions(
        service=SERVICE,
        instance_id=config.instance_id,
        directory=config.panic_dump_dir,
        # Under the names that an operator sets them by.
        configuration={each.name.upper(): getattr(config, each.name) for each in fields(config)},
        secrets=secrets_of(config),
        versions=versions,
    )


def client_name(config: Config) -> str:
    """How connections to Redis call themselves, as far as they have it in common."""
    return config.redis_url.client_name or f"tcp-ingestion/{config.instance_id}"


def _quarantine_streams(config: Config) -> tuple[str, ...]:
    return tuple(name + SUFFIX for name in config.redis_telemetry_stream)
