"""How long an operator waits for a Redis that gives no answer."""

from __future__ import annotations

from processor.operating.access import open_stream


def test_a_person_waits_for_ten_seconds_at_most() -> None:
    with open_stream({"REDIS_URL": "redis://127.0.0.1"}) as access:
        bounds = access.client.connection_pool.connection_kwargs
    assert bounds["socket_timeout"] <= 10
