"""Addresses of a cluster's nodes: how they are written, and which ones CLUSTER SLOTS names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry._codec import Reply

# A node says so of another whose host name it has not heard yet.
UNKNOWN_HOST: Final = "?"


@dataclass(frozen=True, slots=True)
class Node:
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def nodes_in(slots: Reply, *, asked: Node) -> list[Node]:
    """The nodes in a reply to CLUSTER SLOTS, masters first; `asked` is the node that replied.

    What is not understood is left out: any of the others will do.
    """
    masters: list[Node] = []
    replicas: list[Node] = []
    for slot_range in slots if isinstance(slots, list) else []:
        if isinstance(slot_range, list):
            master, *others = list(_nodes_of(slot_range[2:], asked)) or [asked]
            masters.append(master)
            replicas += others
    return list(dict.fromkeys([*masters, *replicas]))


def _nodes_of(rows: list[Reply], asked: Node) -> Iterator[Node]:
    for row in rows:
        match row:
            case [None | b"", int(port), *_]:
                # By its setting a node names no host: then it is where the asked one is.
                yield Node(asked.host, port)
            case [bytes(host), int(port), *_] if (name := host.decode()) != UNKNOWN_HOST:
                yield Node(name, port)
