"""What a node of a cluster answers in the place of a result: who has the key, or that nobody can say yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from telemetry.chassis.redis.cluster.nodes import Node
from telemetry.chassis.redis.errors import ROLE_CHANGED

if TYPE_CHECKING:
    from telemetry.chassis.errors import RedisRefused

MOVED: Final = "MOVED"
"""The slot is another node's, for good: go there, with every command."""
ASK: Final = "ASK"
"""The slot is moving, and this key is not here: go there behind ASKING, with this command alone."""
TRYAGAIN: Final = "TRYAGAIN"
"""The slot is moving, and of the command's keys some are not here."""
UNSETTLED: Final = frozenset({ASK, TRYAGAIN})
"""What is answered while a slot moves, and not before or after."""
UNBLOCKED: Final = "UNBLOCKED"
"""Redis 7.0, to a blocked read: the key is not there any more. It was deleted, or has moved away with its slot."""

_REDIRECTION: Final = re.compile(r"(MOVED|ASK) ([0-9]+) (.*):([0-9]+)")


@dataclass(frozen=True, slots=True)
class Redirection:
    """Where to go with a command."""

    code: str
    """MOVED or ASK."""
    slot: int
    node: Node


def redirection_in(message: str, *, asked: Node) -> Redirection | None:
    """What an error says, from its first word on; None if it does not lead to a node.

    `asked` is the node that answered: one that by its setting names no host means the same host.
    """
    if (found := _REDIRECTION.fullmatch(message)) is None:
        return None
    code, slot, host, port = found.groups()
    return Redirection(code, int(slot), Node(host or asked.host, int(port)))


def message_of(error: RedisRefused) -> str:
    """The server's own words, from the code on."""
    return str(error).removeprefix(f"{error.where}: ")


def is_key_gone(error: RedisRefused) -> bool:
    """Whether a blocked read ended because its key is not there any more."""
    return error.code == UNBLOCKED and ROLE_CHANGED not in str(error)
