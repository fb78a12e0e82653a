"""Makes a child process see another time of day, by libfaketime."""

from __future__ import annotations

import re
import subprocess

from dev.servers.programs import find_program


def faked_clock(offset: str) -> dict[str, str]:
    """The environment in which a process sees the time of day moved by `offset`, such as `-2d`.

    Monotonic clocks and the times of files stay what they are. Raises ServerError if `faketime` is not
    installed.
    """
    # Only the wrapper knows where the library is, but it cannot be the parent: it passes no signal on.
    shown = subprocess.run(
        [find_program("faketime"), "-f", offset, "env"], capture_output=True, text=True, check=True
    ).stdout
    [library] = re.findall(r"^LD_PRELOAD=(.+)$", shown, re.MULTILINE)
    return {
        "LD_PRELOAD": library,
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
