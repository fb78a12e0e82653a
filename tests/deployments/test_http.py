"""The HTTP endpoints on machines with both families of addresses."""

from __future__ import annotations

import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import WAIT_S_MAX

if TYPE_CHECKING:
    from tests.processes.conftest import Run

pytestmark = pytest.mark.deployment


def status(host: str, port: int) -> int:
    with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=WAIT_S_MAX) as answer:
        code: int = answer.status
    return code


def port_of(run: Run, host: str) -> int:
    service = run(METRICS_HOST=host).ready()
    return int(service.logged("processor ready")[0]["metrics"].rpartition(":")[2])


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("::", {"127.0.0.1", "[::1]"}),
        ("0.0.0.0", {"127.0.0.1"}),  # noqa: S104  # what the row is about
        ("::1", {"[::1]"}),
    ],
)
def test_the_endpoints_are_reached_by_the_families_that_the_address_names(
    run: Run, host: str, reached: set[str]
) -> None:
    assert socket.has_ipv6
    port = port_of(run, host)
    answered: set[str] = set()
    for each in ("127.0.0.1", "[::1]"):
        try:
            assert status(each, port) == 200
        except OSError:
            continue
        answered.add(each)
    assert answered == reached


def test_an_address_whose_port_is_taken_in_one_family_is_an_error(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        service = run(METRICS_HOST="::", METRICS_PORT=str(taken.getsockname()[1]))
        assert service.wait() == 78
