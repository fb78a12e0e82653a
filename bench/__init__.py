"""Two ratios: the codec against Python's best, the service against an asyncio service and psql's copy."""
