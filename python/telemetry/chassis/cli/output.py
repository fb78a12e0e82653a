"""What a command writes: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping


def say(text: str) -> None:
    """Write a line for the operator to standard error: standard output has nothing but results."""
    sys.stderr.write(text + "\n")


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    # Text that is not UTF-8 cannot be in there; what Redis holds of it is written as ASCII escapes.
    print_at_once(json.dumps(value, separators=(",", ":")) + "\n")


def print_at_once(text: str) -> None:
    """Write to standard output and flush it. A reader that went away, as `head` does, is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_standard_output()


def discard_standard_output() -> None:
    """Let later writes and the interpreter's last flush succeed after a closed pipe.

    As the standard library's documentation of `signal` recommends.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
