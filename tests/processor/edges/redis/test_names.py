"""The keys of one consumer group, as a Redis Cluster places them."""

from __future__ import annotations

from redis.crc import key_slot

from tests.support.stream_contract import names_of


def slots_of(stream: str) -> set[int]:
    names = names_of(stream, "own")
    return {key_slot(key.encode()) for key in (names.stream, names.attempts, names.dead_letters)}


def test_a_hash_tag_in_the_streams_name_puts_all_keys_of_a_script_into_one_slot() -> None:
    assert len(slots_of("telemetry:{teltonika}")) == 1


def test_without_a_hash_tag_a_cluster_would_spread_them() -> None:
    assert len(slots_of("telemetry:teltonika")) > 1
