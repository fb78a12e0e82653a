"""The answer to each request: a function of method, path and what the service shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from telemetry.chassis.health import Health
    from telemetry.chassis.http.page import Page
    from telemetry.chassis.progress import StalledTask

METHODS = ("GET", "HEAD")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text form."""
# Every answer is of one moment, and is what its type says.
HEADERS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What a service shows: each is called for a request, on the event loop's thread, and must not wait."""

    metrics: Callable[[], bytes]
    """All metrics in Prometheus' text form."""
    health: Callable[[], Health]
    """Phase, dependencies and obstacles."""
    stalled: Callable[[], Sequence[StalledTask]]
    """The tasks that have work and have taken no step for too long."""
    status: Callable[[], Mapping[str, object]]
    """What the page shows, as JSON has it."""
    page: Page
    """The page for people."""


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


def _page(sources: Sources) -> Response:
    page = sources.page
    return Response(200, "text/html; charset=utf-8", page.html, page.headers)


def _status(sources: Sources) -> Response:
    return _json(200, sources.status())


def _metrics(sources: Sources) -> Response:
    return Response(200, METRICS_TYPE, sources.metrics())


def _healthz(sources: Sources) -> Response:
    """Any answer shows that the event loop runs; this one also, that the tasks do."""
    if stalled := sources.stalled():
        tasks = [{"name": each.name, "stalled_s": round(each.stalled_s, 1)} for each in stalled]
        return _json(503, {"status": "stalled", "tasks": tasks})
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
    "/": _page,
    "/status.json": _status,
    "/metrics": _metrics,
    "/healthz": _healthz,
    "/readyz": _readyz,
}
