"""The Lua scripts, and the EVAL commands that run them.

They run rarely, so each is sent in full: no server has to remember it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Final

from telemetry.chassis.redis.resp import Argument, encode

# Redis serves nobody else while a script runs: this number of ids takes 1 to 15 ms.
IDS_MAX: Final = 500
# For each, Redis copies the whole entry: this number takes 1 to 4 ms, with payloads of 60,000 bytes 8 to 23 ms.
FAILURES_MAX: Final = 25
REPLAYS_MAX: Final = 25


@dataclass(frozen=True)
class Script:
    """A script file, and the files with the functions that it shares with others."""

    name: str
    shared: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """The Lua text that is sent to the server."""
        directory = files(__name__)
        pieces = [directory / "shared" / f"{name}.lua" for name in self.shared]
        return "\n".join(piece.read_text() for piece in [*pieces, directory / f"{self.name}.lua"])

    def call(self, keys: tuple[str, ...], *arguments: Argument) -> bytes:
        """The EVAL command, ready for the wire."""
        return encode("EVAL", self.text, len(keys), *keys, *arguments)


ACKNOWLEDGE: Final = Script("acknowledge")
LIST_PENDING: Final = Script("list_pending", shared=("pending", "with_attempts"))
CLAIM: Final = Script("claim", shared=("pending", "with_attempts"))
RENEW: Final = Script("renew", shared=("pending", "lease"))
RELEASE: Final = Script("release", shared=("pending", "lease"))
LEAVE_GROUP: Final = Script("leave_group", shared=("pending",))
RECORD_FAILURES: Final = Script("record_failures", shared=("pending", "attempts", "dead_letter"))
BEGIN_TRIAL: Final = Script("begin_trial", shared=("pending", "lease", "attempts", "dead_letter"))
END_TRIAL: Final = Script("end_trial", shared=("attempts",))
REMOVE_STALE_ATTEMPTS: Final = Script("remove_stale_attempts", shared=("pending",))
FIND_DELETED: Final = Script("find_deleted")
REPLAY: Final = Script("replay")
DROP: Final = Script("drop")
LOOK_AT_GROUP: Final = Script("look_at_group", shared=("by_name",))
COUNT_ENTRIES: Final = Script("count_entries")
LOOK_AT_PENDING: Final = Script("look_at_pending", shared=("pending",))
COUNT_PENDING: Final = Script("count_pending", shared=("pending",))
LOOK_AT_CONSUMERS: Final = Script("look_at_consumers", shared=("pending", "by_name", "consumers"))
PRUNE_CONSUMERS: Final = Script("prune_consumers", shared=("pending", "by_name", "consumers"))
RELEASE_FROM: Final = Script("release_from", shared=("pending", "lease"))
COUNT_CODES: Final = Script("count_codes")
