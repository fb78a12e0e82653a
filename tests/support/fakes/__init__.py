"""Redis and PostgreSQL in memory, for tests: they implement the ports and pass the contract tests of the real edges.

They have the faults of the real servers, and can be cut at every await. No module of the service imports them.
"""
