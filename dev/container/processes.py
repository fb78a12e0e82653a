"""The processes of a container, seen from the machine."""

from __future__ import annotations

from pathlib import Path

from dev.servers.errors import ServerError


def children(pid: int) -> list[int]:
    """The processes that the container's init has started. Raises ServerError if there is not one."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if not found:
        raise ServerError(f"process {pid} has no children")
    return [int(each) for each in found]
