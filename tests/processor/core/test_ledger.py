from __future__ import annotations

from processor.core.ledger import Ledger


def test_a_ledger_balances_when_every_entry_is_in_one_class() -> None:
    ledger = Ledger(21, acked=6, dead_lettered=5, lost=4, taken_over=3, released=2, left_pending=1)
    assert ledger.unaccounted == 0


def test_an_entry_in_no_class_and_one_in_two_are_distinguished() -> None:
    assert Ledger(read=2, acked=1).unaccounted == 1
    assert Ledger(read=2, acked=2, released=1).unaccounted == -1
