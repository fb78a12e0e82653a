from __future__ import annotations

import os
import time

from bench.cpu import family_cpu_s, process_cpu_s
from bench.measure import Cost, interleave, summarise


def test_contenders_run_in_turn_in_every_round() -> None:
    order: list[str] = []

    def contender(name: str) -> int:
        order.append(name)
        return len(order)

    results = interleave({"a": lambda: contender("a"), "b": lambda: contender("b")}, rounds=3)

    assert order == ["a", "b"] * 3
    assert results == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_a_summary_holds_medians_and_the_best() -> None:
    summary = summarise(Cost(cpu_s=cpu, wall_s=10 * cpu) for cpu in (5.0, 1.0, 2.0))

    assert (summary.cpu_s, summary.cpu_min_s) == (2.0, 1.0)
    assert (summary.wall_s, summary.wall_min_s) == (20.0, 10.0)


def test_the_clock_of_a_process_id_is_that_processes_cpu_time() -> None:
    before = time.process_time()
    read = process_cpu_s(os.getpid())
    after = time.process_time()

    assert before <= read <= after


def test_a_family_has_used_no_less_cpu_time_than_its_leader() -> None:
    leader = process_cpu_s(os.getpid())

    assert family_cpu_s(os.getpid()) >= leader
