"""Puts the service together from its configuration: real edges, the options of each task, and its panic dumps.

Nothing below knows the whole configuration: a task gets the options that it needs.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.edges.redis.names import StreamNames
from processor.edges.redis.stream import RedisPositionStream
from processor.journal import SERVICE
from processor.journal.statistics import Build
from processor.reading.consumer import ReadOptions
from processor.reading.pending_pass import ClaimOptions
from processor.service.crash_sections import versions
from processor.service.edges import Edges
from processor.service.pipeline import PipelineOptions, WriteOptions
from processor.service.starting import StartOptions
from processor.service.supervisor import ServiceOptions
from processor.watching.postgres_probe import PostgresProbe
from telemetry._codec import ReplyParser, __version__
from telemetry.chassis.backoff import BACKOFF_BASE_MS, Backoff, for_ever
from telemetry.chassis.config.secrets import secrets_of
from telemetry.chassis.control.messages import MESSAGE_BYTES_MAX
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.subscription import SubscriptionOptions

if TYPE_CHECKING:
    from processor.config import Config

REDIS_LIMITS = RedisLimits()
WRITE_LIMITS = StoreLimits()
# The probe is to answer soon, and to delay nobody when the process ends: its command is not worth cancelling.
PROBE_LIMITS = StoreLimits(connect_timeout_ms=3_000, write_timeout_ms=3_000, cancel_grace_ms=0)


def real_edges(config: Config) -> Edges:
    """Redis and PostgreSQL as the environment names them; nothing is connected yet."""

    def new_parser() -> ReplyParser:
        return ReplyParser(
            payload_bytes_max=config.max_payload_bytes,
            past_days_max=config.ts_past_max_days,
            future_seconds_max=config.ts_future_max_s,
        )

    stream = RedisPositionStream(
        config.redis_url,
        _names(config),
        instance_id=config.instance_id,
        limits=REDIS_LIMITS,
        new_parser=new_parser,
    )
    url, instance_id = config.postgres_url.conninfo, config.instance_id
    probe = PostgresProbe(PostgresStore(url, instance_id=instance_id, limits=PROBE_LIMITS))

    def new_store() -> PostgresStore:
        return PostgresStore(url, instance_id=instance_id, limits=WRITE_LIMITS, observer=probe)

    stores = [new_store() for _ in range(config.writers)]
    trials = new_store()
    requests = SubscriptionOptions(
        homes=stream.homes,
        channel=config.redis_control_channel,
        name=f"{config.redis_url.client_name or f'processor/{instance_id}'}:requests",
        message_bytes_max=MESSAGE_BYTES_MAX,
        limits=REDIS_LIMITS,
    )
    return Edges(stream=stream, stores=stores, probe=probe, trials=trials, requests=requests)


def build_of(config: Config) -> Build:
    """What runs, and on what, for the metrics."""
    names = _names(config)
    return Build(
        version=__version__,
        instance_id=config.instance_id,
        stream=names.stream,
        group=names.group,
        consumer=names.consumer,
        drain_budget_s=config.drain_budget_ms / 1_000,
    )


def service_options(config: Config) -> ServiceOptions:
    """The options of every task."""
    redis, postgres = config.redis_url, config.postgres_url
    backoff = for_ever(
        config.connect_backoff_max_ms,
        several_servers=redis.sentinels is not None or postgres.has_several_hosts,
    )
    return ServiceOptions(
        metrics_host=config.metrics_host,
        metrics_port=config.metrics_port,
        start=StartOptions(
            names=_names(config),
            redis_host=redis.shown_host,
            redis_port=redis.shown_port,
            postgres_host=postgres.host,
            postgres_port=postgres.port,
            backoff=Backoff(
                base_ms=BACKOFF_BASE_MS,
                max_ms=config.connect_backoff_max_ms,
                attempts_max=config.connect_attempts,
            ),
        ),
        pipeline=PipelineOptions(
            read=ReadOptions(
                count=config.batch_size,
                block_ms=config.batch_block_ms,
                interval_ms=config.read_interval_ms,
            ),
            claim=ClaimOptions(count=config.batch_size, idle_ms=config.claim_threshold_ms),
            claim_interval_ms=config.claim_interval_ms,
            write=WriteOptions(rows_max=config.write_batch_size),
            attempts_max=config.dlq_max_attempts,
            devices_max=config.device_state_lru_cap,
            backoff=backoff,
        ),
        stall_ms=config.stall_ms,
        drain_budget_ms=config.drain_budget_ms,
        instance_id=config.instance_id,
        dumps=dump_options(config),
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


def _names(config: Config) -> StreamNames:
    return StreamNames(
        stream=config.redis_telemetry_stream,
        group=config.redis_consumer_group,
        consumer=config.redis_consumer_name,
        dead_letters=config.redis_dlq_stream,
    )
