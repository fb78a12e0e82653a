"""The Rust codec: Redis replies to decoded batches, batches to COPY bytes and acknowledgements."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, final

__version__: Final[str]

Reply: TypeAlias = bytes | int | float | bool | None | list["Reply"] | dict[bytes, "Reply"] | "ReplyError"

class CodecError(ValueError):
    """The codec was misused, or a peer broke its protocol; the connection it came from is of no more use."""

@final
class Incomplete:
    """The type of INCOMPLETE."""

INCOMPLETE: Final[Incomplete]
"""The bytes fed so far do not hold a whole reply: feed more and ask again."""

@final
class ReplyError:
    """An error that Redis answered with, as a value: `code` is its first word, as in `NOGROUP`."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...

@final
class Rejection:
    """An entry that is not a Position by the contract: one of the stable codes, and where it went wrong."""

    @property
    def entry_id(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def offset(self) -> int | None:
        """Byte offset in the payload."""
    @property
    def device_id(self) -> str | None: ...

@final
class Batch:
    """Decoded records, immutable, sorted by (device_id, ts, entry id).

    Records of one key stand side by side: the first is the *row* that COPY writes, the others are
    its *repeats*. Every operation gives new batches that share the decoded bytes.
    """

    @property
    def records(self) -> int: ...
    @property
    def rows(self) -> int:
        """Distinct keys, which is the number of rows that COPY writes."""
    @property
    def row_bytes(self) -> int:
        """Size of the rows' COPY form, without header and trailer."""
    @property
    def entry_ids(self) -> list[str]:
        """Ids of all records, repeats included, in row order. Builds a list: not for the hot path."""
    @staticmethod
    def merge(batches: Sequence[Batch]) -> Batch: ...
    def split(self) -> tuple[Batch, Batch]:
        """Two halves of the rows, each with its repeats. Raises CodecError below two rows."""
    def take_out(self, row: int) -> tuple[Batch, Batch]:
        """(rest, taken): takes the row's first record out; its next repeat, if any, becomes the row."""
    def partition(self, parts: int) -> list[Batch]:
        """`parts` batches, some maybe empty; a device always falls into the same one."""
    def copy_chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """The rows as PostgreSQL binary COPY, header and trailer included, in pieces of about `chunk_bytes`."""
    def ack_command(self, stream: str, group: str) -> bytes:
        """An XACK command for exactly these records, ready for the wire."""

@final
class Delivery:
    """What one XREADGROUP or XAUTOCLAIM reply held."""

    @property
    def entries(self) -> int:
        """All entries of the reply: records, rejections and missing ones."""
    @property
    def batch(self) -> Batch: ...
    @property
    def rejections(self) -> list[Rejection]: ...
    @property
    def missing_ids(self) -> list[str]:
        """Pending entries that are no longer in the stream."""
    @property
    def first_id(self) -> str | None: ...
    @property
    def last_id(self) -> str | None: ...
    @property
    def cursor(self) -> str | None:
        """Where XAUTOCLAIM goes on; None for XREADGROUP."""
