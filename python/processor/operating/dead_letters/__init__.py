"""Looks at the dead-letter queue, and replays, drops and exports what is in it."""
