"""Whether Redis would take an entry, asked without adding one."""

from __future__ import annotations

from typing import Final

from telemetry.chassis.redis.resp import encode

# Redis looks at memory, role, replicas, disk and rights before it executes a command, and refuses this one for the
# same reasons as any other XADD; then it refuses the id, before it looks at the key.
IMPOSSIBLE_ID: Final = "0-0"
_REFUSED_ID: Final = "must be greater than 0-0"


def probe_commands(stream: str) -> tuple[bytes, bytes]:
    """An entry that cannot be added, and a look at the type of the key."""
    return encode("XADD", stream, IMPOSSIBLE_ID, "probe", "1"), encode("XLEN", stream)


def refusal_in(added: str | None, looked: str | None) -> str | None:
    """Why Redis would refuse an entry; None if it would take it.

    `added` and `looked` are the errors that the two commands were answered with, None where it was something else.
    """
    if added is not None and _REFUSED_ID not in added:
        return added
    return looked
