"""Names as Redis has them: any bytes, shown as text, and typed as a shell passes them."""

from __future__ import annotations


def shown(name: bytes) -> str:
    """The name as text; bytes that are no UTF-8 are escaped."""
    return name.decode(errors="backslashreplace")


def typed(name: str) -> bytes:
    """The name that an argument of the command line gives: Python keeps bytes that are no UTF-8 as surrogates."""
    return name.encode(errors="surrogateescape")
