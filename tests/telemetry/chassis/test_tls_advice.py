"""Each way in which TLS fails has an advice, by the words of the library that failed."""

from __future__ import annotations

import pytest

from telemetry.chassis.tls_advice import tls_advice


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("Hostname mismatch, certificate is not valid for 'localhost'.", "use a host name"),
        ("IP address mismatch, certificate is not valid for '10.0.0.1'.", "use a host name"),
        ('server certificate for "a" does not match host name "b"', "use a host name"),
        ("certificate verify failed: certificate has expired", "renewed"),
        ("certificate verify failed: unable to get local issuer certificate", "name the authority"),
        ("self-signed certificate in certificate chain", "name the authority"),
        ("SSL error: certificate verify failed", "renewed if it has expired, else name"),
        ("tlsv13 alert certificate required", "sslcert and sslkey"),
        ("connection requires a valid client certificate", "sslcert and sslkey"),
        ("tlsv1 alert unknown ca", "sslcert and sslkey"),
    ],
)
def test_a_failure_of_tls_has_an_advice(error: str, advice: str) -> None:
    assert advice in str(tls_advice(error))


def test_other_errors_have_none() -> None:
    assert tls_advice("cannot connect: Connection refused") is None
