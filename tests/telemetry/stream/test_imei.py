from __future__ import annotations

from telemetry.stream.imei import check_digit, imei_after, is_imei


def test_the_check_digit_is_the_one_that_published_imeis_end_with() -> None:
    for imei in ("356307042441013", "490154203237518"):
        assert check_digit(imei[:14]) == imei[14]


def test_no_steps_leave_an_imei_as_it_is_even_with_a_wrong_check_digit() -> None:
    assert imei_after("123456789012345", 0) == "123456789012345"


def test_each_step_gives_another_valid_imei() -> None:
    imeis = [imei_after("356307042441013", step) for step in range(200)]
    assert len(set(imeis)) == 200
    assert all(is_imei(imei) for imei in imeis)
    assert all(check_digit(imei[:14]) == imei[14] for imei in imeis)
    assert is_imei(imei_after("999999999999994", 3))
