"""The command's side of a request: it asks the instances of a service, and gathers their answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from telemetry.chassis.control.messages import (
    Answer,
    AnswerKind,
    Request,
    decode_answer,
    encode_request,
    new_id,
    reply_channel,
)
from telemetry.chassis.control.tally import RESULT_S, Tally
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.client import errors_translated, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.chassis.redis.client import Client

# Pub/Sub keeps nothing for an instance that is just reconnecting.
AGAIN_S: Final = 0.5
SUBSCRIBED_S: Final = 5.0


def ask(  # noqa: PLR0913  # two are who is asked, the others what for
    client: Client,
    channel: str,
    name: str,
    arguments: Mapping[str, object] | None = None,
    *,
    instance_id: str | None = None,
    take_part: Callable[[Answer], None] = lambda _part: None,
) -> list[Answer]:
    """Ask all instances, or one of them, and return a final answer of each, sorted by instance.

    `take_part` gets the parts of a result that comes in several messages, before the final answer.

    Takes as long as the slowest needs, two seconds where somebody does not answer, and thirty at most. An instance that
    accepted the request, and gave no result by then, has FAILED. Raises what the client raises.
    """
    request = Request(new_id(), name, arguments or {}, instance_id)
    message = encode_request(request)
    with subscribed(client, channel, request.id) as replies:
        tally = Tally(time.monotonic(), is_count_whole=not _is_cluster(client))
        publish_at_s = time.monotonic()
        while (now_s := time.monotonic()) < tally.waits_until_s:
            if now_s >= publish_at_s:
                tally.published(int(client.publish(channel, message)))
                publish_at_s = now_s + AGAIN_S
            until_s = min(publish_at_s, tally.waits_until_s)
            answer = next_answer(replies, request.id, max(0.0, until_s - time.monotonic()))
            if answer is None:
                continue
            if answer.kind is AnswerKind.PART:
                take_part(answer)
            else:
                tally.take(answer)
    return [_final(each) for each in tally.answers if each.kind is not AnswerKind.PASSED]


@contextmanager
def subscribed(client: Client, channel: str, request_id: str) -> Iterator[Any]:
    """A subscription to the answers of a request, for a block; the server has confirmed it. For `next_answer`."""
    replies: Any = client.pubsub()  # type: ignore[no-untyped-call]
    with replies:
        replies.subscribe(reply_channel(channel, request_id))
        if replies.get_message(timeout=SUBSCRIBED_S) is None:
            raise RedisUnavailable("no answer in time", where=place_of(client))
        yield replies


def next_answer(replies: Any, request_id: str, wait_s: float) -> Answer | None:  # noqa: ANN401  # the client's
    """What comes next on a subscription to the answers of a request; None if nothing of use comes in time."""
    message = replies.get_message(ignore_subscribe_messages=True, timeout=wait_s)
    if message is None or message["type"] != "message":
        return None
    answer = decode_answer(message["data"])
    return answer if isinstance(answer, Answer) and answer.id == request_id else None


def _is_cluster(client: Client) -> bool:
    # HELLO needs no further right, as INFO would. A user that may not use it is taken to be on a single server.
    reply: Any = []
    with suppress(RedisRefused), errors_translated(client):
        reply = client.execute_command("HELLO")  # type: ignore[no-untyped-call]
    fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=False))
    return fields.get(b"mode") == b"cluster"


def _final(answer: Answer) -> Answer:
    if answer.is_final:
        return answer
    error = f"it has taken the request, and gave no result within {RESULT_S:.0f} s"
    return replace(answer, kind=AnswerKind.FAILED, error=error)
