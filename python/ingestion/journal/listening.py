"""Facts about connections before their login: who was let in, and who was not."""

from __future__ import annotations

from ingestion.journal.counters import CountingJournal


class ListeningJournal(CountingJournal):
    """What the accept loops, the PROXY header and the TLS handshake report."""
