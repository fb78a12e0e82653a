"""Looks at everything once a second, in a thread: whoever draws the screen never waits for a server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from processor.operating.consumers import list_consumers
from processor.operating.dead_letter_codes import count_codes
from processor.operating.queue import QueueLooks
from processor.operating.top.sample import Counters, Sample, Working
from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.requests import LOOK
from telemetry.chassis.errors import RedisError
from telemetry.chassis.operating.instances import as_instance
from telemetry.chassis.redis.client import errors_translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.operating.access import StreamAccess

INTERVAL_S: Final = 1.0


class Sampler:
    """Takes samples over one client, which nobody else uses meanwhile."""

    def __init__(self, access: StreamAccess) -> None:
        self._access = access
        self._looks = QueueLooks(access)
        self._codes: Mapping[str, int] = {}
        self._codes_of: int | None = None

    def take(self) -> Sample:
        """Raises RedisError. Takes two seconds where an instance is frozen."""
        access = self._access
        with errors_translated(access.client):
            queue = self._looks.look()
            working = [
                Working(found, Counters.parse(each.result.get("counters")))
                for each in ask(access.client, access.control_channel, LOOK)
                if (found := as_instance(each)) is not None
            ]
            return Sample(
                at_s=time.monotonic(),
                queue=queue,
                consumers=list_consumers(access, [each.instance for each in working]),
                working=working,
                dead_letters=self._count_letters(),
                dead_letters_by_code=self._codes,
            )

    def _count_letters(self) -> int:
        count = int(self._access.client.xlen(self._access.names.dead_letters))
        if count != self._codes_of:
            self._codes = count_codes(self._access) if count else {}
            self._codes_of = count
        return count


class SamplingThread:
    """Passes each sample to the screen, or why it could not be taken."""

    def __init__(
        self, sampler: Sampler, take: Callable[[Sample], None], fail: Callable[[str], None]
    ) -> None:
        self._sampler, self._take, self._fail = sampler, take, fail
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Take no further sample. The one that is being taken is not waited for."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            try:
                self._take(self._sampler.take())
            except RedisError as error:
                self._fail(str(error))
