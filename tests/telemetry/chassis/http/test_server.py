"""The HTTP endpoints, asked over real sockets: answers, refusals, and clients that mean no good."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from telemetry.chassis.http import Sources, open_listeners, places, serve, server
from telemetry.chassis.http.page import build_page
from telemetry.chassis.journal import ServiceJournal
from telemetry.chassis.lifecycle import Phase
from telemetry.chassis.logs import Log
from telemetry.chassis.progress import StalledTask

if TYPE_CHECKING:
    from tests.support.log_pipe import Pipe

HOST = "127.0.0.1"
PATHS = ["/", "/status.json", "/metrics", "/healthz", "/readyz"]


@dataclass(frozen=True)
class Answer:
    """One response, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object."""
        value: dict[str, Any] = json.loads(self.body)
        return value


@pytest.fixture
def journal() -> ServiceJournal:
    dependencies = {"redis": "Redis", "postgres": "Postgres"}
    return ServiceJournal(Log("ferry"), service="ferry", dependencies=dependencies)


def shown(journal: ServiceJournal, **changes: Any) -> Sources:
    sources: dict[str, Any] = {
        "metrics": lambda: b"ferry_passengers_total 42.0\n",
        "health": journal.health,
        "stalled": lambda: (),
        "status": lambda: {"passengers": 42},
        "page": build_page(title="ferry", parts="<p>All aboard</p>", script="function show() {}"),
    }
    return Sources(**{**sources, **changes})


@pytest.fixture
def sources(journal: ServiceJournal) -> Sources:
    return shown(journal)


async def start(nursery: trio.Nursery, sources: Sources) -> int:
    listeners = await open_listeners(HOST, 0)
    await nursery.start(serve, listeners, sources)
    port: int = listeners[0].socket.getsockname()[1]
    return port


async def receive_all(stream: trio.SocketStream) -> bytes:
    return b"".join([piece async for piece in stream])


async def send(port: int, request: bytes) -> Answer:
    async with await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(request)
        raw = await receive_all(stream)
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, body)


async def ask(port: int, target: str, method: str = "GET") -> Answer:
    return await send(port, f"{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())


async def test_metrics_are_served_as_prometheus_text(
    nursery: trio.Nursery, sources: Sources
) -> None:
    port = await start(nursery, sources)
    answer = await ask(port, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.body == b"ferry_passengers_total 42.0\n"


async def test_the_process_is_alive_in_every_phase(nursery: trio.Nursery, sources: Sources) -> None:
    port = await start(nursery, sources)
    answer = await ask(port, "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "alive", "phase": "starting"})


async def test_readiness_names_what_is_not_ready_and_why(
    nursery: trio.Nursery, journal: ServiceJournal, sources: Sources
) -> None:
    port = await start(nursery, sources)
    journal.phase_entered(Phase.RUNNING)
    journal.dependency_ready("redis")
    journal.dependency_lost("postgres", "db:5432: connection refused")
    answer = await ask(port, "/readyz")
    assert answer.status == 503
    assert answer.json == {
        "status": "not ready",
        "phase": "running",
        "dependencies": {"redis": True, "postgres": False},
        "reasons": {"postgres": "db:5432: connection refused"},
    }
    journal.dependency_ready("postgres")
    answer = await ask(port, "/readyz?verbose=1")
    assert (answer.status, answer.json["status"]) == (200, "ready")


async def test_a_drain_is_not_ready(
    nursery: trio.Nursery, journal: ServiceJournal, sources: Sources
) -> None:
    port = await start(nursery, sources)
    for name in ("redis", "postgres"):
        journal.dependency_ready(name)
    journal.phase_entered(Phase.DRAINING)
    answer = await ask(port, "/readyz")
    assert (answer.status, answer.json["reasons"]) == (503, {"phase": "draining"})


async def test_tasks_that_stand_still_are_named_and_since_when(
    nursery: trio.Nursery, journal: ServiceJournal
) -> None:
    stalled = (StalledTask("loader", 61.234), StalledTask("pilot", 90.0))
    port = await start(nursery, shown(journal, stalled=lambda: stalled))
    answer = await ask(port, "/healthz")
    assert answer.status == 503
    assert answer.json == {
        "status": "stalled",
        "tasks": [{"name": "loader", "stalled_s": 61.2}, {"name": "pilot", "stalled_s": 90.0}],
    }


async def test_an_obstacle_is_a_reason_although_every_dependency_is_ready(
    nursery: trio.Nursery, journal: ServiceJournal, sources: Sources
) -> None:
    port = await start(nursery, sources)
    for name in ("redis", "postgres"):
        journal.dependency_ready(name)
    journal.phase_entered(Phase.RUNNING)
    journal.hindered("pier", "the pier is gone")
    answer = await ask(port, "/readyz")
    assert (answer.status, answer.json["reasons"]) == (503, {"pier": "the pier is gone"})
    assert answer.json["dependencies"] == {"redis": True, "postgres": True}
    journal.unhindered("pier")
    assert (await ask(port, "/readyz")).json["reasons"] == {}


async def test_the_page_and_what_it_shows_are_served(
    nursery: trio.Nursery, sources: Sources
) -> None:
    port = await start(nursery, sources)
    page = await ask(port, "/?from=a-bookmark")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<p>All aboard</p>" in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    status = await ask(port, "/status.json")
    assert (status.status, status.json) == (200, {"passengers": 42})


@pytest.mark.parametrize("target", [*PATHS, "/nothing"])
async def test_nobody_keeps_an_answer_or_takes_it_for_something_else(
    nursery: trio.Nursery, sources: Sources, target: str
) -> None:
    port = await start(nursery, sources)
    headers = (await ask(port, target)).headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("target", [*PATHS, "/nothing"])
async def test_head_has_the_headers_of_get_and_no_body(
    nursery: trio.Nursery, sources: Sources, target: str
) -> None:
    port = await start(nursery, sources)
    got = await ask(port, target)
    head = await ask(port, target, "HEAD")
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


async def test_other_paths_are_not_found(nursery: trio.Nursery, sources: Sources) -> None:
    port = await start(nursery, sources)
    answer = await ask(port, "/metrics/")
    assert (answer.status, answer.json) == (404, {"error": f"there are {', '.join(PATHS)}"})


@pytest.mark.parametrize("target", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
async def test_other_methods_are_refused(
    nursery: trio.Nursery, sources: Sources, target: str, method: str
) -> None:
    port = await start(nursery, sources)
    answer = await ask(port, target, method)
    assert (answer.status, answer.headers["allow"]) == (405, "get, head")


async def test_a_client_that_is_still_sending_its_body_gets_the_answer_and_no_reset(
    nursery: trio.Nursery, sources: Sources
) -> None:
    port = await start(nursery, sources)
    async with await trio.open_tcp_stream(HOST, port) as stream:
        half = b"x" * 10_000
        await stream.send_all(
            b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n" + half
        )
        assert b" 405 " in await receive_all(stream)
        await stream.send_all(half)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_request(
    nursery: trio.Nursery, sources: Sources, request_bytes: bytes
) -> None:
    port = await start(nursery, sources)
    assert (await send(port, request_bytes)).status == 400


async def test_headers_beyond_the_limit_are_refused(
    nursery: trio.Nursery, sources: Sources
) -> None:
    port = await start(nursery, sources)
    padding = b"X: " + b"y" * 2 * server.REQUEST_BYTES_MAX
    answer = await send(port, b"GET /healthz HTTP/1.1\r\nHost: h\r\n" + padding + b"\r\n\r\n")
    assert answer.status == 431


async def test_a_client_that_sends_nothing_more_is_cut_after_five_seconds(
    nursery: trio.Nursery,
    sources: Sources,
    autojump_clock: trio.testing.MockClock,  # pytest-trio looks for it here
) -> None:
    port = await start(nursery, sources)
    async with await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(b"GET /metrics HTT")
        started_at = trio.current_time()
        assert await receive_all(stream) == b""
        assert trio.current_time() - started_at == pytest.approx(5.0)


async def test_a_connection_beyond_the_limit_takes_the_place_of_the_one_that_is_slowest_to_ask(
    nursery: trio.Nursery, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "PLACES_MAX", 2)
    port = await start(nursery, sources)
    async with (
        await trio.open_tcp_stream(HOST, port) as slowest,
        await trio.open_tcp_stream(HOST, port) as second,
    ):
        await slowest.send_all(b"GET /met")
        await trio.testing.wait_all_tasks_blocked()
        assert (await ask(port, "/healthz")).status == 200
        assert await receive_all(slowest) == b""
        await second.send_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        await second.send_eof()
        assert b"200 OK" in await receive_all(second)


async def test_many_at_once_are_all_answered_while_others_never_finish_their_request(
    nursery: trio.Nursery, sources: Sources
) -> None:
    port = await start(nursery, sources)
    statuses: list[int] = []

    async def one() -> None:
        statuses.append((await ask(port, "/metrics")).status)

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(300):
            stream = await stack.enter_async_context(await trio.open_tcp_stream(HOST, port))
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        async with trio.open_nursery() as scrapers:
            for _ in range(50):
                scrapers.start_soon(one)
    assert statuses == [200] * 50


async def test_clients_that_reset_their_connection_disturb_nobody(
    nursery: trio.Nursery, sources: Sources
) -> None:
    port = await start(nursery, sources)
    for request in (b"", b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"):
        stream = await trio.open_tcp_stream(HOST, port)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if request:
            await stream.send_all(request)
        await trio.aclose_forcefully(stream)
    assert (await ask(port, "/healthz")).status == 200


async def test_a_fault_in_reporting_is_answered_and_logged_and_the_server_goes_on(
    nursery: trio.Nursery, journal: ServiceJournal, pipe: Pipe
) -> None:
    pipe.log()
    broken = True

    def metrics() -> bytes:
        if broken:
            raise RuntimeError("no statistics today")
        return b""

    port = await start(nursery, shown(journal, metrics=metrics))
    assert (await ask(port, "/metrics")).status == 500
    (line,) = pipe.lines()
    assert (line["level"], line["msg"]) == ("error", "GET /metrics could not be answered")
    assert "no statistics today" in line["tree"]
    broken = False
    assert (await ask(port, "/metrics")).status == 200


async def test_cancelling_the_server_closes_its_listeners_and_connections(
    sources: Sources,
) -> None:
    async with trio.open_nursery() as nursery:
        port = await start(nursery, sources)
        stream = await trio.open_tcp_stream(HOST, port)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await receive_all(stream) == b""
    await stream.aclose()
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream(HOST, port)
