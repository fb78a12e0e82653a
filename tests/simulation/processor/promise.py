"""The promise as one function: it returns everything in a simulation that breaks the promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from processor.core.attempts import NO_ANSWER, FailureStage
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.rings import RELEASE_GRACE_MS, RELEASE_INSISTED_MS

if TYPE_CHECKING:
    from tests.simulation.processor.life import Life
    from tests.simulation.processor.simulation import Published, Simulation

# Stage and code of an entry whose trial no life survived.
SUSPICION = (FailureStage.CRASH.value, NO_ANSWER)


def violations(simulation: Simulation) -> list[str]:
    """Everything that breaks the promise, one sentence each; callable at any moment of a run.

    Every position published is in the table exactly once, every poisonous entry in one dead letter
    with its reason, or else the entry is still waiting. In a finished simulation nothing is waiting.
    """
    found = list(simulation.wrongs)
    for entry_id, published in simulation.published.items():
        found += _of_entry(simulation, entry_id, published)
    found += _of_failures(simulation)
    for life in simulation.lives:
        found += _of_life(life)
    published_keys = {each.key for each in simulation.published.values()}
    found += [
        f"nobody published the row {key}" for key in simulation.table.rows.keys() - published_keys
    ]
    return found


def _of_entry(simulation: Simulation, entry_id: str, published: Published) -> Iterator[str]:
    letters = simulation.dead_letters_of(entry_id)
    # A dead-lettered entry that is delivered again is refused again.
    if len(letters) > 1 + simulation.set_back:
        yield f"{entry_id} has {len(letters)} dead letters"
    for letter in letters:
        yield from _of_dead_letter(simulation, entry_id, published, letter)
    waits = simulation.is_waiting(entry_id)
    if waits and simulation.is_finished:
        yield f"{entry_id} is still waiting, and everybody has finished"
    if waits and letters and not simulation.set_back:
        yield f"{entry_id} has a dead letter and is still pending"
    is_decided = published.is_discarded or published.key in simulation.table.rows
    if not (waits or letters or entry_id in simulation.trimmed or is_decided):
        yield f"{entry_id} is lost: not in the table, no dead letter, not pending"


def _of_dead_letter(
    simulation: Simulation, entry_id: str, published: Published, letter: dict[str, str | bytes]
) -> Iterator[str]:
    reason = (letter["dlq_stage"], letter["dlq_code"])
    reasons = {(published.stage, published.code)}
    if published.code == NO_ANSWER and any(life.is_killed for life in simulation.lives):
        # An entry refused as `no_answer` is tried in isolation from then on, and a life killed in that trial counts.
        reasons.add(SUSPICION)
    is_guilty = published.key is None and reason in reasons
    if not is_guilty and not (reason == SUSPICION and _may_have_killed(simulation)):
        yield f"{entry_id} is a dead letter for the wrong reason: {reason}"
    if any(letter.get(name) != value for name, value in published.fields.items()):
        yield f"the dead letter of {entry_id} does not hold its fields"


def _may_have_killed(simulation: Simulation) -> bool:
    """Whether an entry looks guilty because enough lives were killed while it was on trial."""
    killed = [life for life in simulation.lives if life.is_killed]
    return bool(killed) and len(killed) >= killed[0].config.dlq_max_attempts


def _of_failures(simulation: Simulation) -> Iterator[str]:
    for entry_id, recorded in simulation.redis.attempts.items():
        if simulation.is_finished:
            yield f"a failure of {entry_id} is remembered, and everybody has finished"
        is_sound = simulation.published[entry_id].key is not None
        if is_sound and not (NO_ANSWER in recorded and _may_be_on_trial(simulation, entry_id)):
            yield f"a failure of {entry_id} was recorded, and nothing is wrong with it: {recorded}"


def _may_be_on_trial(simulation: Simulation, entry_id: str) -> bool:
    """Whether a life is trying the entry in isolation, or may have died in that trial."""
    return any(
        life.is_killed or (entry_id in life.tried and not life.has_ended)
        for life in simulation.lives
    )


def _of_life(life: Life) -> Iterator[str]:
    if life.crash is not None:
        yield f"{life.name} crashed: {life.crash!r}"
    if life.in_flight is not None:
        yield from _of_ledger(life)
    if life.code is not None:
        yield from _of_end(life)
    if life.code is not None and life.stranded:
        yield f"{life.name} stranded {', '.join(sorted(life.stranded))}, and Redis answered"


def _of_ledger(life: Life) -> Iterator[str]:
    assert life.in_flight is not None
    ledger, held = life.in_flight.ledger, life.in_flight.undecided
    # Entries in flight are in no class yet.
    if ledger.unaccounted != held:
        yield f"{life.name}: the ledger does not balance, with {held} in flight: {ledger}"
    if ledger.read != len(life.read):
        yield f"{life.name}: {len(life.read)} entries were read: {ledger}"
    if ledger.acked != len(life.acked):
        yield f"{life.name}: {len(life.acked)} entries were acknowledged: {ledger}"
    if ledger.dead_lettered != len(life.dead_letters - life.acked):
        yield f"{life.name}: {len(life.dead_letters)} became dead letters: {ledger}"
    # An entry that was decided and then delivered again is released, and stays in its class.
    if ledger.released > len(life.released & life.read):
        yield f"{life.name}: {len(life.released & life.read)} that it had read were released: {ledger}"
    if ledger.released_unread != len(life.released - life.read):
        yield f"{life.name}: {len(life.released - life.read)} unread were released: {ledger}"
    if life.code is not None and (life.code is ExitCode.CLEAN) is bool(held + ledger.released):
        yield f"{life.name} ended with {life.code!r} and {held} in flight: {ledger}"


def _of_end(life: Life) -> Iterator[str]:
    if life.code not in {ExitCode.CLEAN, ExitCode.TIMED_OUT}:
        yield f"{life.name} ended with {life.code!r}"
        return
    assert life.asked_at is not None
    assert life.ended_at is not None
    drain_ms = round((life.ended_at - life.asked_at) * 1000)
    budget_ms = life.config.drain_budget_ms
    # The last step waits for a Redis that does not answer.
    waits = not life.redis_answered
    if life.insisted_at is not None:
        late_ms = round((life.ended_at - life.insisted_at) * 1000)
        if late_ms > waits * RELEASE_INSISTED_MS:
            yield f"{life.name} ended {late_ms} ms after the second signal"
    elif life.code is ExitCode.TIMED_OUT and drain_ms < budget_ms:
        yield f"{life.name} gave up after {drain_ms} of {budget_ms} ms"
    elif drain_ms >= budget_ms and life.drained_in_peace:
        yield f"{life.name} did not drain, and both servers answered"
    if drain_ms > budget_ms + waits * RELEASE_GRACE_MS:
        yield f"{life.name} drained for {drain_ms} ms, granted were {budget_ms}"
