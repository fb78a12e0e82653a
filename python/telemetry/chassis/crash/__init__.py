"""Panic dumps: what a crash leaves for a person to read, captured at the first error and written before the end.

It must work when nothing else does: bounded in time and size, without a password, and never the cause of another
exit code. It knows no service: each registers its own sections and says how they are shown.

`capture` is the moment of the error, `sections` what the service adds, `document` the whole as JSON, `files` the way
to the disk, and `showing` the way back to a person. What writer and reader agree on is defined here.
"""

DUMP_BYTES_MAX = 2 * 1024 * 1024
"""Ten of them fit on the smallest volume, and one into any editor."""


def format_of(service: str) -> str:
    """The member `format` of every dump of a service; another number is another set of sections."""
    return f"{service}-panic/1"
