"""Frames that a node of a cluster sends elsewhere, as their slot is moving or has moved: which, and where to."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from telemetry.chassis.redis.cluster.detour import ASKING
from telemetry.chassis.redis.cluster.redirections import ASK, MOVED, TRYAGAIN
from telemetry.chassis.redis.resp import commands_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from telemetry._codec import PublishRefusal
    from telemetry.chassis.redis.cluster.nodes import Node
    from telemetry.chassis.redis.cluster.redirections import Redirection

TURNED_AWAY: Final = frozenset({ASK, MOVED, TRYAGAIN})
"""The codes of errors that say of a record: it was not taken here, and it may be sent again."""


class Turn(Enum):
    """What to do next with frames that were turned away, if no node was named to ask."""

    HOME = auto()
    """Look for the slot's master, and send them there."""
    AGAIN = auto()
    """Wait for a moment, and send them to the same node."""


def can_be_sent_again(refusal: PublishRefusal) -> bool:
    """Whether a frame was turned away, and what is left of it can be sent without sending a record twice."""
    return refusal.code in TURNED_AWAY and refusal.taken is not None


def next_turn(answers: Collection[Redirection | None]) -> Node | Turn:
    """Where to go with the frames that one node has turned away.

    `answers` are the redirections, None where it was another answer. A node: the slot is moving there, to be asked
    for these frames alone.
    """
    if not answers or any(answer is not None and answer.code == MOVED for answer in answers):
        return Turn.HOME
    nodes = {None if answer is None else answer.node for answer in answers}
    node = nodes.pop()
    return Turn.AGAIN if node is None or nodes else node


def commands_left(commands: bytes, *, taken: int, asking: bool) -> bytes:
    """The commands of a frame without the first `taken`; if `asking`, with what has to go before each."""
    before = ASKING if asking else b""
    return b"".join(before + command for command in commands_in(commands)[taken:])
