from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.simulating.latencies import Latencies


def test_nothing_was_measured() -> None:
    assert Latencies().percentile_ms(50) is None


@given(
    values=st.lists(st.floats(0.002, 1e6), min_size=1, max_size=50),
    percent=st.integers(1, 100),
)
def test_a_percentile_is_the_nearest_rank_to_a_hundredth(values: list[float], percent: int) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    found = latencies.percentile_ms(percent)
    assert found is not None
    assert found == pytest.approx(exact, rel=0.011, abs=0.001)
