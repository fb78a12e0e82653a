"""The settings of tcp-ingestion: the environment of contract section 12 as one frozen value."""

from ingestion.config.parsers import OFF, Networks
from ingestion.config.settings import Config, RedisSettings, effective_config, load_config

__all__ = ["OFF", "Config", "Networks", "RedisSettings", "effective_config", "load_config"]
