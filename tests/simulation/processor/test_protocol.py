"""Any plan of publishing, lives, crashes and outages ends as promised."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.processor.plans import (
    CHANGES,
    NAMES,
    TROUBLES,
    Change,
    Inherit,
    Kill,
    Pause,
    Publish,
    PublishOdd,
    PublishPoison,
    Start,
    Step,
    Stop,
    Trim,
    Trouble,
    carry_out,
)

names = st.sampled_from(NAMES)
# Most lives take some hundred.
checkpoints = st.integers(0, 120)

steps: st.SearchStrategy[Step] = st.one_of(
    # The simplest step: Hypothesis shrinks steps that do not matter to it.
    st.builds(Pause, st.sampled_from((0, 20, 300, 2_000, 9_000))),
    st.builds(
        Publish,
        first_second=st.integers(0, 20),
        records=st.integers(1, 12),
        device=st.integers(1, 3),
    ),
    st.builds(PublishPoison, by_server=st.booleans()),
    st.builds(PublishOdd, is_deadly=st.booleans()),
    st.builds(Inherit, entries=st.integers(1, 3), deliveries=st.sampled_from((1, 6))),
    st.builds(Start, names),
    st.builds(Stop, names, checkpoints),
    st.builds(Kill, names, checkpoints, st.booleans()),
    st.builds(Change, st.sampled_from(CHANGES)),
    st.builds(Trouble, st.sampled_from(sorted(TROUBLES))),
    st.builds(Trim, st.integers(1, 3)),
)


# By default Hypothesis makes lists of about five steps, in which little happens.
plans = st.lists(steps, min_size=12, max_size=30)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(plan=plans, seed=st.integers(0, 7))
def test_whatever_happens_the_promise_is_kept(plan: list[Step], seed: int) -> None:
    # Nothing happens before the first life.
    whole: list[Step] = [Start(NAMES[0]), *plan]
    assert carry_out(whole, seed=seed) == []
