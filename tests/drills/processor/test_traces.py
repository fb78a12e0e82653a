"""What a drill may use, and what becomes of what it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.drills.conftest import LIGHT

if TYPE_CHECKING:
    from dev.servers import RedisServer
    from tests.drills.conftest import Drills

QUICK = ("--rounds", "1", "--seed", "1", *LIGHT)


@pytest.mark.parametrize("use", ["entries", "a group", "another type"])
def test_a_stream_in_use_is_refused_and_left_alone(
    drills: Drills, stream_name: str, use: str
) -> None:
    if use == "another type":
        drills.redis.set(stream_name, "1")
    elif use == "entries":
        drills.redis.xadd(stream_name, {"a": "b"})
    else:
        drills.redis.xgroup_create(stream_name, "processor", id="0", mkstream=True)
    before = drills.redis.dump(stream_name)
    drilled = drills.run(*QUICK, "--stream", stream_name, stand_in="honest")
    assert drilled.code == 2
    assert f"the stream {stream_name} is in use" in drilled.errors
    assert "--force" in drilled.errors
    assert drills.redis.dump(stream_name) == before
    assert drills.leave_nothing()


def test_with_force_others_keep_their_entries_and_groups(drills: Drills, stream_name: str) -> None:
    drills.redis.xgroup_create(stream_name, "processor", id="0", mkstream=True)
    kept = drills.redis.xadd(stream_name, {"a": "b"})
    drilled = drills.run(*QUICK, "--stream", stream_name, "--force", stand_in="honest")
    assert drilled.code == 0, drilled.errors
    assert [group["name"] for group in drills.redis.xinfo_groups(stream_name)] == [b"processor"]
    assert drills.redis.xrange(stream_name, count=1) == [(kept, {b"a": b"b"})]
    assert drills.redis.xlen(stream_name) == 1 + drilled.figures["published"]
    assert drills.leave_nothing()


def test_an_empty_stream_without_groups_may_be_used(drills: Drills, stream_name: str) -> None:
    entry_id = drills.redis.xadd(stream_name, {"a": "b"})
    drills.redis.xdel(stream_name, entry_id)
    drilled = drills.run(*QUICK, "--stream", stream_name, stand_in="honest")
    assert drilled.code == 0, drilled.errors


def test_a_role_that_may_not_delete_is_reported_before_anything_is_made(drills: Drills) -> None:
    drilled = drills.run(*QUICK, stand_in="honest", POSTGRES_ADMIN_URL="")
    assert drilled.code == 2
    assert "the role processor may not delete" in drilled.errors
    assert "POSTGRES_ADMIN_URL" in drilled.errors
    assert drills.leave_nothing()


def test_a_user_that_may_not_make_streams_is_reported_before_anything_is_made(
    drills: Drills, redis_server: RedisServer
) -> None:
    with redis_server.denials_intended():
        drilled = drills.run(*QUICK, stand_in="honest", REDIS_ADMIN_URL="")
    assert drilled.code == 2
    assert "NOPERM" in drilled.errors
    assert "set REDIS_ADMIN_URL" in drilled.errors
    assert drills.leave_nothing()


@pytest.mark.parametrize("rows", ["mark-faulty", "keep"])
def test_rows_that_stay_are_hidden_or_not_as_chosen(drills: Drills, rows: str) -> None:
    drilled = drills.run(*QUICK, "--rows", rows, stand_in="honest", POSTGRES_ADMIN_URL="")
    assert drilled.code == 0, drilled.errors
    assert drills.rows() == drilled.figures["published"]
    assert drills.rows("faulty") == (drills.rows() if rows == "mark-faulty" else 0)
    assert not drills.keys()


def test_rows_of_others_are_neither_counted_nor_removed(drills: Drills) -> None:
    with drills.database_owner() as owner:
        owner.execute(
            "INSERT INTO positions VALUES ('356307042441013', now(), now(), 1, 1, 1, 1, 1, 1, 1, '8', '{}', false)"
        )
    drilled = drills.run(*QUICK, stand_in="honest")
    assert drilled.code == 0, drilled.errors
    assert drilled.figures["rows"] == drilled.figures["published"]
    assert drills.rows() == 1
