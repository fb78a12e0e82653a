"""What a cluster's errors mean, and which nodes it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.redis.cluster.demands import ONE_DATABASE, ONE_SLOT, objection
from telemetry.chassis.redis.cluster.nodes import Node, nodes_in
from telemetry.chassis.redis.cluster.redirections import (
    ASK,
    MOVED,
    Redirection,
    is_key_gone,
    message_of,
    redirection_in,
)
from telemetry.chassis.redis.errors import refusal_of

if TYPE_CHECKING:
    from telemetry._codec import Reply

ASKED = Node("10.0.0.1", 6379)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("MOVED 3999 10.0.0.2:6381", Redirection(MOVED, 3999, Node("10.0.0.2", 6381))),
        ("ASK 3999 node-b.example:6381", Redirection(ASK, 3999, Node("node-b.example", 6381))),
        ("MOVED 0 2001:db8::7:6381", Redirection(MOVED, 0, Node("2001:db8::7", 6381))),
        # By `cluster-preferred-endpoint-type unknown-endpoint`.
        ("MOVED 3999 :6381", Redirection(MOVED, 3999, Node("10.0.0.1", 6381))),
        ("TRYAGAIN Multiple keys request during rehashing of slot", None),
        ("CLUSTERDOWN The cluster is down", None),
        ("MOVED 3999", None),
        ("MOVED x 10.0.0.2:6381", None),
        ("ERR MOVED 3999 10.0.0.2:6381", None),
    ],
)
def test_a_redirection_names_the_slot_and_the_node(message: str, found: Redirection | None) -> None:
    assert redirection_in(message, asked=ASKED) == found


def test_an_error_keeps_the_servers_own_words() -> None:
    assert message_of(refusal_of("ASK 1 b:2", where="a:1")) == "ASK 1 b:2"


@pytest.mark.parametrize(
    ("message", "is_gone"),
    [
        ("UNBLOCKED the stream key no longer exists", True),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", False),
        ("NOGROUP No such key", False),
    ],
)
def test_a_read_that_lost_its_key_is_not_one_whose_server_became_a_replica(
    message: str, is_gone: bool
) -> None:
    assert is_key_gone(refusal_of(message, where="a:1")) == is_gone


def test_all_nodes_are_remembered_masters_first_each_once() -> None:
    slots: Reply = [
        [0, 5460, [b"10.0.0.2", 6379, b"id", {}], [b"10.0.0.5", 6379, b"id", {}]],
        [5461, 9, [None, 7000, b"id", {}], [b"", 7001, b"id", {}], [b"?", 7002, b"id", {}]],
        [5462, 9, [b"10.0.0.2", 6379, b"id", {}]],
    ]
    assert [str(node) for node in nodes_in(slots, asked=ASKED)] == [
        *("10.0.0.2:6379", "10.0.0.1:7000", "10.0.0.5:6379", "10.0.0.1:7001")
    ]


@pytest.mark.parametrize("reply", [[], None, b"OK", [1, b"x"], [[0]], [[0, 1, b"x"]], [[0, 1, []]]])
def test_what_is_not_understood_is_left_out(reply: Reply) -> None:
    assert set(nodes_in(reply, asked=ASKED)) <= {ASKED}


@pytest.mark.parametrize(
    ("keys", "db", "said"),
    [
        (("telemetry:{0}", "telemetry:{0}:dlq"), 0, None),
        (("telemetry:0", "telemetry:0:dlq"), 0, ONE_SLOT),
        (("telemetry:{0}", "telemetry:{1}:dlq"), 0, ONE_SLOT),
        (("telemetry:{0}",), 3, ONE_DATABASE),
    ],
)
def test_what_no_cluster_takes_is_said_with_what_to_do(
    keys: tuple[str, ...], db: int, said: str | None
) -> None:
    assert objection(keys, db=db) == said
