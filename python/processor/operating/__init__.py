"""What operators do with a running system: one use case a command."""
