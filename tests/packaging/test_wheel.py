"""The wheel, built and installed as the image does it: everything is in it, and every command starts."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from dev.servers.ports import HOST, free_port

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "python"
# Left in the checkout by an editable build, and by running it.
NOT_SHIPPED = (".so", ".pyc")
BOUND_S = 300

COMMANDS = [
    [],
    ["run"],
    ["publish"],
    ["panic"],
    ["panic", "show"],
    ["healthcheck"],
    ["drill"],
    ["drill", "sigterm"],
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel; what was compiled for the checkout is used again."""
    out = tmp_path_factory.mktemp("wheel")
    scripts = Path(sys.executable).parent
    subprocess.run(
        [scripts / "maturin", "build", "--release", "--locked",
         "--interpreter", sys.executable, "--out", out],
        cwd=ROOT,
        check=True,
        timeout=BOUND_S,
    )  # fmt: skip
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel and the locked requirements, and nothing else."""
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=BOUND_S
    )
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python"),
           "--disable-pip-version-check", "install", "--quiet", "--no-deps"]  # fmt: skip
    locked = str(ROOT / "requirements.txt")
    for what in (["--require-hashes", "-r", locked], [str(wheel)]):
        subprocess.run([*pip, *what], check=True, timeout=BOUND_S)
    return environment / "bin"


def start(
    scripts: Path, directory: Path, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command far from the checkout."""
    return subprocess.run(
        [scripts / "processor", *arguments],
        cwd=directory,
        env={"PATH": os.defpath, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
    )


def test_the_wheel_has_every_file_of_every_package(wheel: Path) -> None:
    shipped = set(zipfile.ZipFile(wheel).namelist())
    there = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*")
        if path.is_file() and path.suffix not in NOT_SHIPPED
    }
    packages = {path.parent.name for path in SOURCES.glob("*/__init__.py")}
    assert {name.partition("/")[0] for name in there} == packages
    assert len(packages) > 1
    assert there - shipped == set()
    assert {f"{package}/py.typed" for package in packages} <= shipped
    assert "telemetry/_codec.pyi" in shipped
    assert any(name.endswith(".lua") for name in shipped)
    assert [name for name in shipped if name.startswith("telemetry/_codec.") and ".so" in name]


def test_the_wheel_has_its_licence_and_names_the_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [licence] = [each for each in archive.namelist() if each.endswith("licenses/LICENSE")]
        [metadata] = [each for each in archive.namelist() if each.endswith("/METADATA")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
        extras = Parser().parsestr(archive.read(metadata).decode()).get_all("Provides-Extra")
    assert extras == ["plots"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "processor")
def test_each_command_explains_itself(scripts: Path, tmp_path: Path, command: list[str]) -> None:
    ended = start(scripts, tmp_path, *command, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(" ".join(["Usage: processor", *command]))


def test_the_list_of_commands_has_that_of_the_drills(scripts: Path, tmp_path: Path) -> None:
    shown = start(scripts, tmp_path, "--help").stdout
    firsts = {command[0] for command in COMMANDS if command}
    assert all(f"\n  {name} " in shown for name in firsts)


def test_the_version_is_the_wheels(wheel: Path, scripts: Path, tmp_path: Path) -> None:
    ended = start(scripts, tmp_path, "--version")
    assert (ended.returncode, ended.stdout) == (0, f"processor {wheel.name.split('-')[1]}\n")


def test_without_a_service_the_health_check_fails_with_one_line(
    scripts: Path, tmp_path: Path
) -> None:
    ended = start(
        scripts, tmp_path, "healthcheck", METRICS_HOST=HOST, METRICS_PORT=str(free_port())
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)


def test_without_variables_the_service_ends_with_78(scripts: Path, tmp_path: Path) -> None:
    ended = start(scripts, tmp_path, "run")
    assert (ended.returncode, ended.stdout) == (78, "")
    assert ended.stderr.startswith("processor: bad configuration\n")


def test_the_service_loads_everything_and_looks_for_its_servers(
    scripts: Path, tmp_path: Path
) -> None:
    # Redis is away, which is found out with the whole service loaded.
    ended = start(
        scripts,
        tmp_path,
        "run",
        REDIS_URL=f"redis://{HOST}:{free_port()}",
        POSTGRES_URL=f"postgres://u@{HOST}:{free_port()}/d",
        METRICS_PORT="0",
        CONNECT_ATTEMPTS="1",
    )
    assert ended.returncode == 4, ended.stdout + ended.stderr


def test_every_module_can_be_imported(scripts: Path, tmp_path: Path) -> None:
    # Without the one that a person starts, and those that need the extra.
    left_out = {"processor.__main__", "drills.plots", "drills.processor.sharing.plot"}
    names = {
        ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCES.rglob("*.py")
    }
    done = subprocess.run(
        [scripts / "python", "-c", f"import {', '.join(sorted(names - left_out))}"],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
