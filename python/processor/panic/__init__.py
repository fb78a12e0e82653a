"""Panic dumps: what a crash leaves for a person to read, taken at the first error and written before the end."""
