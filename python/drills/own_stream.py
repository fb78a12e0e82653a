"""Observe, Redis: what is in a drill's stream, asked with the `redis` package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from telemetry.chassis.redis.client import errors_translated, open_client

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 1_000
"""Entries of one reply."""


class OwnStream:
    """A stream, a context manager. Methods block, and raise RedisUnavailable and RedisRefused."""

    def __init__(self, url: str, name: str) -> None:
        self._client = open_client(url)
        self._name = name
        self._shared = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def in_use(self) -> str | None:
        """What is on the stream already, for a message; None if nothing."""
        with errors_translated(self._client):
            stream = self._name
            kind = _text(self._client.type(stream))
            self._shared = kind != "none"
            if not self._shared:
                return None
            if kind != "stream":
                return f"it is a {kind}"
            entries, groups = self._client.xlen(stream), self._client.xinfo_groups(stream)
        if not entries and not groups:
            return None
        names = ", ".join(group["name"].decode() for group in groups)
        return (
            f"it has {entries:,} entries and the groups {names}"
            if names
            else f"it has {entries:,} entries"
        )

    def entries_of(
        self, stream: str, start: str = "-"
    ) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        """Id and fields of each entry of a stream from `start` on."""
        while page := self._page(stream, start):
            yield from page
            start = f"({page[-1][0].decode()}"

    def _page(self, stream: str, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        page: Any = self._client.xrange(stream, min=start, count=PAGE)
        return list(page)


def _text(value: bytes | str) -> str:
    """The package declares either, and gives bytes."""
    return value if isinstance(value, str) else value.decode()
