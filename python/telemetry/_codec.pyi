"""The Rust codec, the system's two ends.

From Redis to PostgreSQL: replies are decoded into batches, and batches into COPY bytes and acknowledgements.
From devices to Redis: frames are decoded into XADD commands, and Redis' replies are counted for their answers.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeAlias, final

__version__: Final[str]
DECODE_CODES: Final[tuple[str, ...]]
"""The stable codes of decode failures, in the contract's order."""
COLUMNS: Final[tuple[str, ...]]
"""The columns of a COPY row, in order."""

Reply: TypeAlias = bytes | int | float | bool | list[Reply] | dict[bytes, Reply] | ReplyError | None
"""A reply other than a delivery. For annotations alone: the module has no such name."""

Step: TypeAlias = Login | BadLogin | Ping | AcceptedFrame | EmptyFrame | CommandFrame | RefusedFrame
"""A step of a session. For annotations alone: the module has no such name."""

class HasFileno(Protocol):
    """A socket. For annotations alone: the module has no such name."""

    def fileno(self) -> int: ...

class CodecError(ValueError):
    """The codec was misused, or a peer broke its protocol: then close that connection."""

@final
class Incomplete:
    """The type of INCOMPLETE."""

INCOMPLETE: Final[Incomplete]
"""The bytes fed so far do not hold a whole reply: feed more and ask again."""

@final
class End:
    """The type of END."""

END: Final[End]
"""The peer has closed the connection."""

@final
class ReplyError:
    """An error reply of Redis as a value; `code` is its first word, such as `NOGROUP`."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...

@final
class Rejection:
    """An entry that is not a Position by the contract: a stable code, and where the fault is."""

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
    its *repeats*. Every operation returns new batches, which share the decoded bytes.
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
        """Ids of all records, repeats included, in row order. Builds a list, so keep it off the hot path."""
    @property
    def device_ids(self) -> list[str]:
        """Devices of all records, repeats included, in row order. Builds a list, too."""
    def newest_positions(self) -> list[tuple[str, int, float, float]]:
        """(device_id, ts in µs, latitude, longitude) of each device's newest record: one tuple a device."""
    @staticmethod
    def merge(batches: Sequence[Batch]) -> Batch: ...
    def split(self) -> tuple[Batch, Batch]:
        """Two halves of the rows, each with its repeats. Raises CodecError below two rows."""
    def piece(self, start: int, stop: int) -> Batch:
        """The records from `start` up to `stop`, counted from 0: to acknowledge a large batch in pieces."""
    def take_out(self, row: int) -> tuple[Batch, Batch]:
        """(rest, taken): removes the row's first record; its next repeat, if any, becomes the row."""
    def partition(self, parts: int) -> list[Batch]:
        """`parts` batches, which may be empty; all records of a device are in the same one."""
    @staticmethod
    def part_of(device_id: str, parts: int) -> int:
        """The number, from 0, of the part that `partition` puts this device into."""
    def copy_chunks(self, chunk_bytes: int) -> CopyChunks:
        """The rows as PostgreSQL binary COPY, header and trailer included, in pieces of about `chunk_bytes`."""
    def insert_arrays(self) -> list[bytes]:
        """The rows as a binary array for each of COLUMNS: the parameters of an INSERT from `unnest`.

        It keeps the GIL, so that it is meant for small batches.
        """
    def keys(self) -> Keys:
        """The keys of all rows."""
    def ack_command(self, stream: str, group: str) -> bytes:
        """An XACK command for exactly these records, ready for the wire."""
    def drop_known(self, keys: Keys, known: bytes) -> tuple[Batch, Batch]:
        """(rest, known): separates the rows whose keys a probe found in the table, with their repeats.

        `keys` are keys of this batch; `known` holds positions in them, counted from 0, each as four bytes,
        big-endian, in any order. Raises CodecError if they do not fit.
        """
    def ids_among(self, entry_ids: Sequence[str]) -> list[str]:
        """The given ids that are records of the batch, in their order. Raises CodecError for any other text."""

