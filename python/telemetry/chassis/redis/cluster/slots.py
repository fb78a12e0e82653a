"""In which of a cluster's slots a key is: the CRC16 of its name, or of its hash tag if it has one.

As in "Key distribution model" of the cluster specification (redis.io/docs/reference/cluster-spec).
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SLOTS: Final = 16_384


def slot_of(key: str) -> int:
    """The slot of a key."""
    return crc_hqx(_hashed(key.encode()), 0) % SLOTS


def are_in_one_slot(keys: Iterable[str]) -> bool:
    """Whether one command may use all of them."""
    return len({slot_of(key) for key in keys}) <= 1


def _hashed(key: bytes) -> bytes:
    """What is between the first `{` and the `}` behind it, unless that is nothing; else the whole name."""
    _, opened, behind = key.partition(b"{")
    tag, closed, _ = behind.partition(b"}")
    return tag if opened and closed and tag else key
