"""The service's settings: the environment of contract section 5 as one frozen value.

The whole environment is read once, at the start; every fault is found then and named in one message. Nothing else reads
variables of the service.
"""

from processor.config.secrets import hide, secrets_of
from processor.config.settings import Config, load_config
from processor.config.targets import PostgresTarget, RedisTarget, RedisTls
from processor.config.urls import redact_url

__all__ = [
    "Config",
    "PostgresTarget",
    "RedisTarget",
    "RedisTls",
    "hide",
    "load_config",
    "redact_url",
    "secrets_of",
]
