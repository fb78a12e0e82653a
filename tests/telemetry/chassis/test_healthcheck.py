"""The image's health check, run as an engine runs it: one line and an exit code, whatever the server does."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from dev.servers.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND_S = 30


def check(**env: str) -> tuple[int, list[str]]:
    """Exit code, and the lines that were written."""
    checked = subprocess.run(
        [sys.executable, "-m", "processor", "healthcheck"],
        env=env,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    return checked.returncode, [*checked.stdout.splitlines(), *checked.stderr.splitlines()]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """The port of a server that answers one request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield str(server.server_address[1])
        thread.join(BOUND_S)


def test_a_service_that_is_alive_passes() -> None:
    with answering(200, b'{"status":"alive"}') as port:
        outcome = check(METRICS_HOST=HOST, METRICS_PORT=port)
    assert outcome == (0, [])


def test_a_service_that_is_not_fails_with_what_it_said_in_one_line() -> None:
    with answering(503, b'{"status":"stalled",\n"tasks":[]}\n') as port:
        outcome = check(METRICS_PORT=port)
    assert outcome == (1, ['/healthz answers 503: {"status":"stalled", "tasks":[]}'])


@pytest.mark.parametrize(
    ("host", "port"), [(HOST, "free"), (HOST, "9x"), ("no.such.host.invalid", "9090"), ("a b", "1")]
)
def test_without_an_answer_one_line_says_why(host: str, port: str) -> None:
    port = port.replace("free", str(free_port()))
    code, [line] = check(METRICS_HOST=host, METRICS_PORT=port)
    assert code == 1
    assert line.startswith(f"no answer from METRICS_HOST={host} METRICS_PORT={port}: ")
