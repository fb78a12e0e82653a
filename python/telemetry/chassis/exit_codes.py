"""The exit codes of a process and their meaning (contract section 8)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Read by orchestrators and operators; 2, misuse of the command line, is in `telemetry.chassis.cli`."""

    CLEAN = 0
    """Everything read was decided, or a stop was asked for before anything was read."""
    UNCAUGHT = 1
    """An uncaught exception, or the backstop."""
    TIMED_OUT = 3
    """The drain ended undecided, by its budget or a second signal."""
    UNREACHABLE = 4
    """A server cannot be reached at start-up, or refuses the login."""
    SCHEMA = 5
    """The table is missing or not what the contract says, or a privilege is missing."""
    BAD_CONFIGURATION = 78
    """EX_CONFIG of sysexits.h."""
