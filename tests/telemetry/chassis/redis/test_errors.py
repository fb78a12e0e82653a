"""Which errors want a new connection: the servers' own words."""

from __future__ import annotations

import pytest

from telemetry.chassis.redis.errors import points_elsewhere


@pytest.mark.parametrize(
    "message",
    [
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "LOADING Redis is loading the dataset in memory",
        "CLUSTERDOWN The cluster is down",
        "CLUSTERDOWN Hash slot not served",
        "MOVED 3999 127.0.0.1:6381",
        "NOREPLICAS Not enough good replicas to write.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ],
)
def test_a_server_that_is_not_the_one_to_work_on_wants_a_new_connection(message: str) -> None:
    assert points_elsewhere(message)


@pytest.mark.parametrize(
    "message",
    [
        "UNBLOCKED the stream key no longer exists",
        "NOGROUP No such key 'telemetry:a' or consumer group 'processor' in XREADGROUP with GROUP option",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "NOPERM this user has no permissions to run the 'xack' command",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "NOAUTH Authentication required.",
        "ERR READONLY",
        "",
    ],
)
def test_what_the_right_server_refuses_is_asked_again_where_we_are(message: str) -> None:
    assert not points_elsewhere(message)
