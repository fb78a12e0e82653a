"""Run, the events: what is done to an instance, and how long it takes until others have what it held."""

from __future__ import annotations

from dataclasses import dataclass, field
from signal import SIGCONT, SIGTERM
from typing import TYPE_CHECKING

import trio

from drills.processor.sharing.holding import HandedOver, catch, follow
from drills.processor.sharing.judgement import Handover, bound_ms
from drills.processor.sharing.plan import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.processor.sharing.fleet import Fleet, Member
    from drills.processor.sharing.judgement import ClaimBounds
    from drills.processor.stream import DrillStream

# Beyond the bound, before a takeover counts as never.
_PATIENCE_S = 15.0
# A frozen instance stays so for that much longer than its peers need to take over.
_FROZEN_ON_S = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a run that the plot shows."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """When an event began, and when as many instances were at work as before."""

    event: Event
    from_s: float
    to_s: float


@dataclass
class Events:
    """Carries out the events of a run, one after the other."""

    fleet: Fleet
    stream: DrillStream
    bounds: ClaimBounds
    elapsed_s: Callable[[], float]
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    handovers: list[Handover] = field(default_factory=list)

    async def carry_out(self, event: Event) -> None:
        """Let it happen; returns when as many instances are at work as before."""
        from_s = self.elapsed_s()
        await self._let_happen(event)
        self.spans.append(Span(event, from_s, self.elapsed_s()))

    async def _let_happen(self, event: Event) -> None:
        first = self.fleet.members[0]
        match event:
            case Event.SHARE:
                pass
            case Event.KILL9:
                await self._kill(first)
            case Event.SIGTERM:
                await self._stop(event, first)
                await self._start(None)
            case Event.FREEZE:
                await self._freeze(first)
            case _:
                for member in [*self.fleet.members]:
                    await self._replace(event, member)

    async def _replace(self, event: Event, member: Member) -> None:
        if event is Event.ROLLING_SAME:
            await self._stop(event, member)
            await self._start(member.number)
        else:
            await self._start(member.number if event is Event.ROLLING_TWINS else None)
            await self._stop(event, member)

    async def _kill(self, member: Member) -> None:
        held = await catch(member, self.stream)
        self._mark("kill -9")
        await self.fleet.kill(member)
        await self._follow(Event.KILL9, member, held)
        await self.fleet.killed(member)
        await self._start(None)

    async def _stop(self, event: Event, member: Member) -> None:
        held = await catch(member, self.stream)
        self._mark("SIGTERM")
        asked_at = trio.current_time()
        await member.service.send(SIGTERM)
        await member.service.send(SIGCONT)
        await self._follow(event, member, held)
        await self.fleet.stopped(member, asked_at)

    async def _freeze(self, member: Member) -> None:
        held = await catch(member, self.stream)
        self._mark("SIGSTOP")
        thaw_at = trio.current_time() + self.bounds.taken_over_ms_max / 1000 + _FROZEN_ON_S
        await self._follow(Event.FREEZE, member, held)
        await trio.sleep_until(max(thaw_at, trio.current_time()))
        self._mark("SIGCONT")
        await member.service.send(SIGCONT)

    async def _start(self, number: int | None) -> None:
        await self.fleet.start(number)
        self._mark("started")

    async def _follow(self, event: Event, member: Member, held: frozenset[str]) -> None:
        at_s, bound = self.elapsed_s(), bound_ms(event, self.bounds)
        over = (
            await follow(held, member.name, self.stream, patience_s=bound / 1000 + _PATIENCE_S)
            if held
            else HandedOver(None, None)
        )
        self.handovers.append(
            Handover(
                event=event,
                instance=member.name,
                at_s=at_s,
                held=len(held),
                over=over,
                bound_ms=bound,
            )
        )

    def _mark(self, text: str) -> None:
        self.marks.append(Mark(self.elapsed_s(), text))
