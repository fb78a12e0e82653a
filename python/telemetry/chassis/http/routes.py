"""What each request is answered with: a pure function of method, path and statistics."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.journal.exposition import CONTENT_TYPE, metrics_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.journal.statistics import Statistics

METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Response:
    """Status, type and body; further headers as pairs."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def respond(method: str, target: str, statistics: Statistics) -> Response:
    """Answer one request; a query in the target is ignored."""
    path = target.partition("?")[0]
    route = _ROUTES.get(path)
    if route is None:
        return problem(404, f"there are {', '.join(_ROUTES)}")
    if method not in METHODS:
        allow = ", ".join(METHODS)
        return _json(405, {"error": f"only {allow}"}, (("allow", allow),))
    return route(statistics)


def problem(status: int, error: str) -> Response:
    """A refusal that says why."""
    return _json(status, {"error": error})


def _metrics(statistics: Statistics) -> Response:
    return Response(200, CONTENT_TYPE, metrics_text(statistics))


def _healthz(statistics: Statistics) -> Response:
    """An answer at all says that the event loop turns."""
    return _json(200, {"status": "alive", "phase": statistics.phase.value})


def _readyz(statistics: Statistics) -> Response:
    reasons = dict(statistics.unready)
    state = {
        "status": "not ready" if reasons else "ready",
        "phase": statistics.phase.value,
        "dependencies": {name: it.ready for name, it in statistics.dependencies.items()},
        "reasons": reasons,
    }
    return _json(503 if reasons else 200, state)


def _json(
    status: int, value: Mapping[str, object], headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    return Response(status, "application/json", json.dumps(value).encode() + b"\n", headers)


_ROUTES: dict[str, Callable[[Statistics], Response]] = {
    "/metrics": _metrics,
    "/healthz": _healthz,
    "/readyz": _readyz,
}
