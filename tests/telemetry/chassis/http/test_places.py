from __future__ import annotations

import resource
from contextlib import ExitStack

import pytest
import trio

from telemetry.chassis.http.places import PLACES_MAX, Places, places_max


@pytest.mark.parametrize(
    ("descriptors", "places"),
    [(1_048_576, PLACES_MAX), (1_024, 256), (400, 100), (2, 1), (resource.RLIM_INFINITY, 256)],
)
def test_a_quarter_of_the_descriptors_is_for_connections(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, places: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert places_max() == places


async def test_who_is_being_answered_keeps_its_place_while_another_has_yet_to_ask() -> None:
    places = Places(2)
    with ExitStack() as stack:
        answered = stack.enter_context(places.taken(within_s=5))
        answered.has_request = True
        asking = stack.enter_context(places.taken(within_s=5))
        newest = stack.enter_context(places.taken(within_s=5))
        cancelled = [each.scope.cancel_called for each in (answered, asking, newest)]
        assert cancelled == [False, True, False]
        newest.has_request = True
        stack.enter_context(places.taken(within_s=5))
        assert answered.scope.cancel_called, "each is being answered: the oldest goes"
        assert not newest.scope.cancel_called


async def test_a_place_that_was_left_is_free() -> None:
    places = Places(1)
    for _ in range(3):
        with places.taken(within_s=5) as place:
            await trio.lowlevel.checkpoint()
        assert not place.scope.cancelled_caught
