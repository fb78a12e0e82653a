"""The answer to each request: a function of method, path and what the service shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.chassis.health import Health

METHODS = ("GET", "HEAD")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text form."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a service shows: each is called for a request, on the event loop's thread, and must not wait."""

    metrics: Callable[[], bytes]
    """All metrics in Prometheus' text form."""
    health: Callable[[], Health]
    """Phase and dependencies."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status, content type, body, and further headers as pairs."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def respond(method: str, target: str, sources: Sources) -> Response:
    """Answer one request; a query in the target is ignored."""
    path = target.partition("?")[0]
    route = _ROUTES.get(path)
    if route is None:
        return problem(404, f"there are {', '.join(_ROUTES)}")
    if method not in METHODS:
        allow = ", ".join(METHODS)
        return _json(405, {"error": f"only {allow}"}, (("allow", allow),))
    return route(sources)


def problem(status: int, error: str) -> Response:
    """A refusal that says why."""
    return _json(status, {"error": error})


def _metrics(sources: Sources) -> Response:
    return Response(200, METRICS_TYPE, sources.metrics())


def _healthz(sources: Sources) -> Response:
    """Any answer shows that the event loop runs."""
    return _json(200, {"status": "alive", "phase": sources.health().phase.value})


def _readyz(sources: Sources) -> Response:
    health = sources.health()
    reasons = dict(health.unready)
    state = {
        "status": "not ready" if reasons else "ready",
        "phase": health.phase.value,
        "dependencies": {name: it.ready for name, it in health.dependencies.items()},
        "reasons": reasons,
    }
    return _json(503 if reasons else 200, state)


def _json(
    status: int, value: Mapping[str, object], headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    return Response(status, "application/json", json.dumps(value).encode() + b"\n", headers)


_ROUTES: dict[str, Callable[[Sources], Response]] = {
    "/metrics": _metrics,
    "/healthz": _healthz,
    "/readyz": _readyz,
}
