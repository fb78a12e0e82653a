"""How many connections there are, in all and by address, and whether one more may come. Does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address, IPv6Address


class Admission:
    """The places of a server. Two addresses are the same if they are equal."""

    def __init__(
        self, *, connections_max: int, per_address_max: int, on_leave: Callable[[], None]
    ) -> None:
        """`per_address_max` 0: no limit. `on_leave` is called whenever a place has become free."""
        self._connections_max = connections_max
        self._per_address_max = per_address_max
        self._on_leave = on_leave
        self._connections = 0
        self._by_address: dict[IPv4Address | IPv6Address, int] = {}

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._connections

    @property
    def free(self) -> int:
        """How many more may come."""
        return max(0, self._connections_max - self._connections)

    def enter(self) -> Place:
        """A place for a connection, whose address is not known yet."""
        self._connections += 1
        return Place(self)

    def admits(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether one more connection may come from the address."""
        if not self._per_address_max:
            return True
        return self._by_address.get(address, 0) < self._per_address_max

    def counted(self, address: IPv4Address | IPv6Address) -> None:
        """One more connection came from the address."""
        self._by_address[address] = self._by_address.get(address, 0) + 1

    def left(self, address: IPv4Address | IPv6Address | None) -> None:
        """A connection is over; `address` is None if it was counted for none."""
        self._connections -= 1
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
        self._on_leave()


class Place:
    """What one connection counts for; it is given back once, however often `leave` is called."""

    __slots__ = ("_address", "_admission", "_has_left")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._address: IPv4Address | IPv6Address | None = None
        self._has_left = False

    def take_for(self, address: IPv4Address | IPv6Address) -> bool:
        """Count the connection for its address, once; False if the address has as many as it may have."""
        assert self._address is None
        assert not self._has_left
        if not self._admission.admits(address):
            return False
        self._admission.counted(address)
        self._address = address
        return True

    def leave(self) -> None:
        """The connection is over."""
        if not self._has_left:
            self._has_left = True
            self._admission.left(self._address)
