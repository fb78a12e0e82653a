"""The text of a failed connection: libpq's words on one line, and a server's words marked as such."""

from __future__ import annotations

import pytest

from processor.edges.postgres.errors import is_refusal, one_line

AT = 'connection to server at "127.0.0.1", port 5432 failed: '
NO = 'password authentication failed for user "u"'


@pytest.mark.parametrize(
    ("text", "line", "refused"),
    [
        (
            f"connection failed: {AT}Connection refused\n\tIs the server running on that host?",
            f"{AT}Connection refused; Is the server running on that host?",
            False,
        ),
        (
            f"connection failed: {AT}FATAL:  {NO}\n{AT}FATAL:  {NO}\n",
            f"{AT}the server refused: {NO}",
            True,
        ),
        (
            f"connection failed: {AT}ВАЖНО:  слишком много клиентов",
            f"{AT}the server refused: слишком много клиентов",
            True,
        ),
        (
            f"connection is bad: {AT}timeout expired",
            f"{AT}timeout expired",
            False,
        ),
        (
            "server closed the connection unexpectedly\n\tThis probably means that it died.",
            "server closed the connection unexpectedly; This probably means that it died.",
            False,
        ),
    ],
)
def test_the_words_of_libpq_become_one_line(text: str, line: str, refused: bool) -> None:
    assert one_line(text) == line
    assert one_line(line) == line
    assert is_refusal(line) is refused
