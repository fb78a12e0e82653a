"""What the server's treatment of sound rows says about a refused one."""

from __future__ import annotations

from enum import Enum


class Evidence(Enum):
    """What the server did with copies of sound rows in the place of a refused one, and with that one beside them."""

    RECORD = (
        "record"  # a copy was accepted at the accused's time, the accused was refused beside it
    )
    # copies were refused at the accused's time and accepted at their own, and the accused is old: its ts is to blame
    TIME = "time"
    TABLE = "table"  # every copy was refused
    CAUSE_GONE = "cause_gone"  # a copy was accepted, and the accused too: the cause is gone, or lies in COMMIT
