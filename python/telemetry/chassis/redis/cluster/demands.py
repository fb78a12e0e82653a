"""What a cluster demands that a single server does not: one database, and one slot for keys that are used together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from telemetry.chassis.redis.cluster.slots import are_in_one_slot

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_DATABASE: Final = (
    "REDIS_URL: this Redis is a cluster, which has no other database than 0: leave the number out"
)
ONE_SLOT: Final = (
    "REDIS_TELEMETRY_STREAM: this Redis is a cluster, where the keys of one stream have to be in one slot, and those of"
    " this one are not: give it a name with a hash tag, as in telemetry:{teltonika}, and the same tag to what is named"
    " beside it (REDIS_DLQ_STREAM)"
)


def objection(keys: Sequence[str], *, db: int) -> str | None:
    """What has to be changed before these keys can be used together in a cluster; None: nothing."""
    if db:
        return ONE_DATABASE
    return None if are_in_one_slot(keys) else ONE_SLOT
