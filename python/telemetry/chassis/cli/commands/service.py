"""What the commands that every service has need to know of the one that they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.chassis.operating.access import Access


def examples(*rows: tuple[str, str]) -> str:
    """The lines of a help text that show commands, each with a remark, or an empty one, behind it."""
    width = max(len(command) for command, remark in rows if remark)
    return "\n".join(
        f"  {command.ljust(width)}  # {remark}" if remark else f"  {command}"
        for command, remark in rows
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceCommands:
    """A service, as its operators see it."""

    name: str
    """The program's."""
    open_access: Callable[[Mapping[str, str]], AbstractContextManager[Access]]
    """Reads the environment and opens the way to the instances for a block. Raises ConfigError."""
    settled_as: str
    """The class in the instances' ledger that says how much they have done; the heading of its column."""
    environment: str
    """The variables that say where the instances are asked, for help texts."""
    shared_variables: str
    """Those that command and instance must have alike, for the sentence that nobody answered."""
