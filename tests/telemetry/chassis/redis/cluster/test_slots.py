"""The slot of a key: the specification's own vectors, and what hash tags do."""

from __future__ import annotations

from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.chassis.redis.cluster.slots import SLOTS, are_in_one_slot, slot_of

plain = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (
            "123456789",
            0x31C3,
        ),  # CRC16's check value, in "Appendix A: CRC16 reference implementation"
        ("", 0),
        ("foo", 12_182),
        ("bar", 5_061),
        ("somekey", 11_058),
        ("foo{hash_tag}", 2_515),
        ("telemetry:{0}", 13_907),
    ],
)
def test_a_slot_is_the_crc16_of_the_key_by_16384(key: str, slot: int) -> None:
    assert slot_of(key) == slot


@pytest.mark.parametrize(
    ("key", "slot_key"),
    [
        ("{user1000}.following", "user1000"),
        ("foo{bar}{zap}", "bar"),
        ("foo{bar", "foo{bar"),
        ("foo}bar{", "foo}bar{"),
    ],
)
def test_of_the_first_braces_what_is_between_them_counts(key: str, slot_key: str) -> None:
    assert slot_of(key) == crc_hqx(slot_key.encode(), 0) % SLOTS


def test_empty_braces_are_no_tag_and_a_brace_within_is_part_of_it() -> None:
    assert slot_of("foo{}{bar}") == crc_hqx(b"foo{}{bar}", 0) % SLOTS
    assert slot_of("foo{{bar}}zap") == crc_hqx(b"{bar", 0) % SLOTS


def test_keys_that_are_used_together_are_in_one_slot_or_not() -> None:
    assert are_in_one_slot(["telemetry:{0}", "telemetry:{0}:dlq"])
    assert not are_in_one_slot(["telemetry:a", "telemetry:a:dlq"])
    assert are_in_one_slot(["alone"])
    assert are_in_one_slot([])


@given(plain.filter(bool), plain, plain)
def test_names_with_one_tag_are_in_one_slot_whatever_is_around_it(
    tag: str, before: str, behind: str
) -> None:
    assert slot_of(f"{before}{{{tag}}}{behind}") == slot_of(tag)
    assert 0 <= slot_of(before) < SLOTS
