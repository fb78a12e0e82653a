"""CPU time of other processes."""

from __future__ import annotations

import contextlib
import time

import psutil

CPUCLOCK_SCHED = 2


def process_cpu_s(pid: int) -> float:
    """User and system time of one process, all its threads, in nanosecond steps; children do not count.

    Reads the clock that clock_getcpuclockid(3) names, since /proc/<pid>/stat counts in steps of 10 ms.
    The clock's number is Linux's: MAKE_PROCESS_CPUCLOCK in include/linux/posix-timers_types.h.
    Raises OSError when the process is gone.
    """
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def family_cpu_s(pid: int) -> float:
    """User and system time of a process and all its children; of those that have ended in 10 ms steps."""
    leader = psutil.Process(pid)
    reaped = leader.cpu_times()
    total: float = process_cpu_s(pid) + reaped.children_user + reaped.children_system
    for child in leader.children(recursive=True):
        with contextlib.suppress(OSError):
            total += process_cpu_s(child.pid)
    return total
