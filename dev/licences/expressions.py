"""Decides about licence expressions as SPDX writes them: `MIT OR (Apache-2.0 WITH LLVM-exception AND Zlib)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")


def is_allowed(expression: str, allowed: Container[str]) -> bool:
    """Whether the licences of `allowed` suffice: any side of an OR, both sides of an AND.

    An exception (WITH) only grants more than its licence. Raises ValueError if it is no expression.
    """
    # Older crates separate their alternatives by a slash.
    tokens = _TOKEN.findall(expression.replace("/", " OR "))
    result, rest = _either(tokens, allowed)
    if rest:
        raise ValueError(f"{expression!r} is no licence expression")
    return result


def _either(tokens: list[str], allowed: Container[str]) -> tuple[bool, list[str]]:
    result, rest = _both(tokens, allowed)
    while rest[:1] == ["OR"]:
        other, rest = _both(rest[1:], allowed)
        result = result or other
    return result, rest


def _both(tokens: list[str], allowed: Container[str]) -> tuple[bool, list[str]]:
    result, rest = _one(tokens, allowed)
    while rest[:1] == ["AND"]:
        other, rest = _one(rest[1:], allowed)
        result = result and other
    return result, rest


def _one(tokens: list[str], allowed: Container[str]) -> tuple[bool, list[str]]:
    match tokens:
        case ["(", *inner]:
            result, rest = _either(inner, allowed)
            if rest[:1] != [")"]:
                raise ValueError("a parenthesis is not closed")
            return result, rest[1:]
        case [name, *rest] if name not in {"AND", "OR", "WITH", ")"}:
            return name in allowed, rest[2:] if rest[:1] == ["WITH"] else rest
    raise ValueError("a licence is missing")
