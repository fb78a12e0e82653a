"""How long a Redis server is waited for before the connection is given up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RedisLimits:
    """Bounds of one service's connections to Redis."""

    # Also bounds name resolution, and the TLS handshake by itself.
    connect_timeout_ms: int = 5_000
    # How long no byte may move while we have something to send, or the server owes us an answer. It does
    # not bound a whole command: over a slow link that takes as long as its bytes need. A blocked read is
    # owed nothing before its BLOCK is over, which Redis overruns when it is busy.
    silence_ms: int = 5_000
    # CLIENT UNBLOCK has no effect if it overtakes the read on its way to the server: it is sent again.
    unblock_again_ms: int = 50
    # How long a cancelled read may take to wake and deliver; 0.3 ms as a rule. More would outlast a short
    # drain. What a server delivers later is pending, and the next start reads it first.
    wake_ms: int = 500
    # Proxies and firewalls drop connections that are silent for longer, the strictest after ten seconds.
    idle_ms_max: int = 3_000
    # Acknowledgements occupy the connection for one turn at a time. If a turn takes longer, the next ones
    # carry fewer commands.
    ack_turn_ms_max: int = 250
    # For tools, whose client blocks: Redis answers a pipeline in milliseconds.
    answer_timeout_ms: int = 30_000
