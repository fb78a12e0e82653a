"""Which server to believe the sentinels' answers for, and what an answer says. Pure: nobody is asked here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from telemetry.chassis.redis.resp import as_list

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from telemetry._codec import Reply

Address: TypeAlias = tuple[str, int]

PORT_MAX = 65_535


def next_candidate(
    named: Sequence[Address], refuted: Collection[Address], *, sentinels: int, unheard: int
) -> Address | None:
    """The server that is to be tried as master next; None while more has to be heard first, or nothing is left.

    `named` is what was answered so far, `unheard` how many of the sentinels have neither answered nor failed. Most of
    all sentinels are right at once: one that was away during a failover still names the old master, which may have
    come back as a master with it. Where no such number is reached, the most that there is has to do.
    """
    votes = Counter(address for address in named if address not in refuted)
    if not votes:
        return None
    [(address, count)] = votes.most_common(1)
    return address if 2 * count > sentinels or not unheard else None


def address_in(reply: Reply) -> Address | None:
    """What SENTINEL GET-MASTER-ADDR-BY-NAME answered; None if the sentinel knows no such service.

    Raises TypeError for an answer of another form.
    """
    if reply is None:
        return None
    match as_list(reply):
        case [bytes(host), bytes(port)] if port.isdigit() and 0 < int(port) <= PORT_MAX and host:
            return host.decode("utf-8", "replace"), int(port)
    raise TypeError("host and port were expected")


def role_in(reply: Reply) -> str:
    """What ROLE answered: `master`, `slave` or `sentinel`. Raises TypeError for an answer of another form."""
    match as_list(reply):
        case [bytes(role), *_]:
            return role.decode("utf-8", "replace")
    raise TypeError("a role was expected")
