"""What to do after a crash, as far as the dump tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# From a word in the tree of exceptions to what helps; the first that fits. All else is a fault of the program.
BY_ERROR = {
    "PanicException": "The codec met bytes that it should have refused: keep the entries in flight "
    "(XRANGE <stream> <id> <id>), and report the crash with them and this dump.",
    "MemoryError": "Memory ran out: raise its limit, or lower DEVICE_STATE_LRU_CAP or WRITE_BATCH_SIZE.",
    "[Errno 24]": "The limit of open files was reached: raise it (ulimit -n), and report what held them.",
    "[Errno 28]": "A disk is full: make room on the host.",
}
OTHERWISE = "This is a fault of the program: report it with this dump."

SENTENCES = """\
Restart it under the same name, {consumer}. Nothing is lost: what was in flight is pending in Redis, and is
read first by the next life of that name, or claimed by another instance.
What is pending: XPENDING {stream} {group} - + 10 {consumer}
{by_error}
If it crashes again at once and the dumps have ids in flight in common, look at these entries.
"""


def advice(sections: Mapping[str, Any]) -> str:
    """A sentence a line, or two, for an operator."""
    variables, tree = sections["configuration"], str(sections["tree"])
    return SENTENCES.format(
        stream=variables["REDIS_TELEMETRY_STREAM"],
        group=variables["REDIS_CONSUMER_GROUP"],
        consumer=variables["REDIS_CONSUMER_NAME"],
        by_error=next((helps for word, helps in BY_ERROR.items() if word in tree), OTHERWISE),
    )
