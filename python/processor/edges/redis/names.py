"""The keys and names that the service uses in Redis."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamNames:
    """The stream, who reads it, and where dead letters go."""

    stream: str
    group: str
    consumer: str
    dead_letters: str
    """The stream of dead letters."""

    @property
    def attempts(self) -> str:
        """The attempts hash: entry id to JSON, shared by all consumers of the group."""
        return f"{self.stream}:{self.group}:attempts"

    @property
    def keys(self) -> tuple[str, str, str]:
        """The keys, the stream's first. Scripts use several of them: in a cluster they are in one slot."""
        return (self.stream, self.attempts, self.dead_letters)
