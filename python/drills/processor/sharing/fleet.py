"""Run, the instances: started, signalled, replaced, and in the end all stopped."""

from __future__ import annotations

from dataclasses import dataclass
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING

import trio

from drills.lives import until_ready
from drills.observed import LeftPending, Life
from drills.plan import Fault
from drills.service import RunningService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drills.launch import Launcher
    from drills.observed import LastLine

# Beyond SHUTDOWN_TIMEOUT_MS, when it should have ended itself.
_END_S_MAX = 3.0


@dataclass(eq=False, slots=True)
class Member:
    """One process of the fleet; `number` is its name's."""

    number: int
    name: str
    life: int
    service: RunningService


class Fleet:
    """The instances that run, and the lives that have ended. All of it is in `nursery`, and ends with it."""

    def __init__(
        self,
        launcher: Launcher,
        nursery: trio.Nursery,
        environment_of: Callable[[int], Mapping[str, str]],
        *,
        shutdown_timeout_ms: int,
    ) -> None:
        self.members: list[Member] = []
        self.lives: list[Life] = []
        self._launcher = launcher
        self._nursery = nursery
        self._environment_of = environment_of
        self._end_s_max = shutdown_timeout_ms / 1000 + _END_S_MAX
        self._started = 0
        self._next_number = 0

    @property
    def inserted(self) -> int:
        """Rows inserted, by the logs of all lives."""
        running = sum(each.service.inserted for each in self.members)
        return running + sum(life.inserted for life in self.lives)

    async def start(self, number: int | None = None) -> Member:
        """Start an instance, under a new name unless `number` is given; returns when it is ready.

        Raises DrillFailed, and ConfigError.
        """
        member = self._launch(number)
        await until_ready(member.service)
        return member

    async def start_all(self, count: int) -> None:
        """Start this number of instances at once."""
        for member in [self._launch(None) for _ in range(count)]:
            await until_ready(member.service)

    def _launch(self, number: int | None) -> Member:
        if number is None:
            number = self._next_number
            self._next_number += 1
        environment = self._environment_of(number)
        name = environment["INSTANCE_ID"]
        service = RunningService(self._launcher, f"{name}-life-{self._started}", environment)
        member = Member(number, name, self._started, service)
        self._started += 1
        self._nursery.start_soon(service.run)
        self.members.append(member)
        return member

    async def kill(self, member: Member) -> None:
        """SIGKILL; returns when the signal is sent."""
        await member.service.send(SIGKILL)

    async def killed(self, member: Member) -> None:
        """Wait for the end of a life that was killed."""
        await member.service.ended.wait()
        self._end(member, Fault.KILL9, None)

    async def stopped(self, member: Member, asked_at: float) -> None:
        """Wait for the end of a life that was asked to stop; kill it when it takes too long."""
        with trio.move_on_after(self._end_s_max) as patience:
            await member.service.ended.wait()
        if patience.cancelled_caught:
            await self.kill(member)
            await member.service.ended.wait()
        drain_ms = (member.service.ended_at - asked_at) * 1000
        self._end(member, Fault.SIGTERM, None if patience.cancelled_caught else drain_ms)

    async def stop_all(self) -> None:
        """Stop what runs, all at once."""
        asked_at = trio.current_time()
        early = [each for each in self.members if each.service.ended.is_set()]
        for member in early:
            self._end(member, None, None, ended_early=True)
        for member in self.members:
            await member.service.send(SIGTERM)
        for member in [*self.members]:
            await self.stopped(member, asked_at)

    def _end(
        self,
        member: Member,
        fault: Fault | None,
        drain_ms: float | None,
        *,
        ended_early: bool = False,
    ) -> None:
        service = member.service
        self.members.remove(member)
        self.lives.append(
            Life(
                round=member.life,
                consumer=member.name,
                fault=fault,
                exit_code=service.exit_code,
                ended_early=ended_early,
                drain_ms=drain_ms,
                last_line=service.last_line,
                left=_left_by(service.last_line),
                inserted=service.inserted,
            )
        )


def _left_by(said: LastLine | None) -> LeftPending:
    """What it says: its peers have claimed that by now, so that Redis cannot confirm it."""
    return LeftPending(released=said.ledger.released + said.ledger.released_unread if said else 0)
