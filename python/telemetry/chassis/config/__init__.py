"""Environment variables: read once, at the start, every fault named in one message; secrets are never shown."""