@final
class Keys:
    """Keys of some rows of one batch, as parameters of a query in PostgreSQL's binary format.

    They are ordered by day in UTC, the oldest first, and within a day as in the batch.
    """

    def __len__(self) -> int: ...
    @property
    def device_ids(self) -> bytes:
        """A `text[]`."""
    @property
    def timestamps(self) -> bytes:
        """A `timestamptz[]` of the same length."""
    @property
    def days(self) -> int:
        """The number of different days of the keys."""
    def by_day(self) -> list[tuple[bytes, bytes, bytes, bytes, bytes]]:
        """The parameters for the keys of each day.

        They are the position of its first key among all, counted from 0 (`integer`), the devices (`text[]`),
        the timestamps (`timestamptz[]`), and the oldest and the newest timestamp (`timestamptz`).
        """

@final
class CopyChunks(Iterator[bytes]):
    """The pieces of a COPY stream, made one at a time."""

    def __iter__(self) -> CopyChunks: ...
    def __next__(self) -> bytes: ...

@final
class Delivery:
    """The contents of one XREADGROUP or XCLAIM reply."""

    @property
    def entries(self) -> int:
        """All entries of the reply: records, rejections, records that are outside, and missing ones."""
    @property
    def batch(self) -> Batch: ...
    @property
    def rejections(self) -> list[Rejection]: ...
    @property
    def outside(self) -> int:
        """The number of records outside the window around the time in their entry's id. Until `judged` they
        are neither in the batch nor among the rejections."""
    def judged(self, server_us: int) -> Delivery:
        """The delivery with no record outside: each is in the batch if it is in the window around `server_us`,
        Redis' own time (Unix time, µs), else among the rejections, which are in the order of their ids."""
    @property
    def missing_ids(self) -> list[str]:
        """Pending entries that are no longer in the stream."""
    @property
    def first_id(self) -> str | None: ...
    @property
    def last_id(self) -> str | None: ...

@final
class ReplyParser:
    """A sans-I/O parser of one connection's Redis replies, RESP2 and RESP3; replies come in the order of the commands.

    Positions are decoded under the limits given here. Everything runs without the GIL.
    """

    def __new__(
        cls,
        *,
        payload_bytes_max: int = ...,
        past_days_max: int = ...,
        future_seconds_max: int = ...,
    ) -> ReplyParser: ...
    def feed(self, data: bytes) -> None:
        """Add bytes from the socket, cut anywhere."""
    def receive(self, socket: HasFileno, bytes_max: int) -> int | None:
        """Read once from a non-blocking socket, without a copy: bytes read, 0 at the end, None if there are none now.

        Raises OSError. The socket must stay open meanwhile.
        """
    def next_reply(self) -> Reply | Incomplete:
        """The next reply as plain values. Raises CodecError when the peer broke the protocol."""
    def next_read(self) -> Delivery | ReplyError | Incomplete:
        """The next reply, to XREADGROUP of one stream. Call `judged` if it has records outside."""
    def next_claim(self) -> Delivery | ReplyError | Incomplete:
        """The next reply, to XCLAIM: entries without a stream's name around them."""
    @property
    def buffered_bytes(self) -> int:
        """Bytes in the buffer that are not a whole reply or entry yet."""

@final
class DeviceState:
    """The state of one device since the process started."""

    @property
    def newest_ts_us(self) -> int:
        """Time of the newest position, Unix time in µs."""
    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def last_seen_ms(self) -> int:
        """When the last record came, Unix time in ms; 0 before the first."""
    @property
    def session_records(self) -> int:
        """Records since the device came into memory, repeats included; the restored row does not count."""

@final
class DeviceStates:
    """A bounded LRU from device to state, updated a batch at a time."""

    def __new__(cls, capacity: int) -> DeviceStates: ...
    def cold(self, batch: Batch) -> list[str]:
        """The batch's devices that are not in memory, or were not restored from the table, each once."""
    def restore(
        self, device_ids: Sequence[str], rows: Sequence[tuple[str, int, float, float]]
    ) -> None:
        """Set the state of these devices from the table: (device_id, ts in µs, latitude, longitude) of the newest row.

        A device without a row is remembered as having none. A newer position that is in memory stays; rows of other
        devices are ignored. Restoring does not count as use: a device keeps its place in the order of eviction.
        """
    def unproven(self, batch: Batch) -> Keys:
        """The keys of the rows that may be in the table: their device was not restored, or has a position that
        is as new or newer. Call it before `update` with the same batch."""
    def update(self, batch: Batch, seen_ms: int) -> None:
        """Update the states by the batch. An older position never replaces a newer one, but counts as a record."""
    def get(self, device_id: str) -> DeviceState | None:
        """The state of a device. None also if it was restored without a row and has sent nothing since."""
    def forget(self, device_id: str) -> bool:
        """Forget a device, as if it had never sent anything; its next batch finds it cold. False if it was not in
        memory."""
    def recent(self, count: int) -> list[str]:
        """The devices that sent records last, the last one first."""
    @property
    def evictions(self) -> int:
        """The number of devices that were evicted so far for lack of room."""
    def __len__(self) -> int: ...

