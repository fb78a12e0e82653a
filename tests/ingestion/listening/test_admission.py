from __future__ import annotations

from ipaddress import ip_address

from ingestion.listening.admission import Admission

ONE, OTHER = ip_address("192.0.2.1"), ip_address("2001:db8::1")


def admission(
    *, connections_max: int = 10, per_address_max: int = 0
) -> tuple[Admission, list[str]]:
    calls: list[str] = []
    return (
        Admission(
            connections_max=connections_max,
            per_address_max=per_address_max,
            on_leave=lambda: calls.append("left"),
        ),
        calls,
    )


def test_a_place_is_free_again_once_however_often_it_is_left() -> None:
    places, calls = admission(connections_max=2)
    first, second = places.enter(), places.enter()
    assert (places.connections, places.free) == (2, 0)
    first.leave()
    first.leave()
    assert (places.connections, places.free, calls) == (1, 1, ["left"])
    second.leave()
    assert (places.connections, places.free, calls) == (0, 2, ["left"] * 2)


def test_an_address_has_as_many_places_as_it_may_and_other_addresses_theirs() -> None:
    places, _ = admission(per_address_max=2)
    first = places.enter()
    assert first.take_for(ONE)
    assert places.enter().take_for(ONE)
    refused = places.enter()
    assert not refused.take_for(ONE)
    refused.leave()
    assert places.enter().take_for(OTHER)
    first.leave()
    assert places.enter().take_for(ONE), "a place of the address is free again"
    assert not places.enter().take_for(ONE)


def test_without_a_limit_an_address_has_all_of_them_and_nothing_is_left_of_it_at_the_end() -> None:
    places, _ = admission()
    taken = [places.enter() for _ in range(5)]
    assert all(place.take_for(ONE) for place in taken)
    for place in taken:
        place.leave()
    assert not places._by_address, "an address that has gone takes no memory"


def test_a_connection_that_was_counted_for_no_address_takes_a_place_all_the_same() -> None:
    places, _ = admission(connections_max=1, per_address_max=1)
    unknown = places.enter()
    assert places.free == 0
    unknown.leave()
    assert places.enter().take_for(ONE)
