"""The service's settings: the environment of contract section 5 as one frozen value.

The whole environment is read once, at the start; every fault is found then and named in one message. Nothing else reads
variables of the service.
"""

from processor.config.settings import Config, load_config

__all__ = ["Config", "load_config"]