@final
class InFlightIds:
    """Ids of the entries in flight, each with the time at which it came (ms of any clock).

    An id that is there already keeps its first time. A text that is not an id raises CodecError and changes nothing.
    """

    def __new__(cls) -> InFlightIds: ...
    def take(self, batch: Batch, now_ms: int) -> int:
        """Add all records of the batch and return how many were new."""
    def take_ids(self, entry_ids: Sequence[str], now_ms: int) -> int:
        """Add the ids and return how many were new."""
    def settle(self, batch: Batch) -> int:
        """Remove all records of the batch and return how many were there."""
    def settle_ids(self, entry_ids: Sequence[str]) -> int:
        """Remove the ids and return how many were there."""
    def absent(self, entry_ids: Sequence[str]) -> list[str]:
        """The given ids that are not in flight, in their order."""
    def in_flight_since(self, before_ms: int) -> list[str]:
        """The ids that came at `before_ms` or earlier, ascending."""
    def __len__(self) -> int: ...

@final
class ReadRanges:
    """The ids of all entries that were read since the process started, kept as stretches.

    A read of new entries is one stretch; an entry that comes in another way is one stretch alone. Beyond
    `stretches_max` stretches the lowest are forgotten. Every method returns the ids that were read before.
    """

    def __new__(cls, stretches_max: int) -> ReadRanges: ...
    def note_new(self, delivery: Delivery) -> list[str]:
        """Note a read of new entries, which took everything between its first and last id."""
    def note_again(self, delivery: Delivery) -> list[str]:
        """Note pending entries that were delivered once more."""
    def note_ids(self, entry_ids: Sequence[str]) -> list[str]:
        """Note single entries."""
    def among(self, entry_ids: Sequence[str]) -> list[str]:
        """The given ids that were read; changes nothing. A text that is not an id raises CodecError."""

@final
class AvlRecord:
    """One record as tcp-ingestion publishes it."""

    @property
    def timestamp(self) -> str:
        """ISO-8601 in UTC, with milliseconds: the field `ts`."""
    @property
    def payload(self) -> bytes:
        """The Position as JSON: the field `payload`."""

@final
class AvlFrame:
    """A frame that was accepted whole."""

    @property
    def start(self) -> int:
        """Offset of the frame's first byte in the data."""
    @property
    def frame_bytes(self) -> int: ...
    @property
    def codec(self) -> str:
        """`8`, `8E` or `16`; `12` to `15` for commands."""
    @property
    def command(self) -> bool:
        """Codec 12 to 15: the frame carries no positions."""
    @property
    def records(self) -> list[AvlRecord]: ...

@final
class AvlRefusal:
    """A frame that was refused whole."""

    @property
    def start(self) -> int:
        """Offset of the frame's first byte in the data."""
    @property
    def offset(self) -> int:
        """Offset of the fault in the data."""
    @property
    def code(self) -> str:
        """`bad_preamble`, `oversize`, `truncated`, `crc_fail`, `unknown_codec`, `count_mismatch` or `io_overrun`."""

def decode_avl(data: bytes, device_id: str, *, resync: bool) -> list[AvlFrame | AvlRefusal]:
    """The frames that `data` holds, in order, decoded without the GIL.

    With `resync` the decoding goes on behind a refused frame, at the next sound one; else it ends there.
    Raises ValueError when `device_id` is not fifteen digits.
    """

@final
class StreamWriters:
    """How entries are written for each of the streams among which devices are divided.

    An entry is `XADD <stream> [MAXLEN ~ <entries_max>] * ts … device_id … codec … payload …`.
    """

    def __new__(cls, streams: Sequence[str], *, entries_max: int) -> StreamWriters:
        """`entries_max` is what the streams are trimmed to; 0: not at all. Raises CodecError without a stream."""
    def stream_of(self, imei: str) -> int:
        """The place of the device's stream in the list: CRC-32 (zlib's) of the IMEI modulo their number.

        Raises ValueError when `imei` is not fifteen digits.
        """

