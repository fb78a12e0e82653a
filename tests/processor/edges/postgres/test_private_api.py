"""The private API of psycopg that the Trio connection uses: one version, and each name."""

from __future__ import annotations

import inspect

import psycopg
import pytest
from psycopg import _conninfo_utils, generators, pq
from psycopg._capabilities import capabilities
from psycopg.connection_async import AsyncConnection


def test_psycopg_is_of_the_minor_version_that_was_read() -> None:
    assert psycopg.__version__.startswith("3.3.")


def test_libpq_cancels_without_blocking() -> None:
    assert capabilities.has_cancel_safe()


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (AsyncConnection._connect_gen, ["conninfo"]),
        (AsyncConnection._cancel_gen, ["self"]),
        (AsyncConnection._should_cancel, ["self"]),
        (AsyncConnection.wait, ["self", "gen", "interval", "timeout"]),
        (AsyncConnection.cancel_safe, ["self", "timeout"]),
        (AsyncConnection.__init__, ["self", "pgconn", "row_factory"]),
        (_conninfo_utils.get_param, ["params", "name"]),
        (_conninfo_utils.is_ip_address, ["s"]),
        (_conninfo_utils.split_attempts, ["params"]),
        (generators._execute, ["pgconn"]),
        (generators._send, ["pgconn"]),
    ],
)
def test_a_private_function_takes_what_it_is_given(function: object, parameters: list[str]) -> None:
    assert callable(function)
    assert list(inspect.signature(function).parameters) == parameters


def test_a_connection_keeps_its_state_where_it_is_set() -> None:
    source = inspect.getsource(AsyncConnection.__init__)
    assert "self.lock = " in source
    assert "self._autocommit = " in inspect.getsource(psycopg.BaseConnection.__init__)


def test_every_wait_of_the_connection_goes_through_the_methods_that_are_replaced() -> None:
    """A function that waits in asyncio itself would have to be replaced as well."""
    functions = {
        name: getattr(member, "__func__", member) for name, member in vars(AsyncConnection).items()
    }
    waiting = {
        name
        for name, function in functions.items()
        if inspect.isfunction(function)
        and {"asyncio", "waiting", "conninfo_attempts_async"} & set(function.__code__.co_names)
    }
    assert waiting == {"connect", "wait", "cancel_safe"}


def test_the_encoding_is_an_attribute_of_the_libpq_connection() -> None:
    assert hasattr(pq.PGconn, "_encoding")
