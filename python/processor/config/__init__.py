"""The processor's settings: the environment of contract section 5 as one frozen value.

The whole environment is read once, at the start, and every fault in it is named in one message. Nothing else reads
variables of the service. Only `service.assembly` knows all settings; a task gets the options that it needs.
"""

from processor.config.settings import (
    RETIRED,
    Config,
    PostgresSettings,
    RedisSettings,
    effective_config,
    load_config,
)

__all__ = [
    "RETIRED",
    "Config",
    "PostgresSettings",
    "RedisSettings",
    "effective_config",
    "load_config",
]
