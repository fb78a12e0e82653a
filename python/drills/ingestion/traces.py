"""What a drill of tcp-ingestion leaves, and removes: its stream, and the quarantine beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.identity import Identity
    from drills.ingestion.stream import PublishedStream


@dataclass(frozen=True)
class IngestionTraces:
    """What a drill uses and may leave; `say` writes a sentence for the operator."""

    identity: Identity
    stream: PublishedStream
    say: Callable[[str], None]

    @property
    def possible(self) -> str:
        """What to look for and remove by hand, for a message."""
        stream = self.identity.stream
        return f"what may be left: in Redis the keys {stream} and {stream}:quarantine"

    async def make(self) -> None:
        """Nothing: the service makes the stream."""

    async def remove(self) -> None:
        """Remove everything in Redis; the service must have ended. Idempotent. Raises EdgeError."""
        await trio.to_thread.run_sync(self.stream.remove)
