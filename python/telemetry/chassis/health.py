"""Whether a service is ready, and if not, why: what `/readyz` shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.chassis.lifecycle import READY_PHASES, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a dependency can be used, and if not, why: a sentence without credentials."""

    ready: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the service stands at one moment."""

    phase: Phase
    """Where the process is in its life."""
    dependencies: Mapping[str, Readiness]
    """The servers that the service cannot do without, by name."""
    obstacles: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot work although its servers can be used, by what is to blame."""

    @property
    def unready(self) -> Mapping[str, str]:
        """Why the service is not ready, by dependency, by obstacle, and by `phase`; empty if it is."""
        reasons = {name: it.reason for name, it in self.dependencies.items() if not it.ready}
        reasons |= self.obstacles
        if self.phase not in READY_PHASES:
            reasons["phase"] = self.phase.value
        return reasons
