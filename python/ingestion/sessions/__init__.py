"""The conversations with devices: a task for each connection, and what they have in common."""
