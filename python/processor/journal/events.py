"""The log lines, one function each: the words of contract section 7 with the values, and the values as fields."""

# ruff: noqa: G003, G004 - `log` is the service's own Log, whose messages are whole texts
# ruff: noqa: PLR0913 - an argument is a field of the line
from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.core.attempts import Failure
    from processor.core.ledger import Ledger
    from telemetry.chassis.logs import Log

# In one line; of more, there are several lines.
IDS_SHOWN_MAX = 500


def processor_starting(log: Log, *, version: str) -> None:
    """First line of a life."""
    log.info(f"processor starting version={version}", version=version)


def postgres_connected(log: Log, *, host: str, port: str) -> None:
    """The writer's session stands."""
    # Several hosts have several ports, in one text.
    shown = int(port) if port.isdecimal() else port
    log.info(f"Postgres connected host={host} port={port}", host=host, port=shown)


def redis_connected(log: Log, *, host: str, port: int | None) -> None:
    """All connections stand; `host` is a path, without port, for a Unix socket."""
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
    is_refusal: bool,
) -> None:
    """A server could not be reached, or refused, and is tried again; `attempts_max` None: for ever."""
    of = "" if attempts_max is None else f" of {attempts_max}"
    what = "refuses" if is_refusal else "unreachable"
    log.warning(
        f"{dependency} {what} attempt={attempt}{of} retry_ms={retry_ms}: {error}",
        dependency=dependency,
        where=where,
        attempt=attempt,
        attempts_max=attempts_max,
        retry_ms=retry_ms,
        error=error,
    )


def standby_awaited(log: Log, *, sessions: int) -> None:
    """Commits are past their deadline, and the server says that they wait for a standby."""
    log.warning(
        f"Postgres waits for a standby to confirm a commit sessions={sessions}; nothing of it is acknowledged"
        " until then: look at pg_stat_replication on the primary",
        sessions=sessions,
    )


def standby_no_longer_awaited(log: Log, *, waited_ms: float) -> None:
    """None of them waits any more: answered, or given up."""
    log.info(
        f"Postgres waits for no standby any more waited_ms={waited_ms:.0f}",
        waited_ms=round(waited_ms),
    )


def start_failed(log: Log, *, where: str, error: str, is_refusal: bool) -> None:
    """The last try to reach a server at start-up failed; the process ends."""
    advice = (
        "the server answers: change what it objects to"
        if is_refusal
        else "check that the server runs there"
    )
    log.fatal(f"cannot start: {error}; {advice}", where=where)


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


def read_failed(log: Log, *, error: str, count: int, retry_ms: int) -> None:
    """Redis did not answer a read, or refused it; one of `count` entries follows, on a new connection if need be."""
    log.warning(
        f"read failed and is repeated: {error}", error=error, count=count, retry_ms=retry_ms
    )


def command_repeated(log: Log, *, what: str, error: str, retry_ms: int) -> None:
    """Redis refused or did not answer a command, which is sent again. Nothing is let go of meanwhile."""
    log.warning(f"{what} failed and is repeated: {error}", error=error, retry_ms=retry_ms)


def claim_failed(log: Log, *, error: str, retry_ms: int) -> None:
    """A pass over what others left idle came to no end; it begins again."""
    log.warning(f"claim failed and is repeated: {error}", error=error, retry_ms=retry_ms)


def leases_renewed(log: Log, *, n: int, taken_over: int) -> None:
    """Entries have been in hand for long; a peer has `taken_over` those that it thought abandoned."""
    fields = {"n": n, "taken_over": taken_over}
    if taken_over:
        log.warning(f"leases renewed n={n} taken_over={taken_over}", **fields)
    else:
        log.debug(f"leases renewed n={n}", **fields)


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
    log: Log, *, inserted: int, duplicates: int, discarded: int, failed: int, duration_ms: float
) -> None:
    """A batch was committed, but for `failed` records that the server refused; triggers swallowed `discarded`."""
    if log.writes_debug:
        log.debug(
            f"batch written inserted={inserted} duplicates={duplicates} failed={failed}",
            inserted=inserted,
            duplicates=duplicates,
            discarded=discarded,
            failed=failed,
            duration_ms=round(duration_ms, 3),
        )


def batch_retried(
    log: Log, *, rows: int, attempt: int, retry_ms: int, sqlstate: str | None, error: str
) -> None:
    """A batch failed, or is held, for no record's sake; it stays in hand and is written again."""
    log.warning(
        f"batch failed and is written again rows={rows} attempt={attempt} retry_ms={retry_ms}: {error}",
        rows=rows,
        attempt=attempt,
        retry_ms=retry_ms,
        sqlstate=sqlstate,
        error=error,
    )


def rows_discarded(log: Log, *, n: int) -> None:
    """A trigger returned no row for some: the owner's decision, said once a minute at most."""
    log.warning(
        f"a trigger of the table discards rows n={n}: they are acknowledged and are not in positions",
        n=n,
    )


