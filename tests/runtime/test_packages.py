"""Packages that we need: quiet when they are there, one line when they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PHOTOS
from tddfa.errors import MissingPackageError
from tddfa.packages import load_package

ROOT = Path(__file__).parents[2]


def command(*arguments: str, cwd: Path, first: Path | None = None, **environment: str):
    """Run `tddfa`, with a folder before all others in which Python looks for modules."""
    hidden = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TDDFA_PACKS")
    env = {k: v for k, v in os.environ.items() if k not in hidden}
    paths = [str(first)] if first else []
    env["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [env.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "tddfa", *arguments],
        cwd=cwd,
        env={**env, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_photo_leaves_nothing_in_an_empty_home_folder(tmp_path):
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    out.mkdir()
    photo = str(PHOTOS / "hopper.jpg")
    done = command("image", photo, "-o", "json", "-d", str(out), cwd=tmp_path, HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert len(list(out.iterdir())) == 1
    # ONNX Runtime 1.29 and later would leave an identifier of this machine and a database of events.
    assert list(home.rglob("*")) == []


def test_a_read_only_home_folder_is_enough(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    done = command("image", str(PHOTOS / "hopper.jpg"), "-o", "json", cwd=tmp_path, HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("module", "package"), [("cv2", "opencv-python-headless"), ("onnxruntime", "onnxruntime")]
)
@pytest.mark.parametrize("damage", ["removed", "left empty", "hidden by a script", "incomplete"])
def test_a_package_that_cannot_be_used_is_one_line_that_names_it(tmp_path, module, package, damage):
    first = tmp_path / "first"
    first.mkdir()
    if damage == "removed":
        # As if it were not installed: the finder of modules does not know it.
        (first / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    elif damage == "left empty":
        (first / "sitecustomize.py").write_text(
            "import importlib.machinery, sys, types\n"
            f"left = types.ModuleType({module!r}); left.__path__ = ['/site-packages/{module}']\n"
            f"sys.modules[{module!r}] = left\n"
        )
    elif damage == "hidden by a script":
        (first / f"{module}.py").write_text("print('a script of the user')\n")
    else:
        (first / module).mkdir()
        (first / module / "__init__.py").write_text("from .native import everything\n")
    done = command(
        *("image", str(PHOTOS / "hopper.jpg"), str(PHOTOS / "group.jpg"), "-o", "json"),
        cwd=tmp_path,
        first=first,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"tddfa: error: the package {package!r} cannot be used (")
    assert line.endswith(f"install it again with pip install --force-reinstall {package}")
    if damage == "hidden by a script":
        assert str(first / f"{module}.py") in line


def test_a_missing_package_is_an_import_error_of_ours():
    with pytest.raises(MissingPackageError, match="'opencv-python-headless' cannot be used") as error:
        load_package("cv2", "no such function")
    assert isinstance(error.value, ImportError)


def test_a_module_of_video_that_is_missing_is_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['av'] = None\n")
    clip = str(ROOT / "examples" / "clip.mp4")
    done = command("video", clip, "-d", str(tmp_path), cwd=tmp_path, first=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("tddfa: error: the package 'av' cannot be used (")
