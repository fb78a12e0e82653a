"""What to do about a TLS session that did not come about, from the words of OpenSSL, Python and libpq."""

from __future__ import annotations

import re
from typing import Final

ENDED_BY_TLS_SERVER: Final = (
    "a server that wants a valid client certificate ends connections like this"
)
"""For a connection that is lost before anything was answered on it."""

_ADVICE: Final = (
    (
        r"does not match host name|(host ?name|IP address) mismatch",
        "use a host name that the server's certificate has",
    ),
    (
        r"certificate has expired",
        "have the server's certificate renewed, or set this machine's clock right",
    ),
    (
        r"local issuer certificate|self.signed certificate",
        "name the authority that the server's certificate is from, by ssl_ca_certs or sslrootcert in the URL",
    ),
    # libpq says no more than this.
    (
        r"certificate verify failed",
        "have the server's certificate renewed if it has expired, else name its authority by sslrootcert",
    ),
    (
        r"certificate required|requires a valid client certificate|unknown ca|bad certificate",
        "the server wants a certificate of this client: ssl_certfile and ssl_keyfile, or sslcert and sslkey in the URL",
    ),
)


def tls_advice(error: str) -> str | None:
    """What an operator can do about this error; None if it is not about certificates."""
    for words, advice in _ADVICE:
        if re.search(words, error, re.IGNORECASE):
            return advice
    return None
