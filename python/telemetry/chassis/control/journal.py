"""Facts about operators' requests: which were taken, and whether they reach this instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from telemetry.chassis.journal import ServiceJournal

if TYPE_CHECKING:
    from telemetry.chassis.control.messages import Dropped

_LOST = "requests lost"


class RequestCounters(Protocol):
    """What a service counts of requests. Every name exists from the start, at 0."""

    requests: dict[str, int]
    control_messages_dropped: dict[str, int]


class RequestsJournal(ServiceJournal):
    """What the responder reports, and what comes of the requests that every service takes."""

    _looking: ClassVar[frozenset[str]]
    """Requests that change nothing, and may come once a second: they are no news."""

    @property
    def _request_counters(self) -> RequestCounters:
        """Where they are counted."""
        raise NotImplementedError

    _requests_lost = False

    def request_taken(self, name: str) -> None:
        """A request is carried out or refused, once for each id."""
        self._request_counters.requests[name] += 1
        write = self._log.debug if name in self._looking else self._log.info
        write(f"request taken request={name}", request=name)

    def request_failed(self, name: str, *, error: str) -> None:
        """A request could not be carried out, through a fault of the program."""
        self._log.error(f"request failed request={name}: {error}", request=name, error=error)

    def control_message_dropped(self, reason: Dropped) -> None:
        """A message on the control channel was no request."""
        self._request_counters.control_messages_dropped[reason.value] += 1
        self._log.debug(f"control message dropped reason={reason.value}", reason=reason.value)

    def control_lost(self, *, error: str) -> None:
        """Requests do not reach this instance, which goes on without them."""
        if self._is_due(_LOST):
            self._requests_lost = True
            self._log.warning(
                f"operators' requests do not reach this instance: {error}", error=error
            )

    def control_ready(self) -> None:
        """Requests reach this instance, for the first time or again."""
        if self._requests_lost:
            self._requests_lost = False
            self._log.info("operators' requests reach this instance again")

    def log_level_changed(self, *, level: str, for_s: int | None) -> None:
        """The log has another level, for a time or until it is changed again."""
        suffix = "" if for_s is None else f" for_s={for_s}"
        self._log.info(f"log level changed level={level}{suffix}", log_level=level, for_s=for_s)

    def dump_written(self, *, path: str) -> None:
        """A dump that was asked for is on the disk."""
        self._log.info(f"dump written path={path}", path=path)
