"""The services that are simulated, and the scenarios of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.ingestion import playing as ingestion
from tests.simulation.ingestion.life import SEAMS as INGESTION_SEAMS
from tests.simulation.ingestion.scenarios import SCENARIOS as INGESTION_SCENARIOS
from tests.simulation.processor import playing as processor
from tests.simulation.processor.life import SEAMS as PROCESSOR_SEAMS
from tests.simulation.processor.scenarios import SCENARIOS as PROCESSOR_SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from tests.simulation.clockwork import Seam


@dataclass(frozen=True, slots=True)
class Simulated:
    """One service in simulations."""

    scenarios: Collection[str]
    play: Callable[..., Awaitable[list[str]]]
    """Takes a cut, its checkpoints and perhaps other edges; returns what broke the promise."""
    seams: Sequence[Seam]


SERVICES: Mapping[str, Simulated] = {
    "processor": Simulated(PROCESSOR_SCENARIOS, processor.play, PROCESSOR_SEAMS),
    "ingestion": Simulated(INGESTION_SCENARIOS, ingestion.play, INGESTION_SEAMS),
}
SCENARIOS: Mapping[str, Simulated] = {
    name: service for service in SERVICES.values() for name in service.scenarios
}
assert len(SCENARIOS) == sum(len(each.scenarios) for each in SERVICES.values())
