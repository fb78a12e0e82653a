"""The state that each recipe is about, and what its commands must have done.

A state is a generator. It makes the state and yields the variables of the first block; what follows looks at what
the block did, and yields those of the next one; what follows the last one looks at the end.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from tests.runbook.stage import Stage
from tests.runbook.states import daily, dead_letters, ingestion, instances, outages, schema

State: TypeAlias = Callable[[Stage], Iterator[Mapping[str, str]]]

STATES: dict[str, State] = {
    "Is it healthy?": daily.healthy,
    "First start": schema.first_start,
    "View the lag": daily.backlog,
    "Claim the stuck entries of a dead instance": instances.dead_instance,
    "Work on the dead letters": dead_letters.letters_of_every_kind,
    "Force-rehydrate one device": daily.device_with_faulty_rows,
    "Roll a deploy": instances.deploy,
    "Add a second instance": instances.second_instance,
    "Remove an instance for good": instances.killed_instance,
    "Redis was lost, restored or failed over": outages.redis_lost,
    "PostgreSQL was lost, restored or failed over": outages.postgres_restored,
    "PostgreSQL is full": outages.postgres_full,
    "Keep more than a million entries": outages.stream_without_maxlen,
    "The stream was misnamed": daily.misnamed_stream,
    "Poison floods the queue": dead_letters.flood,
    "A device's clock is wrong": dead_letters.wrong_clock,
    "Hand the schema to Directus": schema.two_origins,
    "Upgrade and roll back": daily.healthy,
    "Ask for help": daily.asking_for_help,
    "SIGTERM drills": daily.staging_system,
    "tcp-ingestion": ingestion.healthy,
    "Devices do not connect": ingestion.device_that_is_refused,
    "Records do not appear": ingestion.device_that_sends,
    "CRC failures of one IMEI": ingestion.wrong_checksums,
    "A device repeats the same frame": ingestion.undecodable_frame,
    "Redis is away or refuses": ingestion.redis_silent,
    "Roll a deploy of tcp-ingestion": ingestion.deploy,
    "Drill tcp-ingestion": ingestion.staging_system,
}
"""By the recipe's heading."""
