"""The keys and names that the consumer group's work is known by in Redis."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamNames:
    """Which entries are whose, and where those that cannot be written go."""

    stream: str
    group: str
    consumer: str
    dead_letters: str
    """The stream of dead letters."""

    @property
    def attempts(self) -> str:
        """The hash of recorded failures, entry id to JSON, which all consumers of the group share."""
        return f"{self.stream}:{self.group}:attempts"
