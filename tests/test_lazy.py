"""Packages whose names are loaded when they are first used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import PATIENCE_S

PACKAGES = ("tddfa.render", "tddfa.export")


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_that_programs_get(package):
    loaded = importlib.import_module(package)
    stub = ast.parse(Path(str(loaded.__file__)).with_suffix(".pyi").read_text(encoding="utf-8"))
    imported = {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }
    assert imported == {name: module for module, names in loaded._PUBLIC.items() for name in names.split()}
    assert all(getattr(loaded, name) is not None for name in loaded.__all__)


def test_drawing_landmarks_loads_no_other_drawing_and_no_file_format():
    code = (
        "import sys, tddfa.outputs.encoders; from tddfa.render import OVERLAYS; OVERLAYS['2d_sparse'];"
        "print({'tddfa.render.shaded', 'tddfa.export.glb', 'tddfa.export.vmc'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.stdout.strip() == "set()"


def test_a_command_loads_no_other_command():
    code = (
        "import sys; from tddfa.cli.main import build_parser; build_parser(['-v', 'packs', 'list']);"
        "print(sorted(m for m in sys.modules if m.startswith('tddfa.cli.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert "tddfa.cli.packs" in done.stdout
    assert "tddfa.cli.video" not in done.stdout


def test_the_help_loads_no_command_and_says_what_each_does():
    code = (
        "import sys; from tddfa.cli.main import build_parser; text = build_parser(['--help']).format_help();"
        "assert text == build_parser().format_help() if len(sys.argv) > 1 else True;"
        "print(sorted(m for m in sys.modules if m.startswith('tddfa.')))"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "tddfa.cli.main" in done.stdout
    assert not {"tddfa.cli.image", "tddfa.cli.video", "tddfa.kinds", "tddfa.imaging"} & {
        *ast.literal_eval(done.stdout)
    }
    subprocess.run([*run, "the same text"], check=True, timeout=PATIENCE_S)


def test_a_table_of_a_video_loads_no_socket_no_page_and_no_avatar():
    code = (
        "import sys; from tddfa.streams import TableSink, follow;"
        "heavy = ('websocket', 'osf', 'timeline', 'avatar');"
        "print([m for m in sys.modules if m.rpartition('.')[2] in heavy])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.stdout.strip() == "[]"


def test_aligning_drawing_and_writing_do_without_masked_arrays(tmp_path):
    # numpy.ma takes 19 ms of a cold start; np.median, np.percentile and a bare np.unique load it.
    code = (
        "import sys, pathlib; from tddfa import FaceAligner, read_image\n"
        "from tddfa.render import OVERLAYS; from tddfa.export import EXPORTS\n"
        "image = read_image(sys.argv[1]); faces = FaceAligner().align(image); assert faces\n"
        "for kind in OVERLAYS: OVERLAYS[kind](image, faces)\n"
        "for kind in EXPORTS: EXPORTS[kind](pathlib.Path(sys.argv[2]) / f'face.{kind}', image, faces)\n"
        "print('numpy.ma' in sys.modules)"
    )
    photo = Path(__file__).parents[1] / "examples" / "photos" / "astronaut.jpg"
    done = subprocess.run(
        [sys.executable, "-c", code, photo, tmp_path],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.strip() == "False"
