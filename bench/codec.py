"""Reply bytes to COPY bytes: the codec against Python, in one process and one thread."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import hiredis

from bench import peer_codec
from bench.copy_rows import copy_rows
from bench.entries import WIDE_FLEET, capture_entries, fleet_entries
from bench.measure import BenchError, Cost, Summary, interleave, summarise, timed
from bench.replies import GROUP, STREAM, TAKEN, as_replies
from processor.edges.postgres.copying import COPY_CHUNK_BYTES
from telemetry._codec import INCOMPLETE, Delivery, ReplyParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bench.copy_rows import CopyRow
    from bench.replies import Reply

OURS, PEER, MEMCPY = "telemetry._codec", "hiredis + orjson + struct", "memcpy"


@dataclass(frozen=True)
class CodecResult:
    """One workload's runs; `costs` by contender."""

    workload: str
    records: int
    rows: int
    reply_bytes: int
    costs: Mapping[str, Summary]

    @property
    def times_faster(self) -> float:
        """The headline: CPU time of the peer by ours."""
        return self.costs[PEER].cpu_s / self.costs[OURS].cpu_s


class Encoder(Protocol):
    """Replies in; COPY bytes and XACK commands out, handed on piece by piece as to a socket."""

    def __call__(
        self,
        replies: Iterable[Reply],
        copy_sink: Callable[[bytes], object],
        ack_sink: Callable[[bytes], object],
    ) -> None:
        """Encode all replies, in order."""


def run_codec(*, rounds: int, records: int, progress: Callable[[str], None]) -> list[CodecResult]:
    """Measure both workloads. Raises BenchError if the encoders disagree."""
    progress("codec: preparing the replies")
    workloads = {
        "captured drive": as_replies(capture_entries()),
        "330-byte attributes": as_replies(list(fleet_entries(WIDE_FLEET, records))),
    }
    # The prepared data is no garbage: the collector need not walk it in each run.
    gc.collect()
    gc.freeze()
    return [_measure(name, replies, rounds, progress) for name, replies in workloads.items()]


def _measure(
    workload: str, replies: list[Reply], rounds: int, progress: Callable[[str], None]
) -> CodecResult:
    progress(f"codec, {workload}: comparing the output")
    records, rows = compare(replies)
    contenders = {
        OURS: lambda: _timed(encode_ours, replies),
        PEER: lambda: _timed(encode_peer, replies),
        MEMCPY: lambda: timed(lambda: _copy_memory(replies)),
    }
    progress(f"codec, {workload}: {rounds} rounds")
    costs = interleave(contenders, rounds=rounds)
    return CodecResult(
        workload=workload,
        records=records,
        rows=rows,
        reply_bytes=sum(len(piece) for reply in replies for piece in reply),
        costs={name: summarise(runs) for name, runs in costs.items()},
    )


def _timed(encode: Encoder, replies: list[Reply]) -> Cost:
    return timed(lambda: encode(replies, len, len))


def encode_ours(
    replies: Iterable[Reply],
    copy_sink: Callable[[bytes], object],
    ack_sink: Callable[[bytes], object],
) -> None:
    """The codec, as the service uses it."""
    parser = ReplyParser()
    for reply in replies:
        batch = _read(parser, reply).batch
        for chunk in batch.copy_chunks(COPY_CHUNK_BYTES):
            copy_sink(chunk)
        ack_sink(batch.ack_command(STREAM, GROUP))


def _read(parser: ReplyParser, reply: Reply) -> Delivery:
    """As the service does: each piece is parsed and decoded when it comes."""
    for piece in reply:
        parser.feed(piece)
        delivery = parser.next_read()
        if delivery is not INCOMPLETE:
            assert isinstance(delivery, Delivery)
            return delivery
    raise BenchError("a reply without an end")


def encode_peer(
    replies: Iterable[Reply],
    copy_sink: Callable[[bytes], object],
    ack_sink: Callable[[bytes], object],
) -> None:
    """The Python side, with the same clock."""
    peer_codec.encode_replies(replies, TAKEN, copy_sink, ack_sink)


def _copy_memory(replies: Iterable[Reply]) -> None:
    for reply in replies:
        for piece in reply:
            bytearray(piece)


def compare(
    replies: Iterable[Reply], ours: Encoder = encode_ours, peer: Encoder = encode_peer
) -> tuple[int, int]:
    """(records, rows) of both. Raises BenchError unless rows, their order and the acks are the same."""
    records = rows = 0
    for number, reply in enumerate(replies, start=1):
        our_rows, our_ack = _output(ours, reply)
        peer_rows, peer_ack = _output(peer, reply)
        if our_rows != peer_rows:
            raise BenchError(f"reply {number}: the two encoders wrote different rows")
        if our_ack != peer_ack:
            raise BenchError(f"reply {number}: the two encoders ack different entries")
        records += len(our_ack) - len(("XACK", STREAM, GROUP))
        rows += len(our_rows)
    return records, rows


def _output(encode: Encoder, reply: Reply) -> tuple[list[CopyRow], list[bytes]]:
    chunks: list[bytes] = []
    acks: list[bytes] = []
    encode([reply], chunks.append, acks.append)
    reader = hiredis.Reader()
    for ack in acks:
        reader.feed(ack)
    return list(copy_rows(b"".join(chunks))), sorted(reader.gets())
