"""What compose.yaml says, as `docker-compose config` resolves it, and the same for our services on this machine. Pure.

A resolved file is a dictionary with `services`, `volumes` and `secrets`, as in the Compose specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Resolved: TypeAlias = "Mapping[str, Any]"

PROCESSORS = ("processor-1", "processor-2")
INGESTION = "tcp-ingestion"
# What has no meaning on the machine's own network, and whose images are not there.
_LEFT_OUT = ("ports", "depends_on")


def on_this_machine(
    config: Resolved,
    *,
    images: Mapping[str, str],
    secrets: Path,
    variables: Mapping[str, Mapping[str, str]],
    descriptors_max: int,
) -> dict[str, Any]:
    """The services of `config` that `images` names, as they stand, but with these images and the machine's network.

    Their secrets come from the directory `secrets`, `variables` are added to each one's environment, and none may open
    more files than `descriptors_max`: an engine inside of a container cannot raise that.
    """
    services = {name: dict(config["services"][name]) for name in images}
    for name, service in services.items():
        for left_out in _LEFT_OUT:
            service.pop(left_out, None)
        service["image"] = images[name]
        service["network_mode"] = "host"
        service["environment"] = {**service["environment"], **variables[name]}
        if limits := service.get("ulimits"):
            service["ulimits"] = {**limits, "nofile": min(limits["nofile"], descriptors_max)}
    volumes = {source for service in services.values() for source, _ in mounts(service)}
    used = {name for service in services.values() for name in secret_names(service)}
    return {
        "services": services,
        "volumes": {name: {} for name in config["volumes"] if name in volumes},
        "secrets": {name: {"file": str(secrets / name)} for name in sorted(used)},
    }


def secret_names(service: Resolved) -> list[str]:
    """The secrets that a service mounts."""
    return [
        each if isinstance(each, str) else each["source"] for each in service.get("secrets", ())
    ]


def mounts(service: Resolved) -> list[tuple[str, str]]:
    """What a service mounts and where: paths of this machine, or names of volumes."""
    pairs = (each.split(":") for each in service.get("volumes", ()))
    return [(source, target) for source, target, *_ in pairs]


def commands(service: Resolved) -> list[str]:
    """The service's command line, with the paths that its mounted files have on this machine."""
    words: list[str] = [*service["entrypoint"], *service["command"]]
    return [_outside(word, service) for word in words]


def _outside(word: str, service: Resolved) -> str:
    for source, target in mounts(service):
        if source.startswith("/") and word.startswith(f"{target}/"):
            return source + word.removeprefix(target)
    return word


def seconds(duration: str) -> float:
    """A duration as Compose writes it, of at most one unit: `15s`, `1m`."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    return float(duration[:-1]) * units[duration[-1]]
