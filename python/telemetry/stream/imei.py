"""Device identities for rounds of a replay."""

from __future__ import annotations

_BODY_DIGITS = 14


def is_imei(text: str) -> bool:
    """Fifteen ASCII digits; the check digit is not verified, since vendor manuals show IMEIs that fail it."""
    return len(text) == _BODY_DIGITS + 1 and text.isascii() and text.isdigit()


def imei_after(imei: str, steps: int) -> str:
    """The IMEI whose serial number is `steps` higher, with a right check digit; `imei` itself for 0 steps."""
    if steps == 0:
        return imei
    body = (int(imei[:_BODY_DIGITS]) + steps) % 10**_BODY_DIGITS
    digits = f"{body:0{_BODY_DIGITS}d}"
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """Luhn's check digit of fourteen digits (3GPP TS 23.003, annex B)."""
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(digits))
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)
