"""What the server did with copies of sound rows: the evidence on whose fault a refusal is."""

from __future__ import annotations

from enum import Enum


class Evidence(Enum):
    """What the server did with copies of sound rows in the place of a refused one, and with that one beside them."""

    RECORD = "record"
    """A copy was accepted at the accused's time, the accused was refused beside it."""
    TIME = "time"
    """Copies were refused at the accused's time and accepted at their own, and the accused is old: its ts is to
    blame."""
    TABLE = "table"
    """Every copy was refused."""
    CAUSE_GONE = "cause_gone"
    """A copy was accepted, and the accused too: the cause is gone, or lies in COMMIT."""
