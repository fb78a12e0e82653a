"""Redis and PostgreSQL in memory, for tests alone: they obey the ports and pass the contract tests of the real edges.

They know the faults of the real servers, and may be cut at every await. No module of the service imports them.
"""