@final
class SessionLimits:
    """Bounds of a session: the largest length field of a frame, and three times, see `Session.expired`."""

    def __new__(
        cls,
        *,
        frame_bytes_max: int,
        login_timeout_ms: int,
        frame_timeout_ms: int,
        idle_timeout_ms: int,
    ) -> SessionLimits: ...

@final
class AcceptedFrame:
    """A frame or datagram whose records are to be published before it is answered."""

    @property
    def imei(self) -> str: ...
    @property
    def codec(self) -> str:
        """`8`, `8E` or `16`; of a frame that is kept without being decoded, any label or `other`."""
    @property
    def records(self) -> int:
        """What its answer says."""
    @property
    def replies(self) -> int:
        """Redis' replies that it needs: one for each record, or one for a frame that is kept."""
    @property
    def stream(self) -> int:
        """The place of its stream in the list of StreamWriters."""
    @property
    def commands(self) -> bytes:
        """The XADD commands, ready for the wire: the same object each time."""
    def answer(self, confirmation: Confirmation) -> bytes:
        """4 bytes over TCP, 7 over UDP. Raises CodecError for the confirmation of another frame."""

@final
class Confirmation:
    """Redis has taken every record of one frame. Only ReplyCounter makes one."""

@final
class PublishRefusal:
    """An error among the replies to a frame's commands: the first one."""

    @property
    def code(self) -> str:
        """The first word: `OOM`, `READONLY`, …"""
    @property
    def message(self) -> str: ...
    @property
    def taken(self) -> int | None:
        """How many of the frame's records Redis has taken, if they are its first ones: the rest can be sent on.

        None if Redis has taken a record behind one that it refused, and for other commands.
        """

@final
class ReplyCounter:
    """Redis' replies to commands in a pipeline, counted in order: a frame's XADDs together, other commands one by one.

    Each holds a waiter, which is any object. Not for several threads at once.
    """

    def __new__(cls) -> ReplyCounter: ...
    @property
    def owed(self) -> int:
        """Replies that have not come yet."""
    def expect(self, frame: AcceptedFrame, waiter: object) -> None:
        """The frame's commands are sent next."""
    def expect_rest(self, refusal: PublishRefusal, waiter: object, *, asking: bool) -> None:
        """The frame's commands behind those that were taken are sent next; if `asking`, an ASKING goes before each.

        Raises ValueError if nothing of the frame can be sent on (`PublishRefusal.taken`).
        """
    def expect_other(self, waiter: object) -> None:
        """Another command is sent next, which has one reply: no array, map or push."""
    def receive(self, socket: HasFileno, bytes_max: int) -> int | None:
        """Read once from a socket without blocking: bytes read, 0 at the end, None if there are none now.

        At most 64 KiB at once, without the GIL. Raises OSError, and CodecError as `feed` does. The socket must stay
        open meanwhile.
        """
    def feed(self, data: bytes) -> None:
        """Add bytes from the socket, cut anywhere.

        Raises CodecError for what is no reply, what nobody waits for, and what is no answer to XADD. Then the
        connection is of no more use, and every further call fails; what was settled before stays so.
        """
    def settled(self) -> list[tuple[object, Confirmation | PublishRefusal | bytes]]:
        """What is complete since the last call, in order: the waiter, and what became of its commands.

        Of another command than a frame's: PublishRefusal for an error, else the reply's line with its type byte and
        without CRLF, as `b":5"`, `b"+PONG"`, `b"_"` (null); a bulk string is `b"$"` and its content.
        """
    def drop(self) -> list[object]:
        """The connection is gone: the waiters of all that is not complete, in order. Nothing is owed then."""

@final
class Login:
    """The device says who it is; next comes `Session.admit` or `Session.refuse`."""

    @property
    def imei(self) -> str: ...
    @property
    def again(self) -> bool:
        """It had been admitted before on this connection, under the same IMEI."""

@final
class BadLogin:
    """The session is over: no login, or a second one by another device."""

    @property
    def code(self) -> str:
        """`tls`, `http`, `other_login` (by the first byte), `bad_length`, `not_digits` or `other_imei`."""

@final
class Ping:
    """A lone `FF`, which is not answered."""

@final
class EmptyFrame:
    """A frame or datagram without records: there is nothing to be confirmed."""

    @property
    def imei(self) -> str | None: ...
    @property
    def codec(self) -> str: ...
    @property
    def answer(self) -> bytes: ...

