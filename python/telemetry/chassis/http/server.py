"""Serves the endpoints over h11 and Trio, one request per connection, and never disturbs the service."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

import h11
import trio

from telemetry.chassis.http.places import Places, places_max
from telemetry.chassis.http.routes import HEADERS, METHODS, Response, problem, respond

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.chassis.http.places import Place
    from telemetry.chassis.http.routes import Sources

# A scraper sends a few hundred bytes; proxies commonly stop at 8 KiB of headers.
REQUEST_BYTES_MAX = 8 * 1024
RECEIVE_BYTES = 4 * 1024
# For the whole connection: scrapers and probes on the way to a running service take milliseconds.
CONNECTION_SECONDS_MAX = 5.0
# A refused body is read this far before closing: a reset could discard the answer on its way to the client.
DISCARD_BYTES_MAX = 64 * 1024

_logger = logging.getLogger(__name__)


async def serve(
    listeners: Sequence[trio.SocketListener],
    sources: Sources,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Answer requests until cancelled.

    Owns the listeners and every connection. Stops only when cancelled. Cancelled, it closes its
    connections, and nothing else is lost. Raises only the listeners' errors, except for a lack of file
    descriptors, which Trio waits out.
    """
    places = Places(places_max())

    async def handle(stream: trio.SocketStream) -> None:
        try:
            with places.taken(within_s=CONNECTION_SECONDS_MAX) as place:
                await _answer(stream, sources, place)
        except trio.BrokenResourceError:
            _logger.debug("the client closed its connection early")
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, listeners)
        task_status.started()
    raise AssertionError("serve_listeners does not return")


async def _answer(stream: trio.SocketStream, sources: Sources, place: Place) -> None:
    """Read one request, answer it, and close in order."""
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES_MAX)
    method = METHODS[0]
    try:
        request = await _receive_request(stream, http)
        if request is None:
            return
        method = request.method.decode("ascii")
        response = _respond_safely(method, request.target.decode("ascii"), sources)
    except h11.RemoteProtocolError as error:
        response = problem(error.error_status_hint, str(error))
    place.has_request = True
    await stream.send_all(_serialise(http, method, response))
    await stream.send_eof()
    await _discard(stream)


async def _receive_request(stream: trio.SocketStream, http: h11.Connection) -> h11.Request | None:
    """The head of the request; None if the client closed without sending one."""
    while True:
        event = http.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        http.receive_data(await stream.receive_some(RECEIVE_BYTES))


def _respond_safely(method: str, target: str, sources: Sources) -> Response:
    try:
        return respond(method, target, sources)
    except Exception:  # a fault in reporting must not stop what is reported on
        _logger.exception("%s %s could not be answered", method, target)
        return problem(500, "see the log")


def _serialise(http: h11.Connection, method: str, response: Response) -> bytes:
    head = h11.Response(
        status_code=response.status,
        reason=HTTPStatus(response.status).phrase,
        headers=[
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            ("connection", "close"),
            *HEADERS,
            *response.headers,
        ],
    )
    body = b"" if method == "HEAD" else response.body
    events = (head, h11.Data(body), h11.EndOfMessage()) if body else (head, h11.EndOfMessage())
    return b"".join(http.send(event) or b"" for event in events)


async def _discard(stream: trio.SocketStream) -> None:
    """Read the rest of what the client sends, up to a limit."""
    left = DISCARD_BYTES_MAX
    while left > 0:
        data = await stream.receive_some(RECEIVE_BYTES)
        if not data:
            return
        left -= len(data)
