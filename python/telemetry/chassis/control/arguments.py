"""Reads the arguments of requests: a command of another version may send anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis.control.responder import CannotDo

if TYPE_CHECKING:
    from telemetry.chassis.control.messages import Values


def text_of(arguments: Values, name: str) -> str:
    """A text. Raises CannotDo."""
    value = arguments.get(name)
    if not isinstance(value, str):
        raise CannotDo(f"{name} is to be a text")
    return value


def seconds_of(arguments: Values, name: str) -> int | None:
    """Whole seconds, 1 at least; None if it is absent. Raises CannotDo."""
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CannotDo(f"{name} is to be whole seconds, 1 at least")
    return value
