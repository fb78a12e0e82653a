"""The service: its tasks put together, and run in rings from the start to the drain."""
