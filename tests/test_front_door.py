"""README, docs and CONTRIBUTING say what the program does."""

import contextlib
import importlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_name_in_the_docs_resolves(page):
    text = page.read_text(encoding="utf-8")
    names = set(re.findall(r"(?<![\w/.\"-])tddfa(?:\.[A-Za-z_]\w*)+(?![\w/-])(?!\.(?:md|json|py)\b)", text))
    for name in sorted(names):
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                value = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            for attribute in parts[cut:]:
                value = getattr(value, attribute)
            break


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_between_pages_leads_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", prose):
        assert (page.parent / target).exists(), target


def test_the_readme_prints_what_it_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = ROOT / "README.md"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code_blocks(page, "python")[0], {})
    assert printed.getvalue().rstrip() == code_blocks(page, "text")[0].rstrip()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 100


def test_a_newcomer_gets_a_first_result_and_writes_a_video_program(tmp_path, monkeypatch, capsys):
    """CONTRIBUTING's walk from the README to a drawn photo, and the programs of the first steps."""
    from clips import write_clip
    from tddfa import read_image
    from tddfa.cli.main import main

    shutil.copy(ROOT / "examples/photos/astronaut.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    walk = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    command, drawn = re.search(r"`tddfa (image [^`]+)`, look at `([^`]+)`", walk).groups()
    assert main(command.split()) == 0
    photo = read_image("photo.jpg")
    assert read_image(drawn).shape == photo.shape
    write_clip(tmp_path / "clip.mp4", [photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2]] * 3)
    image_program, video_program = code_blocks(ROOT / "docs/start/first-steps.md", "python")
    capsys.readouterr()
    exec(image_program, {})
    assert re.match(r"Face\(box=.*yaw=.*\)\n\(68, 3\)\n0\.\d+\n", capsys.readouterr().out)
    body = [line for line in video_program.splitlines() if line and "import" not in line]
    assert len(body) <= 5
    exec(video_program, {})
    header, *rows = (tmp_path / "faces.csv").read_text().splitlines()
    assert header.startswith("frame,face_id,timestamp,confidence,success")
    assert len(rows) == 3


@pytest.mark.parametrize(
    "page", ["outputs.md", "video.md", "face-model.md", "reference/schemas.md", "start/from-3ddfa-v2.md"]
)
def test_the_programs_of_a_page_run_one_after_the_other(tmp_path, monkeypatch, page):
    """As somebody copies them who has a photo.jpg, a folder photos and a clip.mp4."""
    from clips import write_clip
    from tddfa import read_image
    from tddfa.cli.main import main
    from tddfa.morphable import open_face_model

    (tmp_path / "photos").mkdir()
    for copy in ("photo.jpg", "photos/one.jpg"):
        shutil.copy(ROOT / "examples/photos/hopper.jpg", tmp_path / copy)
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", [read_image("photo.jpg")[:600, :512]] * 3)
    programs = code_blocks(ROOT / "docs" / page, "python")
    assert programs
    names = {}
    if page == "outputs.md":
        pytest.importorskip("PIL", reason="needs Pillow")
        assert main(["image", "photo.jpg", "-o", "depth16"]) == 0
    if page == "face-model.md":  # what the page says in a comment
        model = open_face_model(level=1, crop="face")
        names["observed"] = [
            model.landmarks(model.params(expression={"jawOpen": k / 100}))[:, :2] for k in range(100)
        ]
    for program in programs:
        exec(program, names)


def test_the_newcomers_overlay_draws_once_it_is_in_the_table(tmp_path, monkeypatch):
    """CONTRIBUTING's walk to a new overlay: one module, one line."""
    from tddfa import FaceAligner, read_image, render

    namespace = {}
    exec(code_blocks(ROOT / "CONTRIBUTING.md", "python")[0], namespace)
    monkeypatch.setitem(render.OVERLAYS, "chin", namespace["draw_chin"])
    image = read_image(ROOT / "examples/photos/astronaut.jpg")
    faces = FaceAligner().align(image)
    drawn = render.OVERLAYS["chin"](image, faces)
    x, y = faces[0].landmarks[8, :2].round().astype(int)
    assert (drawn[y - 2 : y + 3, x - 2 : x + 3] == 255).all()
    assert (np.abs(drawn.astype(int) - image).sum(2) > 0).sum() <= 25


def test_the_page_of_commands_is_as_the_program_is():
    done = subprocess.run([sys.executable, ROOT / "tools/write_cli_reference.py", "--check"], check=False)
    assert done.returncode == 0, "run python tools/write_cli_reference.py"


def test_the_tests_are_collected_where_the_training_is_not_installed() -> None:
    """`make test` installs no torch; the tests that need it are skipped, and stop nobody."""
    program = (
        "import sys; sys.modules['torch'] = sys.modules['tddfa_train.data'] = None; import pytest; "
        "sys.exit(pytest.main(['-q', '--collect-only', '-p', 'no:cacheprovider', 'tests/tddfa_train']))"
    )
    if not (ROOT / "tests" / "tddfa_train").exists():
        pytest.skip("the source archive has no tests of the training")
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, run.stdout[-1500:]
