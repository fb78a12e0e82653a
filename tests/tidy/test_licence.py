"""The licence is the whole text of Apache-2.0, and goes where the code goes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from email.parser import Parser
from pathlib import Path

from tests.tidy.source import ROOT

# The text at https://www.apache.org/licenses/LICENSE-2.0.txt.
TEXT_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_licence_is_the_standard_text() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == TEXT_SHA256


def test_the_crates_and_the_package_name_the_same_licence() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    assert package["license"] == workspace["license"] == "Apache-2.0"


def test_the_wheel_carries_the_licence(tmp_path: Path) -> None:
    # maturin writes what a wheel has beside the code, without the minutes of a build.
    scripts = Path(sys.executable).parent
    subprocess.run(
        ["maturin", "pep517", "write-dist-info", "--metadata-directory", tmp_path,
         "--interpreter", sys.executable],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )  # fmt: skip
    [dist_info] = tmp_path.glob("*.dist-info")
    metadata = Parser().parsestr((dist_info / "METADATA").read_text())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert (dist_info / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_image_is_built_from_a_wheel_with_the_licence() -> None:
    sources = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        line.split()[1:-1]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from=" not in line
    ]
    assert "!LICENSE" in sources
    assert any("LICENSE" in files for files in copied)
