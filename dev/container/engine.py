"""A container engine of the drill's own: Debian's docker.io, with its socket and its data in one private directory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.servers.errors import ServerError
from dev.servers.guarded import guarded_directory
from dev.servers.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Debian's own: a newer client elsewhere in the PATH may lack the plug-in that it builds with.
DOCKER = Path("/usr/bin/docker")
DOCKERD = Path("/usr/sbin/dockerd")
PROGRAMS = {"docker-compose": "docker-compose", "debootstrap": "debootstrap"}
COMMAND_BOUND_S = 900


@dataclass(frozen=True)
class Engine:
    """A running engine; `directory` is private to it, and gone when it ends."""

    directory: Path
    socket: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the engine's clients need in theirs."""
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_BUILDKIT": "1",
            "DOCKER": str(DOCKER),
        }

    def docker(self, *arguments: str | Path, check: bool = True) -> str:
        """What the command printed, both streams. Raises ServerError when it fails, unless `check` is off."""
        return self.run([DOCKER, *arguments], check=check).stdout

    def compose(self, file: Path, *arguments: str) -> str:
        """The same for a command about the services of `file`."""
        return self.run(
            ["docker-compose", "--file", file, "--project-name", "drill", *arguments]
        ).stdout

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a client of this engine. Raises ServerError with its output when it fails, unless `check` is off."""
        done = subprocess.run(
            argv,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_BOUND_S,
        )
        if check and done.returncode != 0:
            command = " ".join(map(str, argv))
            raise ServerError(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return done

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of a container or an image."""
        [found] = json.loads(self.docker("inspect", name))
        described: dict[str, Any] = found
        return described


@contextlib.contextmanager
def private_engine() -> Iterator[Engine]:
    """Run an engine until the block ends; its containers, images and data go with it.

    It sets up no network: containers have the machine's own, or none. Raises ServerError if a program is
    missing, without root, or if the engine does not answer.
    """
    _require_programs()
    with guarded_directory("engine", last_signal=signal.SIGTERM) as directory:
        path = directory.path
        engine = Engine(path, path / "docker.sock")
        options = [
            f"--host=unix://{engine.socket}",
            f"--data-root={path / 'data'}",
            f"--exec-root={path / 'exec'}",
            f"--pidfile={path / 'pid'}",
            "--bridge=none",
            "--iptables=false",
        ]
        process = ServerProcess(
            name="dockerd",
            # What it mounts is in a namespace of its own, and gone with it.
            argv=["unshare", "--mount", DOCKERD, *options],
            directory=directory,
            log=path / "dockerd.log",
            stop_signal=signal.SIGTERM,
            answers=lambda: engine.run([DOCKER, "info"], check=False).returncode == 0,
        )
        try:
            process.start()
            yield engine
        finally:
            if process.running:
                _remove_containers(engine)
            process.stop()


def _remove_containers(engine: Engine) -> None:
    if names := engine.docker("ps", "--all", "--quiet", check=False).split():
        engine.docker("rm", "--force", "--volumes", *names, check=False)


def _require_programs() -> None:
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if not DOCKER.exists() or not DOCKERD.exists():
        missing.append("docker.io")
    if missing:
        packages = " ".join(sorted(missing))
        raise ServerError(f"not installed: {packages} (Debian: apt-get install {packages})")
    if os.getuid() != 0:
        raise ServerError("the drill starts a container engine, which only root can do")
