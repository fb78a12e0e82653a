"""Makes the image's bases without a registry: Debian's packages by debootstrap, and this machine's Rust."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dev.container.engine import DOCKER
from dev.servers.errors import ServerError

if TYPE_CHECKING:
    from dev.container.engine import Engine

HERE = Path(__file__).parent
REGISTRY = "processor-drill"
"""Stands before the names of the images that the drill builds."""
PYTHON_IMAGE = f"{REGISTRY}/python"
RUST_IMAGE = f"{REGISTRY}/rust"
# Whose Python is 3.11, as in the images that these stand in for.
SUITE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
# As in images of Debian: caches of the package manager are not kept.
APT_CONFIGURATION = """\
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
"""
# This machine may reach the package indexes by an authority of its own.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_bases(engine: Engine) -> None:
    """Make `PYTHON_IMAGE` and `RUST_IMAGE`. Raises ServerError with the output of what failed."""
    debian = engine.directory / "debian"
    engine.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, debian])
    (debian / "etc/apt/apt.conf.d/docker-clean").write_text(APT_CONFIGURATION)
    for kept in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(debian / kept)
        (debian / kept).mkdir()
    shutil.copyfile(AUTHORITIES, debian / AUTHORITIES.relative_to("/"))
    (debian / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    _import(engine, debian, PYTHON_IMAGE)
    shutil.rmtree(debian)

    toolchain = subprocess.run(
        ["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True
    ).stdout.strip()
    engine.docker(
        "build", "--network", "host", "--tag", RUST_IMAGE, "--file", HERE / "rust.Dockerfile", toolchain
    )  # fmt: skip


def _import(engine: Engine, root: Path, image: str) -> None:
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as archive:
        done = subprocess.run(
            [DOCKER, "import", "-", image],
            env=engine.environment,
            stdin=archive.stdout,
            stdout=subprocess.DEVNULL,
            check=False,
        )
    if archive.returncode or done.returncode:
        raise ServerError(f"{image} could not be made from {root}")


def build_images(engine: Engine, checkout: Path) -> None:
    """Build the images of both services on these bases, by the command of `make image`."""
    engine.run(
        ["sh", checkout / "dev/image"],
        env={
            "REGISTRY": REGISTRY,
            "RUST_IMAGE": RUST_IMAGE,
            "PYTHON_IMAGE": PYTHON_IMAGE,
            "BUILD_ARGS": "--network host",
        },
    )
