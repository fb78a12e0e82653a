"""Compares the codec with Python, the service with an asyncio service and psql, and write paths with each other."""
