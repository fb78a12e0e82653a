"""Two forms of a table against each other, without a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core.table_diff import (
    Difference,
    Named,
    Standing,
    TableForm,
    column_text,
    differences,
    is_made_up,
    remarks,
)

KEY = Named("positions_device_ts", "UNIQUE btree (device_id, ts)")
PRIMARY = Named("positions_pkey", "PRIMARY KEY (device_id, ts)", is_made_up=True)
FORM = TableForm({"table": "table", "column speed": "real"}, indexes=(KEY,))
STANDING = Standing(
    "telemetry",
    "15.2",
    None,
    "directus",
    frozenset({"SELECT", "INSERT", "UPDATE", "USAGE", "TEMPORARY"}),
)


def with_index(*indexes: Named) -> TableForm:
    return replace(FORM, indexes=indexes)


def test_a_form_equals_itself() -> None:
    assert differences(FORM, FORM) == []


def test_the_order_of_columns_makes_no_difference() -> None:
    assert differences(FORM, replace(FORM, parts=dict(reversed([*FORM.parts.items()])))) == []


def test_what_one_side_lacks_is_null_there() -> None:
    wide = replace(FORM, parts={**FORM.parts, "column note": "text"})
    assert differences(FORM, wide) == [Difference("column note", None, "text")]
    assert differences(wide, FORM) == [Difference("column note", "text", None)]


def test_of_a_missing_table_nothing_else_is_said() -> None:
    assert differences(TableForm({}), FORM) == [Difference("table", None, "table")]
    assert differences(FORM, TableForm({})) == [Difference("table", "table", None)]


def test_names_that_people_chose_are_compared() -> None:
    renamed = replace(KEY, name="positions_key")
    assert [each.object for each in differences(FORM, with_index(renamed))] == [
        "index positions_device_ts",
        "index positions_key",
    ]


@pytest.mark.parametrize("swap", [False, True])
def test_a_made_up_name_is_equal_to_any_other(swap: bool) -> None:
    sides = [FORM, with_index(Named("positions_device_id_ts_idx", KEY.definition, is_made_up=True))]
    assert differences(*(reversed(sides) if swap else sides)) == []


def test_one_index_stands_for_one_only() -> None:
    twice = with_index(KEY, Named("positions_device_id_ts_idx", KEY.definition, is_made_up=True))
    [difference] = differences(FORM, twice)
    assert difference == Difference("index positions_device_id_ts_idx", None, KEY.definition)


def test_the_same_name_with_another_definition_is_one_difference() -> None:
    other = replace(KEY, definition="btree (device_id)")
    assert differences(FORM, with_index(other)) == [
        Difference("index positions_device_ts", KEY.definition, "btree (device_id)")
    ]


def test_a_primary_key_beside_the_unique_index_is_a_difference() -> None:
    beside = replace(FORM, constraints=(PRIMARY,))
    assert differences(FORM, beside) == [
        Difference("constraint positions_pkey", None, PRIMARY.definition)
    ]


def test_two_different_primary_keys_are_a_difference() -> None:
    other = replace(PRIMARY, definition="PRIMARY KEY (ts)")
    one, two = (replace(FORM, constraints=(each,)) for each in (PRIMARY, other))
    assert differences(one, two) == [
        Difference("constraint positions_pkey", PRIMARY.definition, other.definition)
    ]


@pytest.mark.parametrize(
    ("name", "columns", "made_up"),
    [
        ("positions_ts_idx", ("ts",), True),
        ("positions_device_id_ts_idx1", ("device_id", "ts"), True),
        ("positions_lower_idx", ("lower",), True),
        ("positions_pkey", ("device_id", "ts"), True),
        ("positions_speed_check", ("speed",), True),
        ("positions_check2", ("speed", "angle"), True),
        ("positions_device_id_fkey", ("device_id",), True),
        (f"positions_{'a' * 30}_{'b' * 18}_idx", ("a" * 30, "b" * 40), True),
        ("positions_ts", ("ts",), False),
        ("positions_faulty_idx", ("device_id", "ts"), False),
        ("positions_device_ts", ("device_id", "ts"), False),
        ("positive_speed", ("speed",), False),
        ("positions_device_idx", ("device_id",), False),
    ],
)
def test_names_that_postgresql_makes_up_are_known(
    name: str, columns: tuple[str, ...], made_up: bool
) -> None:
    assert is_made_up(name, columns) is made_up


def test_spellings_of_a_default_that_mean_the_same_look_alike() -> None:
    texts = {
        column_text("timestamp with time zone", not_null=True, default=default)
        for default in ("now()", "CURRENT_TIMESTAMP", "transaction_timestamp()")
    }
    assert texts == {"timestamp with time zone NOT NULL DEFAULT now()"}


def test_nothing_to_remark_where_all_stands_alike() -> None:
    assert remarks(STANDING, replace(STANDING, postgres_version="18.6")) == []


def test_what_has_to_be_put_right_is_remarked() -> None:
    lacking = replace(
        STANDING,
        owner="processor",
        privileges=frozenset({"SELECT", "USAGE", "UPDATE"}),
        timescaledb_version="2.28.3",
    )
    assert remarks(lacking, replace(STANDING, privileges=None)) == [
        "the table belongs to processor in A, to directus in B",
        "role processor has no INSERT, TEMPORARY in A",
        "B has no role processor",
        "TimescaleDB: 2.28.3 in A, none in B",
    ]
