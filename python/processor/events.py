"""The log lines, one function each: the words of contract section 7 with the values, and the values as fields."""

# ruff: noqa: G003, G004 - `log` is the service's own Log, whose messages are whole texts
# ruff: noqa: PLR0913 - an argument is a field of the line
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.logs import Log


def processor_starting(log: Log, *, version: str) -> None:
    """First line of a life."""
    log.info(f"processor starting version={version}", version=version)


def postgres_connected(log: Log, *, host: str, port: str) -> None:
    """The writer's session stands."""
    # Several hosts have several ports, in one text.
    shown = int(port) if port.isdecimal() else port
    log.info(f"Postgres connected host={host} port={port}", host=host, port=shown)


def redis_connected(log: Log, *, host: str, port: int | None) -> None:
    """Both connections stand; `host` is a path, without port, for a Unix socket."""
    shown = f"host={host}" if port is None else f"host={host} port={port}"
    log.info(f"Redis connected {shown}", host=host, port=port)


def connect_failed(
    log: Log,
    *,
    dependency: str,
    where: str,
    error: str,
    attempt: int,
    attempts_max: int | None,
    retry_ms: int,
) -> None:
    """A server could not be reached and is tried again; `attempts_max` None: for ever."""
    of = "" if attempts_max is None else f" of {attempts_max}"
    log.warning(
        f"{dependency} unreachable attempt={attempt}{of} retry_ms={retry_ms}: {error}",
        dependency=dependency,
        where=where,
        attempt=attempt,
        attempts_max=attempts_max,
        retry_ms=retry_ms,
        error=error,
    )


def start_failed(log: Log, *, where: str, error: str) -> None:
    """The last try to reach a server at start-up failed; the process ends."""
    log.fatal(
        f"cannot start: {error}; check that the server runs there and lets us in", where=where
    )


def schema_mismatch(log: Log, *, differences: tuple[str, ...]) -> None:
    """The table is not what the contract says; the process ends."""
    log.fatal(
        "cannot start: the schema is not what it should be: "
        + "; ".join(differences)
        + "; Directus' db-init owns it: let it run, then start again",
        differences=list(differences),
    )


def schema_warning(log: Log, *, warning: str) -> None:
    """The table can be written to, but not all is as it should be."""
    log.warning(f"schema: {warning}", warning=warning)


def stream_missing(log: Log, *, stream: str) -> None:
    """The stream did not exist: a misnamed stream must not look healthy."""
    log.warning(
        f"stream {stream} did not exist and was created empty: if tcp-ingestion is running, "
        "check that REDIS_TELEMETRY_STREAM names the stream that it publishes to",
        stream=stream,
    )


def consumer_started(log: Log, *, stream: str, group: str, consumer: str) -> None:
    """The consumer group exists and reading begins."""
    log.info(
        f"consumer started on stream {stream} group {group} consumer {consumer}",
        stream=stream,
        group=group,
        consumer=consumer,
    )


def processor_ready(log: Log, *, metrics: str) -> None:
    """Everything is connected; `metrics` is host and port of the HTTP endpoints."""
    log.info("processor ready", metrics=metrics)


def group_gone(log: Log, *, error: str) -> None:
    """The consumer group was destroyed, or the stream deleted, while it was being read."""
    log.error(
        "consumer group is gone and is created again at id 0: entries may have been lost, "
        f"and those still in the stream are read again: {error}",
        error=error,
    )


def read_failed(log: Log, *, error: str, retry_ms: int) -> None:
    """Redis did not answer a read, or refused it; it is tried again, on a new connection if need be."""
    log.warning(f"read failed and is repeated: {error}", error=error, retry_ms=retry_ms)


def ack_failed(log: Log, *, error: str, retry_ms: int) -> None:
    """XACK was refused or not answered; the ids stay in hand and are named again."""
    log.warning(f"acknowledgement failed and is repeated: {error}", error=error, retry_ms=retry_ms)


def batch_consumed(
    log: Log, *, n: int, first_id: str | None, last_id: str | None, redelivered: bool
) -> None:
    """`n` entries were read."""
    if log.writes_debug:
        log.debug(
            f"batch consumed n={n}",
            n=n,
            first_id=first_id,
            last_id=last_id,
            redelivered=redelivered,
        )


def batch_written(
    log: Log, *, inserted: int, duplicates: int, failed: int, duration_ms: float
) -> None:
    """A batch was committed, but for `failed` records that the server refused."""
    if log.writes_debug:
        log.debug(
            f"batch written inserted={inserted} duplicates={duplicates} failed={failed}",
            inserted=inserted,
            duplicates=duplicates,
            failed=failed,
            duration_ms=round(duration_ms, 3),
        )


def batch_retried(
    log: Log, *, rows: int, attempt: int, retry_ms: int, sqlstate: str | None, error: str
) -> None:
    """The world failed a batch; it stays in hand and is written again."""
    log.warning(
        f"batch failed and is written again rows={rows} attempt={attempt} retry_ms={retry_ms}: {error}",
        rows=rows,
        attempt=attempt,
        retry_ms=retry_ms,
        sqlstate=sqlstate,
        error=error,
    )


def record_refused(
    log: Log,
    *,
    entry_id: str,
    device_id: str | None,
    code: str,
    field: str | None,
    offset: int | None,
    sqlstate: str | None = None,
) -> None:
    """A record is not a Position, or the server refused its row; it stays pending."""
    where = "" if field is None else f" field={field}"
    log.warning(
        f"record refused entry_id={entry_id} code={code}{where}",
        entry_id=entry_id,
        device_id=device_id,
        code=code,
        field=field,
        offset=offset,
        sqlstate=sqlstate,
    )


def entries_lost(log: Log, *, n: int, first_id: str, last_id: str) -> None:
    """Pending entries are no longer in the stream: trimmed or deleted before they were written."""
    log.error(
        f"entries lost n={n}: deleted or trimmed from the stream before they were written; raise its MAXLEN",
        n=n,
        first_id=first_id,
        last_id=last_id,
    )


def shutdown_starting(log: Log, *, signal: str | None) -> None:
    """A stop was asked for; `signal` is its name, None for a stop from within."""
    log.info("shutdown: starting" + ("" if signal is None else f" signal={signal}"), signal=signal)


def shutdown_clean_exit(
    log: Log, *, signal: str | None, ledger: Mapping[str, int], steps_ms: Mapping[str, float]
) -> None:
    """Everything read was decided: the ledger by class, and how long each step took."""
    log.info("shutdown: clean exit", signal=signal, ledger=dict(ledger), steps_ms=dict(steps_ms))


def shutdown_timed_out(log: Log, *, released: int, left: int) -> None:
    """The drain ended undecided: entries released for others, and entries left pending."""
    log.error(f"shutdown: timed out released={released} left={left}", released=released, left=left)


def uncaught_exception(
    log: Log, *, error: BaseException, tree: str, panic_dump: str | None
) -> None:
    """The process ends with exit code 1; `tree` is the whole tree of exceptions with their traces."""
    log.fatal(
        f"uncaught exception {type(error).__name__}: {error}", tree=tree, panic_dump=panic_dump
    )
