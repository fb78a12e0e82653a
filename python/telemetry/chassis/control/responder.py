"""The service's side of requests: a task that takes them from the control channel, and answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, TypeAlias
from weakref import WeakValueDictionary

import trio

from telemetry.chassis import clocks, progress
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.control.messages import (
    UNKNOWN,
    Answer,
    AnswerKind,
    Dropped,
    Request,
    Values,
    decode_request,
    encode_answer,
    encode_request,
    new_id,
    reply_channel,
)
from telemetry.chassis.control.tally import RESULT_S
from telemetry.chassis.errors import RedisError, RedisRefused, TelemetryError
from telemetry.chassis.redis.pushes import TooLong
from telemetry.chassis.redis.subscription import SubscriptionOptions, Unheard, open_subscription

if TYPE_CHECKING:
    from telemetry.chassis.redis.subscription import Subscription

Carrier: TypeAlias = Callable[[Values], Awaitable[Values]]
"""Carries out a request with these arguments; its result. Raises CannotDo."""


# A request is published again for half a minute at most, and operators ask once a second.
REMEMBERED_MAX: Final = 1_000
# A result may wait for a server; requests beyond these are refused.
AT_ONCE_MAX: Final = 16
# Of what is left of the command's patience, the answer needs some.
CARRY_S_MAX: Final = RESULT_S - 1
LACKING: Final = frozenset({"NOPERM", "NOPROTO"})
"""Refusals that keep requests from a service which else works."""
# A connection that lasted for so long is no longer counted as another failure.
LASTED_S: Final = 10.0


class CannotDo(TelemetryError):
    """The request is refused, or could not be done; the message is for the operator."""


class ControlJournal(Protocol):
    """Where requests are reported. Never raises."""

    def request_taken(self, name: str) -> None:
        """A request is carried out or refused, once for each id; the name is one of the service's, or UNKNOWN."""

    def request_failed(self, name: str, *, error: str) -> None:
        """It could not be carried out, through a fault of the program."""

    def control_message_dropped(self, reason: Dropped) -> None:
        """A message was no request."""

    def control_lost(self, *, error: str) -> None:
        """Requests do not reach this instance; it tries again until they do."""

    def control_ready(self) -> None:
        """Requests reach this instance, for the first time or again."""


class Caller:
    """Who asked, and gets parts of a result."""

    def __init__(self, request_id: str, tell: Callable[[str, Values], Awaitable[None]]) -> None:
        self.request_id = request_id
        self.asked_at_s = clocks.monotonic_s()
        """When the request came last, in monotonic seconds: a command that waits publishes it again and again."""
        self._tell = tell

    async def tell(self, part: Values) -> None:
        """Send a part, as a message of MESSAGE_BYTES_MAX at most; it is lost where nobody listens any more."""
        await self._tell(self.request_id, part)


@dataclass(frozen=True, slots=True)
class InParts:
    """A carrier whose result comes in parts, too: before its end, or for a time behind it."""

    carry: Callable[[Caller, Values], Awaitable[Values]]


