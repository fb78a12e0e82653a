"""The paced comparison: all contenders in turn at every pace, on the same two servers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.measure import interleave
from bench.paced.contenders import GO, other_processor, peers, processor
from bench.paced.result import PacedResult, figures_of
from bench.paced.running import run
from bench.paced.servers import launch_paced_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.paced.contenders import Contender
    from bench.paced.result import Figures, PacedScale
    from bench.paced.servers import PacedServers
    from dev.servers import Choice


@dataclass(frozen=True)
class Extra:
    """Contenders beside the processor with its defaults and the peers in their own form."""

    read_intervals_ms: Sequence[int] = ()
    """Of the processor, and of the peer in Go."""
    commands: Sequence[Path] = ()
    """Other builds of the processor."""


def run_paced(
    scale: PacedScale,
    choice: Choice,
    progress: Callable[[str], None],
    extra: Extra = Extra(),
) -> PacedResult:
    """Measure the processor and its peers. Raises BenchError, ServerError."""
    rivals = peers(progress)
    able_to_pause = [processor(), *(each for each in rivals if each.name == GO)]
    contenders = [
        processor(),
        *map(other_processor, extra.commands),
        *rivals,
        *(each.with_interval(ms) for each in able_to_pause for ms in extra.read_intervals_ms),
    ]
    with launch_paced_servers(choice) as servers:
        return measure(contenders, servers, scale, progress)


def run_sweep(
    scale: PacedScale,
    choice: Choice,
    progress: Callable[[str], None],
    read_intervals_ms: Sequence[int],
) -> PacedResult:
    """Measure the processor alone, with each of the intervals between reads. Raises BenchError, ServerError."""
    with launch_paced_servers(choice) as servers:
        return measure([processor(each) for each in read_intervals_ms], servers, scale, progress)


def measure(
    contenders: Sequence[Contender],
    servers: PacedServers,
    scale: PacedScale,
    progress: Callable[[str], None],
) -> PacedResult:
    """All contenders in turn at every pace. Raises BenchError when one loses or invents a row."""
    load_before, _, _ = os.getloadavg()
    figures = {pace: _at_pace(contenders, servers, pace, scale, progress) for pace in scale.paces}
    return PacedResult(
        scale=scale,
        servers=str(servers),
        titles={contender.name: contender.title for contender in contenders},
        peers=tuple(contender.name for contender in contenders if contender.is_rival),
        load_before=load_before,
        load_after=os.getloadavg()[0],
        figures=figures,
    )


def _at_pace(
    contenders: Sequence[Contender],
    servers: PacedServers,
    pace: int,
    scale: PacedScale,
    progress: Callable[[str], None],
) -> dict[str, Figures]:
    runs = interleave(
        {contender.name: partial(run, contender, servers, pace, scale) for contender in contenders},
        rounds=scale.rounds,
        before_run=lambda number, name: progress(
            f"paced: {pace:,} records/s: round {number} of {scale.rounds}, {name}"
        ),
    )
    return {name: figures_of(kept) for name, kept in runs.items()}