def records_left(log: Log, *, n: int, sqlstate: str | None, error: str) -> None:
    """Copies of sound rows are refused in their place, and others are committed, or it was a trial: once a minute."""
    log.warning(
        f"records left pending for the table's sake n={n}, no attempt is counted and they are tried"
        f" again when they are claimed: {error}",
        n=n,
        sqlstate=sqlstate,
        error=error,
    )


def trials_lack_a_session(log: Log, *, error: str, waits: bool) -> None:
    """PostgreSQL answers the writers and takes no session for crash suspects; said once a minute at most."""
    then = "they wait until one is free or a writer is" if waits else "a writer's session is used"
    log.warning(f"no session for the trials of crash suspects, {then}: {error}", error=error)


def record_refused(log: Log, failure: Failure) -> None:
    """The first failure of a record: not a Position, or a row that the server refuses. It stays pending."""
    where = "" if failure.field is None else f" field={failure.field}"
    log.warning(
        f"record refused entry_id={failure.entry_id} code={failure.code}{where}", **_shown(failure)
    )


def rehydration_failed(
    log: Log, *, accumulator: str, devices: int, retry_ms: int, sqlstate: str | None, error: str
) -> None:
    """What is kept of devices could not be restored; they are written all the same, after a probe."""
    log.warning(
        f"rehydration failed accumulator={accumulator} devices={devices} retry_ms={retry_ms}: {error}",
        accumulator=accumulator,
        devices=devices,
        retry_ms=retry_ms,
        sqlstate=sqlstate,
        error=error,
    )


def dead_lettered(log: Log, failure: Failure, *, failures: int) -> None:
    """The last failure of a record: it is in the dead-letter stream, and no longer pending."""
    log.error(
        f"dead letter entry_id={failure.entry_id} code={failure.code} attempts={failures}",
        **_shown(failure),
        stage=failure.stage.value,
        attempts=failures,
    )


def _shown(failure: Failure) -> dict[str, object]:
    return {
        "entry_id": failure.entry_id,
        "device_id": failure.device_id,
        "code": failure.code,
        "field": failure.field,
        "offset": failure.offset,
        "sqlstate": failure.sqlstate,
        "error": failure.error,
    }


def failures_not_recorded(log: Log, *, n: int, error: str) -> None:
    """Redis refuses to count failures; the records stay pending and are tried again when they are claimed."""
    log.error(f"failures not recorded n={n}: {error}", n=n, error=error)


def trial_begun(log: Log, *, entry_id: str) -> None:
    """An entry that may have killed its consumers is tried alone."""
    log.warning(
        f"crash suspect is tried alone entry_id={entry_id}: it was delivered again and again"
        " without an answer",
        entry_id=entry_id,
    )


def entries_lost(log: Log, *, entry_ids: Sequence[str]) -> None:
    """Pending entries are no longer in the stream: trimmed or deleted before they were written."""
    for start in range(0, len(entry_ids), IDS_SHOWN_MAX):
        shown = list(entry_ids[start : start + IDS_SHOWN_MAX])
        log.error(
            f"entries lost n={len(shown)}: deleted or trimmed from the stream before they were"
            " written; raise its MAXLEN",
            n=len(shown),
            first_id=shown[0],
            last_id=shown[-1],
            entry_ids=shown,
        )


def shutdown_starting(log: Log, *, signal: str | None) -> None:
    """A stop was asked for; `signal` is its name, None for a stop from within."""
    log.info("shutdown: starting" + ("" if signal is None else f" signal={signal}"), signal=signal)


def shutdown_clean_exit(
    log: Log, *, signal: str | None, ledger: Ledger, steps_ms: Mapping[str, float]
) -> None:
    """Everything read was decided: the ledger by class, and how long each step took."""
    log.info("shutdown: clean exit", signal=signal, ledger=asdict(ledger), steps_ms=dict(steps_ms))


def shutdown_timed_out(log: Log, *, ledger: Ledger, steps_ms: Mapping[str, float]) -> None:
    """The drain ended undecided: entries released for others, and entries left pending."""
    released, left = ledger.released, ledger.left_pending
    log.error(
        f"shutdown: timed out released={released} left={left}",
        released=released,
        left=left,
        ledger=asdict(ledger),
        steps_ms=dict(steps_ms),
    )


def not_handed_over(log: Log, *, error: str) -> None:
    """Redis did not answer at the end: what was read and not decided is claimed when it has been idle."""
    log.warning(f"not handed over, others have to wait until it is idle: {error}", error=error)


def uncaught_exception(
    log: Log, *, error: str, tree: str, panic_dump: str | None, panic_dump_failure: str | None
) -> None:
    """The process ends with exit code 1; `tree` is the whole tree of exceptions with their traces.

    `panic_dump` is the dump's path, None if there is none; the failure says why it is not where it was to be.
    """
    log.fatal(
        f"uncaught exception {error}",
        tree=tree,
        panic_dump=panic_dump,
        panic_dump_failure=panic_dump_failure,
    )
