"""A URL's parameters: what is added to them, what wins, and what may be shown."""

from __future__ import annotations

import pytest

from processor.edges.postgres.conninfo import describe_hosts, parse_url


def test_half_open_connections_are_noticed_unless_the_url_says_otherwise() -> None:
    params = parse_url("postgresql://u@db/x?keepalives_idle=60")
    assert params["keepalives_idle"] == "60"
    assert params["tcp_user_timeout"] == "30000"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:secret@db/x", "db:5432"),
        ("postgresql://u:secret@db1:6000,db2/x", "db1:6000,db2:5432"),
        ("postgresql://u:secret@db1,db2:7000/x", "db1:5432,db2:7000"),
        ("postgresql:///x?host=/run/postgresql&password=secret", "/run/postgresql:5432"),
        ("postgresql://u:p%40ss@[::1]:6000/x", "::1:6000"),
    ],
)
def test_hosts_and_ports_are_all_that_is_shown(url: str, shown: str) -> None:
    assert describe_hosts(parse_url(url)) == shown