@final
class CommandFrame:
    """A frame or datagram of codec 12 to 15, which is not answered."""

    @property
    def imei(self) -> str | None: ...
    @property
    def codec(self) -> str: ...

@final
class RefusedFrame:
    """A frame or datagram that was refused whole, and is not answered."""

    @property
    def imei(self) -> str | None:
        """None where a datagram does not say it."""
    @property
    def code(self) -> str:
        """Over TCP `bad_preamble`, `oversize`, `crc_fail`, `unknown_codec`, `count_mismatch` or `io_overrun`.

        Over UDP `truncated`, `bad_preamble`, `bad_imei`, `unknown_codec`, `count_mismatch` or `io_overrun`.
        """
    @property
    def offset(self) -> int:
        """Of the fault, in bytes from the first one of the frame or datagram."""
    @property
    def codec(self) -> str:
        """`8`, `8E`, `16`, `12` to `15`, or `other` if it is unknown or was not looked at."""
    @property
    def closes(self) -> bool:
        """The session is over, unless it keeps the frame. False for the first wrong checksum in a row alone."""
    @property
    def frame(self) -> bytes | None:
        """The whole frame if its checksum is right and it is no command: then `Session.keep` may take it.

        A new object each time.
        """
    @property
    def records(self) -> int:
        """The number of records that the frame declares; 0 if that was not looked at."""

@final
class Session:
    """The conversation with one device over TCP, without I/O. Not for several threads at once.

    Times are milliseconds of one clock that goes forward. What does not suit the session's state raises CodecError.
    """

    def __new__(cls, limits: SessionLimits, writers: StreamWriters, *, now_ms: int) -> Session: ...
    @property
    def imei(self) -> str | None:
        """The device, once it was admitted."""
    @property
    def received_bytes(self) -> int:
        """All bytes so far, including discarded ones. A connection that ends with 0 was a probe."""
    @property
    def in_hand(self) -> bool:
        """A frame waits for `settle`, or a login for its verdict. Nothing may be received meanwhile."""
    @property
    def is_at_boundary(self) -> bool:
        """No byte of a login or frame is buffered."""
    def wanted_bytes(self) -> int:
        """How many bytes to receive at most, 1 or more, once `next_step` has given None.

        What is missing of the frame that has begun, if its header is there, else up to 4 KiB. While no more are fed
        at once, the buffer holds at most one frame, or 4 KiB.
        """
    def receive(self, socket: HasFileno, now_ms: int) -> Step | End | None:
        """Read once from a socket without blocking, and give the next step; None: more bytes are needed.

        A step that is there already comes first, without a read. Runs without the GIL. Raises OSError. The socket
        must stay open meanwhile.
        """
    def feed(self, data: bytes, now_ms: int) -> Step | None:
        """The same for bytes that were received in another way; at least one."""
    def next_step(self) -> Step | None:
        """What else the buffered bytes hold, after a step that needs nothing, `admit`, `settle` or `keep`."""
    def admit(self) -> bytes:
        """Take the device that has just logged in; its answer."""
    def refuse(self, now_ms: int) -> bytes:
        """Do not take it; its answer. From here on bytes are discarded, and the session expires 2 s later."""
    def settle(self) -> None:
        """The frame in hand was answered or dropped: reading may go on."""
    def keep(self, refused: RefusedFrame, command: bytes, stream: int) -> AcceptedFrame:
        """Take the undecodable frame that has just ended the session into the hand after all.

        `command` is one XADD that keeps it whole, for the connection of `stream`. The answer is the number of records
        that it declares. The session goes on.
        """
    def linger(self, now_ms: int) -> None:
        """FIN was sent: from here on bytes are discarded, and the session expires 1 s later."""
    def expired(self, now_ms: int) -> str | None:
        """The clock that has run out: `login` (from the beginning to the whole login), `frame` (from a frame's first
        byte to its last), `idle` (from the last byte), `refused` or `lingered`.

        None while something is in hand; the clocks of a frame and of silence begin again at the last such call.
        """

def decode_datagram(
    data: bytes, writers: StreamWriters
) -> AcceptedFrame | EmptyFrame | CommandFrame | RefusedFrame:
    """What one datagram of a device holds, decoded without the GIL. None of the refused ones ends anything."""
