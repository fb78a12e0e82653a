"""Real edges and fakes are what the ports say. That each fits its port, mypy checks by the annotations here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from processor.edges.ports import PositionStore, PositionStream
from processor.edges.postgres.store import PostgresStore
from processor.edges.redis.stream import RedisPositionStream
from tests.support.fakes.store import FakeStore
from tests.support.fakes.stream import FakeStream

if TYPE_CHECKING:
    from collections.abc import Callable

STORES: tuple[Callable[..., PositionStore], ...] = (PostgresStore, FakeStore)
STREAMS: tuple[Callable[..., PositionStream], ...] = (RedisPositionStream, FakeStream)
PAIRS = [
    *((PositionStore, store) for store in STORES),
    *((PositionStream, stream) for stream in STREAMS),
]


def methods_of(port: type) -> list[str]:
    return [
        name for name, value in vars(port).items() if name[0] != "_" and inspect.isfunction(value)
    ]


@pytest.mark.parametrize(("port", "edge"), PAIRS, ids=lambda value: value.__name__)
def test_an_edge_has_every_method_of_its_port_with_the_same_signature(port: Any, edge: Any) -> None:
    names = methods_of(port)
    assert len(names) >= 5
    for name in names:
        wanted, given = getattr(port, name), getattr(edge, name)
        assert inspect.signature(given) == inspect.signature(wanted), name
        assert inspect.iscoroutinefunction(given), name
    assert hasattr(edge, "where")
