"""The commands that every service has: each function here makes one for a service."""