class Responder:
    """Takes requests, has each carried out once, and answers.

    Owns its connection, and what it remembers of recent requests. Ends only by cancellation: what is being carried out
    is cut, and the command hears no more of it. Raises nothing: without its connection nobody can ask, and that is all;
    it connects again, with pauses, for ever.
    """

    def __init__(
        self,
        options: SubscriptionOptions,
        carriers: Mapping[str, Carrier | InParts],
        *,
        instance_id: str,
        journal: ControlJournal,
        backoff: Backoff,
    ) -> None:
        """`carriers`: what can be asked, by the request's name."""
        self._options = options
        self._carriers = carriers
        # Those who still get something: whoever serves them holds them.
        self._callers: WeakValueDictionary[str, Caller] = WeakValueDictionary()
        self._instance_id = instance_id
        self._journal = journal
        self._retries = Retries(backoff, first_at_once=True)
        self._life = new_id()
        self._subscription: Subscription | None = None
        self._was_ready = False
        # The last answer to each recent request, the oldest request first.
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._carried = 0

    async def run(self) -> NoReturn:
        """Answer until cancelled."""
        # Its waits are bounded: the server owes an answer to each PING.
        with progress.working():
            await self._answer_for_ever()

    async def notify(self, name: str) -> None:
        """Ask the other instances for something, and wait for no answer.

        Best effort: nothing happens without a connection, and a message is lost where nobody listens.
        """
        if self._subscription is None:
            return
        notice = Request(new_id(), name, {}, None, is_notice=True)
        # It comes back to us as well, and is not for us.
        self._remembered(notice, AnswerKind.PASSED)
        with suppress(RedisError):
            message = encode_request(notice)
            await self._subscription.publish(self._options.channel, message, must_be_heard=False)

    async def _answer_for_ever(self) -> NoReturn:
        # Around the connections: a result that one of them could not send is asked for again on the next.
        async with trio.open_nursery() as carrying:
            while True:
                progress.step()
                began_s = clocks.monotonic_s()
                error = await self._connected(carrying)
                # Who had asked may have gone: each answer that is unheard costs a new connection, and no pause.
                is_unheard = isinstance(error, Unheard)
                if is_unheard or clocks.monotonic_s() - began_s > LASTED_S:
                    self._retries.reset()
                if not is_unheard:
                    self._report(error)
                await self._retries.pause(lambda _: None)

    def _report(self, error: RedisError) -> None:
        # Before it was connected once, whoever starts the service reports that the server is away.
        if self._was_ready or (isinstance(error, RedisRefused) and error.code in LACKING):
            self._journal.control_lost(error=str(error))

    async def _connected(self, carrying: trio.Nursery) -> RedisError:
        """Serve over one connection; what ended it."""
        try:
            subscription = await open_subscription(self._options)
        except RedisError as error:
            return error
        self._subscription, self._was_ready = subscription, True
        self._journal.control_ready()
        try:
            async with trio.open_nursery() as connected:
                connected.start_soon(_ping, subscription)
                lost = await self._take_all(subscription, carrying)
                connected.cancel_scope.cancel()
            return lost
        finally:
            self._subscription = None
            subscription.close()

    async def _take_all(self, subscription: Subscription, carrying: trio.Nursery) -> RedisError:
        try:
            while True:
                for message in await subscription.messages():
                    await self._take(message, carrying)
        except RedisError as error:
            return error

    async def _take(self, message: bytes | TooLong, carrying: trio.Nursery) -> None:
        request = Dropped.OVERSIZE if isinstance(message, TooLong) else decode_request(message)
        if isinstance(request, Dropped):
            self._journal.control_message_dropped(request)
            return
        if caller := self._callers.get(request.id):
            caller.asked_at_s = clocks.monotonic_s()
        # An answer may have been lost: whoever publishes the request again has not heard it.
        answer = self._answers.get(request.id) or self._first_answer(request, carrying)
        if not request.is_notice:
            await self._send(answer)

    def _first_answer(self, request: Request, carrying: trio.Nursery) -> Answer:
        if request.instance_id not in {None, self._instance_id}:
            return self._remembered(request, AnswerKind.PASSED)
        carrier = self._carrier_of(request)
        self._journal.request_taken(UNKNOWN if carrier is None else request.name)
        if carrier is None:
            return self._failed(request, f"this version knows no request {request.name!r}")
        if self._carried == AT_ONCE_MAX:
            return self._failed(request, f"{AT_ONCE_MAX} other requests are being carried out")
        self._carried += 1
        carrying.start_soon(self._carry, request, carrier)
        return self._remembered(request, AnswerKind.ACCEPTED)

    def _carrier_of(self, request: Request) -> Carrier | None:
        carrier = self._carriers.get(request.name)
        if not isinstance(carrier, InParts):
            return carrier
        self._callers[request.id] = caller = Caller(request.id, self._tell)
        return partial(carrier.carry, caller)

    async def _tell(self, request_id: str, part: Values) -> None:
        answer = Answer(request_id, self._life, self._instance_id, AnswerKind.PART, part)
        await self._send(answer, must_be_heard=False)

    async def _carry(self, request: Request, carrier: Carrier) -> None:
        try:
            with trio.fail_after(CARRY_S_MAX):
                result = await carrier(request.arguments)
            answer = self._remembered(request, AnswerKind.DONE, result)
        except trio.TooSlowError:
            answer = self._failed(request, f"it was not done within {CARRY_S_MAX:.0f} s")
        except CannotDo as refusal:
            answer = self._failed(request, str(refusal))
        except Exception as fault:  # noqa: BLE001  # no request may end the service
            self._journal.request_failed(request.name, error=f"{type(fault).__name__}: {fault}")
            answer = self._failed(request, f"a fault of the program, its log says more: {fault}")
        finally:
            self._carried -= 1
        if not request.is_notice:
            await self._send(answer)

    def _failed(self, request: Request, error: str) -> Answer:
        return self._remembered(request, AnswerKind.FAILED, error=error)

    def _remembered(
        self,
        request: Request,
        kind: AnswerKind,
        result: Values | None = None,
        *,
        error: str | None = None,
    ) -> Answer:
        answer = Answer(request.id, self._life, self._instance_id, kind, result or {}, error)
        self._answers[request.id] = answer
        while len(self._answers) > REMEMBERED_MAX:
            self._answers.popitem(last=False)
        return answer

    async def _send(self, answer: Answer, *, must_be_heard: bool = True) -> None:
        channel = reply_channel(self._options.channel, answer.id)
        if self._subscription is not None:
            # A lost connection is noticed by who receives on it.
            with suppress(RedisError):
                message = encode_answer(answer)
                await self._subscription.publish(channel, message, must_be_heard=must_be_heard)


async def _ping(subscription: Subscription) -> None:
    with suppress(RedisError):
        await subscription.ping()
