"""The Lua scripts: the comment at the head of each, and how many ids one gets."""

from __future__ import annotations

import pytest

from processor.edges.ports import STREAM_START
from processor.edges.redis import scripts
from processor.edges.redis.scripts import IDS_MAX, Script
from tests.support.stream_contract import RealStreamHarness, delivered

SCRIPTS = [value for value in vars(scripts).values() if isinstance(value, Script)]


async def test_no_script_is_given_more_ids_than_redis_handles_without_holding_others_up(
    real: RealStreamHarness,
) -> None:
    entry_ids = await delivered(real, IDS_MAX + 1)
    step = await real.stream.claim(STREAM_START, 10_000, idle_ms=0)
    assert [entry.entry_id for entry in step.entries] == entry_ids[:IDS_MAX]
    assert step.cursor == entry_ids[IDS_MAX]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_says_its_job_its_keys_its_arguments_and_its_reply(script: Script) -> None:
    own = Script(script.name).text
    assert own.startswith("-- ")
    for word in ("KEYS:", "ARGV:", "-- Reply:"):
        assert word in own
