"""Panic dumps: what a crash leaves for a person to read, taken at the first error and written before the end.

What is here must work when nothing else does: bounded in time and size, without a password, and never the cause
of another exit code.
"""
