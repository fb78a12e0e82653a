"""What every service reports of itself: its phases, its dependencies, its start and its end.

A service's own journal builds on `ServiceJournal` and adds a method for each further fact. A method is
named for what happened; it counts the fact, logs it, or both, so that a task reports each fact with one call.
"""

# ruff: noqa: PLR0913 - an argument is a field of the line
from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from telemetry.chassis import clocks
from telemetry.chassis.health import Health, Readiness
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.tls_advice import tls_advice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.chassis.logs import Log

IN_USE = "use"
"""The reporter who notices a lost dependency by using it."""


class RateLimit:
    """Lets a subject pass once in `interval_s`; there are few subjects."""

    def __init__(self, interval_s: float = 60.0) -> None:
        self._interval_s = interval_s
        self._last: dict[str, float] = {}

    def is_due(self, subject: str, now_s: float) -> bool:
        """Whether the subject may pass now; if so, it counts as passed. `now_s` is of a clock that goes forward."""
        last = self._last.get(subject)
        if last is not None and now_s - last < self._interval_s:
            return False
        self._last[subject] = now_s
        return True


class ServiceJournal:
    """Owns the log, the phase, and which dependencies can be used.

    Called on the event loop's thread. Never waits and never raises, except for a dependency that it does not know.
    """

    def __init__(self, log: Log, *, service: str, dependencies: Mapping[str, str]) -> None:
        """`service` begins the first lines of a life. `dependencies`: names as in metrics to names as in log lines."""
        self._log = log
        self._service = service
        self._titles = dependencies
        self._phase = Phase.STARTING
        # By dependency, and then by who reported the trouble.
        self._troubles: dict[str, dict[str, str]] = {
            name: {IN_USE: "starting"} for name in dependencies
        }
        self._obstacles: dict[str, str] = {}
        self._limit = RateLimit()

    def health(self) -> Health:
        """Phase, dependencies and obstacles at this moment."""
        dependencies = {name: _readiness(troubles) for name, troubles in self._troubles.items()}
        obstacles = MappingProxyType(dict(self._obstacles))
        return Health(self._phase, MappingProxyType(dependencies), obstacles)

    def phase_entered(self, phase: Phase) -> None:
        """The lifecycle moved."""
        self._phase = phase

    def dependency_ready(self, name: str, *, by: str = IN_USE) -> None:
        """A dependency answers, as far as this reporter can see."""
        # Every batch says so several times.
        if troubles := self._troubles_of(name):
            troubles.pop(by, None)

    def dependency_lost(self, name: str, reason: str, *, by: str = IN_USE) -> None:
        """A dependency cannot be used; the reason holds no credentials.

        It is ready again when each reporter that lost it has found it again.
        """
        self._troubles_of(name)[by] = reason

    def hindered(self, obstacle: str, reason: str) -> None:
        """The servers can be used, and something else keeps the service from its work; no credentials."""
        self._obstacles[obstacle] = reason

    def unhindered(self, obstacle: str) -> None:
        """That obstacle is gone, if it was there."""
        self._obstacles.pop(obstacle, None)

    def connect_failed(
        self,
        name: str,
        *,
        where: str,
        error: str,
        attempt: int,
        attempts_max: int | None,
        retry_ms: int,
        is_refusal: bool,
    ) -> None:
        """A dependency could not be reached, or refused us, and is tried again; `attempts_max` None: for ever."""
        self.dependency_lost(name, error)
        of = "" if attempts_max is None else f" of {attempts_max}"
        what = "refuses" if is_refusal else "unreachable"
        self._log.warning(
            f"{self._titles[name]} {what} attempt={attempt}{of} retry_ms={retry_ms}: {error}",
            dependency=self._titles[name],
            where=where,
            attempt=attempt,
            attempts_max=attempts_max,
            retry_ms=retry_ms,
            error=error,
        )

    def service_starting(self, *, version: str) -> None:
        """The first line of a life."""
        self._log.info(f"{self._service} starting version={version}", version=version)

    def start_failed(self, *, where: str, error: str, is_refusal: bool) -> None:
        """The last try to reach a server at start-up failed; the process ends."""
        advice = tls_advice(error) or (
            "the server answers: change what it objects to"
            if is_refusal
            else "check that the server runs there"
        )
        self._log.fatal(f"cannot start: {error}; {advice}", where=where)

    def misconfigured(self, *, error: str) -> None:
        """A setting cannot be used, as only the start has shown; the process ends."""
        self._log.fatal(f"bad configuration: {error}", error=error)

    def service_ready(self, *, metrics: str) -> None:
        """Everything is connected; `metrics` is host and port of the HTTP endpoints."""
        self._log.info(f"{self._service} ready", metrics=metrics)

    def shutdown_starting(self, *, signal: str | None) -> None:
        """A stop was asked for; `signal` is its name, None for a stop from within."""
        suffix = "" if signal is None else f" signal={signal}"
        self._log.info(f"shutdown: starting{suffix}", signal=signal)

    def uncaught_exception(
        self, *, error: str, tree: str, panic_dump: str | None, panic_dump_failure: str | None
    ) -> None:
        """The process ends with exit code 1; `tree` is the whole tree of exceptions with their traces.

        `panic_dump` is the dump's path, None if no dump was written; `panic_dump_failure` says why it could not be.
        """
        self._log.fatal(
            f"uncaught exception {error}",
            tree=tree,
            panic_dump=panic_dump,
            panic_dump_failure=panic_dump_failure,
        )

    def _is_due(self, subject: str) -> bool:
        """Whether to write a line that would come with every batch: once a minute for each subject."""
        return self._limit.is_due(subject, clocks.monotonic_s())

    def _troubles_of(self, name: str) -> dict[str, str]:
        try:
            return self._troubles[name]
        except KeyError:
            known = ", ".join(self._troubles)
            raise KeyError(f"{name} is no dependency; there are {known}") from None


def _readiness(troubles: Mapping[str, str]) -> Readiness:
    reason = troubles.get(IN_USE) or next(iter(troubles.values()), "")
    return Readiness(ready=not troubles, reason=reason)
