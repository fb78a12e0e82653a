"""The module's own promises: constants, the one INCOMPLETE, and values that cannot be changed."""

from __future__ import annotations

import re

import pytest

from telemetry import _codec
from tests.support.devices import admitted_session, login_of, new_session
from tests.support.vectors import EMPTY, GOOD, WRONG_CRC
from tests.support.wire import DEVICE_ID, batch, delivery, position, read_reply


def test_decode_codes_are_the_contracts_in_its_order() -> None:
    assert _codec.DECODE_CODES == (
        "missing_payload",
        "missing_codec",
        "unknown_codec",
        "bad_json",
        "missing_field",
        "bad_type",
        "out_of_range",
        "bad_timestamp",
        "ts_out_of_window",
        "bad_sentinel",
        "unstorable_text",
        "too_large",
        "too_deep",
    )


def test_columns_are_those_that_the_writer_sets() -> None:
    assert _codec.COLUMNS == (
        "device_id",
        "ts",
        "latitude",
        "longitude",
        "altitude",
        "angle",
        "speed",
        "satellites",
        "priority",
        "codec",
        "attributes",
    )


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", _codec.__version__)


def test_incomplete_is_one_value_that_calls_itself_by_name() -> None:
    parser = _codec.ReplyParser()
    assert parser.next_reply() is _codec.INCOMPLETE
    assert parser.next_read() is _codec.INCOMPLETE
    assert parser.next_claim() is _codec.INCOMPLETE
    assert repr(_codec.INCOMPLETE) == "INCOMPLETE"
    assert isinstance(_codec.INCOMPLETE, _codec.Incomplete)


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (batch([position()]), "records"),
        (_codec.DeviceStates(1).unproven(batch([position()])), "device_ids"),
        (_codec.InFlightIds(), "held"),
        (delivery(read_reply([position()])), "batch"),
        (delivery(read_reply([b"{"])).rejections[0], "code"),
        (admitted_session().feed(bytes.fromhex(GOOD), 0), "records"),
        (admitted_session().feed(bytes.fromhex(WRONG_CRC), 0), "closes"),
        (admitted_session().feed(bytes.fromhex(EMPTY), 0), "answer"),
        (new_session().feed(login_of(DEVICE_ID), 0), "imei"),
        (new_session().feed(b"GET /", 0), "code"),
    ],
    ids=[
        *("Batch", "Keys", "InFlightIds", "Delivery", "Rejection"),
        *("AcceptedFrame", "RefusedFrame", "EmptyFrame", "Login", "BadLogin"),
    ],
)
def test_values_cannot_be_changed(value: object, attribute: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, attribute, None)


def test_values_show_what_they_hold() -> None:
    good, bad = position(), b"{"
    assert repr(batch([good])).startswith("<Batch records=1 rows=1 row_bytes=")
    assert repr(_codec.DeviceStates(1).unproven(batch([good]))) == "<Keys of 1 rows>"
    decoded = delivery(read_reply([good, bad]))
    assert repr(decoded) == "<Delivery entries=2 rejections=1 outside=0 missing=0>"
    assert repr(decoded.rejections[0]) == "<Rejection 1-1 bad_json at byte 1>"
