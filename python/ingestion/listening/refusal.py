"""Why a connection is closed before its session begins."""

from __future__ import annotations

from typing import Literal

Reason = Literal["address", "proxy", "tls"]


class ConnectionRefused(Exception):
    """It may not come in, or did not begin as it has to; `reason` is the label of the metric."""

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class ConnectionProbed(Exception):
    """It ended before its first byte."""
