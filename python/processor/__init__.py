"""Writes Teltonika positions from a Redis Stream into PostgreSQL, exactly once."""
