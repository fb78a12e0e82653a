"""Says in an operator's words why a connection failed: the innermost cause, without Python's layers."""

from __future__ import annotations

import errno
import os
import ssl


def plain_reason(error: BaseException) -> str:
    """What the system or the TLS library said at the bottom of `error`; empty if it said nothing."""
    if isinstance(error, ExceptionGroup):
        # One failure for each address of a name, and mostly the same.
        return ", ".join(dict.fromkeys(map(plain_reason, error.exceptions)))
    if error.__cause__ is not None:
        return plain_reason(error.__cause__)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return _system_reason(error)
    return str(error)


def _system_reason(error: OSError) -> str:
    # By number, since Trio puts the address into the text; name resolution has numbers of its own.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return error.strerror or str(error)
