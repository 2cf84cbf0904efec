"""What is built, released and installed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tddfa

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="needs bash")
def test_a_release_has_the_version_of_its_tag():
    workflow = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    [check] = re.findall(r"run: (test .*GITHUB_REF_NAME.*)$", workflow, re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def accepts(tag: str) -> bool:
        environment = {**os.environ, "PATH": path, "GITHUB_REF_NAME": tag}
        return subprocess.run(["bash", "-c", check], cwd=ROOT, env=environment, check=False).returncode == 0

    assert accepts(f"v{tddfa.__version__}")
    assert not accepts("v0.0.0")


def test_the_lowest_versions_are_those_that_continuous_integration_installs():
    """Each dependency that is compiled: lower ones read other pixels, or no videos."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = dict(d.split(">=") for d in project["dependencies"])
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    tried = dict(re.findall(r"'([\w-]+)==([\d.]+)\.\*'", workflow))
    assert {"av", "numpy", "onnxruntime", "opencv-python-headless"} <= tried.keys()
    assert tried == {name: lowest[name] for name in tried}
