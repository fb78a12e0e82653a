"""Checks what a container may do, and what it shows: by looking from outside, and by trying from within."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.container.bases import REGISTRY
from dev.container.composition import seconds

if TYPE_CHECKING:
    from dev.container.composition import Resolved
    from dev.container.fleet import Fleet
    from dev.container.report import Report
    from dev.container.surroundings import Surroundings


@dataclass(frozen=True)
class Kind:
    """What the images of the services differ in."""

    name: str
    user: str
    url_file: str
    """The file with the URL of Redis."""

    @property
    def image(self) -> str:
        """The image that the drill has built."""
        return f"{REGISTRY}/{self.name}"


PROCESSOR = Kind("processor", user="10001", url_file="redis_url")
INGESTION = Kind("tcp-ingestion", user="10002", url_file="redis_ingestion_url")

COMPILERS = ("cc", "gcc", "g++", "as", "ld", "rustc", "cargo", "maturin")
LABELS = ("title", "description", "licenses", "version", "revision", "source")
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


def check_image(fleet: Fleet, report: Report, kind: Kind) -> None:
    """The image itself: its size, user, labels and signal, and that it builds nothing."""
    described = fleet.engine.inspect(kind.image)
    report.figure(f"image {kind.name}", f"{described['Size'] / 1e6:.0f} MB")
    config = described["Config"]
    labels = {name.rpartition(".")[2] for name, value in config["Labels"].items() if value}
    report.check(f"the image {kind.name} has the labels of OCI", labels >= {*LABELS}, found=labels)
    report.equal("its user", config["User"], f"{kind.user}:{kind.user}")
    report.equal("its stop signal", config["StopSignal"], "SIGTERM")
    report.check("it has a health check", config.get("Healthcheck"))
    look = "for name; do command -v $name; done; true"
    found = fleet.engine.docker(
        "run", "--rm", "--network", "none", "--entrypoint", "sh", kind.image, "-c", look, "sh", *COMPILERS
    )  # fmt: skip
    report.equal("compilers in it", found.split(), [])


def check_limits(fleet: Fleet, report: Report, name: str, kind: Kind, service: Resolved) -> None:
    """What compose.yaml takes away from the container of `service` is gone."""
    described = fleet.engine.inspect(fleet.container(name))
    host = described["HostConfig"]
    number, unit = service["mem_limit"][:-1], service["mem_limit"][-1]
    report.equal(f"{name}: memory", host["Memory"], int(number) * _UNITS[unit])
    report.equal(f"{name}: processes", host["PidsLimit"], service["pids_limit"])
    report.equal(f"{name}: restart", host["RestartPolicy"]["Name"], service["restart"])
    grace = seconds(service["stop_grace_period"])
    report.equal(f"{name}: seconds to stop", described["Config"]["StopTimeout"], grace)
    uids = {*fleet.engine.docker("top", fleet.container(name), "-eo", "pid,uid").split()[3::2]}
    report.equal(f"{name}: users of its processes", uids, {kind.user})
    status = fleet.inside(name, "cat", "/proc/1/status")
    capabilities = {*re.findall(r"^Cap(?:Prm|Eff|Bnd):\s+(\w+)$", status, re.MULTILINE)}
    report.equal(f"{name}: capabilities", capabilities, {"0" * 16})
    report.check(
        f"{name}: no new privileges", re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    )
    refused = fleet.inside(name, "sh", "-c", "touch /opt/telemetry/x /tmp/x /x")
    report.equal(f"{name}: places that refuse a file", refused.count("Read-only file system"), 3)
    directory = f"/var/lib/{kind.name}"
    kept = fleet.inside(name, "sh", "-c", f"cd {directory} && touch x && rm x && echo kept")
    report.equal(f"{name}: the place for dumps", kept.strip(), "kept")


def check_secrets(
    fleet: Fleet, report: Report, name: str, kind: Kind, surroundings: Surroundings
) -> None:
    """No password is in what the engine shows, in the process list or in the log."""
    container = fleet.container(name)
    shown = {
        "docker inspect": fleet.engine.docker("inspect", container),
        "docker inspect of the image": fleet.engine.docker("inspect", kind.image),
        "docker history": fleet.engine.docker("history", "--no-trunc", kind.image),
        "docker logs": fleet.engine.docker("logs", container),
        "docker top": fleet.engine.docker("top", container, "-eo", "pid,args"),
        "its environment": fleet.inside(name, "cat", "/proc/1/environ"),
    }
    passwords = surroundings.passwords()
    for where, text in shown.items():
        found = [password for password in passwords if password in text]
        report.check(f"{name}: {where} shows no password", text and not found, found=len(found))
    mounted = fleet.inside(name, "cat", f"/run/secrets/{kind.url_file}").strip()
    report.check(f"{name}: its secret is there", mounted == surroundings.secret(kind.url_file))
