"""The service's settings: the environment of contract section 5 as one frozen value."""

from processor.config.settings import Config, load_config
from processor.config.targets import PostgresTarget, RedisTarget, RedisTls
from processor.config.urls import redact_url

__all__ = ["Config", "PostgresTarget", "RedisTarget", "RedisTls", "load_config", "redact_url"]
