"""docs/start/from-3ddfa-v2.md: its commands parse, its functions give the arrays of the published program."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from conftest import REPOSITORY
from tddfa import FaceAligner, read_image
from tddfa.cli.main import build_parser

PAGE = (REPOSITORY / "docs/start/from-3ddfa-v2.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`(?:tddfa) ([a-z]+ [^`]+)`", PAGE)))
PHOTOS = ["emma", "trump_hillary", "JianzhuGuo"]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_ones(command: str) -> None:
    words = shlex.split(command)
    build_parser(words[:1]).parse_args(words)


def test_there_are_commands_for_photos_videos_and_the_camera() -> None:
    assert {command.split()[0] for command in COMMANDS} >= {"image", "video", "webcam", "eval"}


@pytest.fixture(scope="module")
def functions() -> dict[str, object]:
    """What the page defines."""
    names: dict[str, object] = {}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        for part in re.findall(r"^(?:import .*|from .*|def .*(?:\n(?: .*)?)*)", program, re.MULTILINE):
            exec(part, names)
    return names


@pytest.fixture(scope="module")
def aligner(published_pack) -> FaceAligner:
    return FaceAligner(published_pack)


@pytest.mark.parametrize("photo", PHOTOS)
def test_arrays_are_those_of_the_program(aligner, functions, shared, photo) -> None:
    golden = np.load(shared / "golden" / f"{photo}_torch.npz")
    faces = aligner.align(read_image(shared / f"reference/3ddfa_v2/examples/inputs/{photo}.jpg"))
    assert len(faces) == len(golden["boxes"])
    for k, face in enumerate(faces):
        for points, expected in ((face.landmarks, golden["lmk68"]), (face.vertices, golden["dense"])):
            assert np.abs(functions["as_3ddfa_v2"](points) - expected[k].T).max() < 1e-3
        assert np.allclose(face.params.identity, golden["params"][k, 12:52], rtol=1e-4, atol=1)
        assert np.allclose(face.params.expression, golden["params"][k, 52:], rtol=1e-3, atol=1e-4)
        assert np.allclose([*face.box, face.score], golden["boxes"][k], atol=1e-2)


@pytest.mark.parametrize("photo", PHOTOS)
def test_saved_parameters_are_their_mesh(aligner, functions, shared, photo) -> None:
    golden = np.load(shared / "golden" / f"{photo}_torch.npz")
    for param, roi_box, dense in zip(golden["params"], golden["roi_boxes"], golden["dense"], strict=True):
        mesh = functions["saved_face"](aligner, param, roi_box)
        assert np.abs(functions["as_3ddfa_v2"](mesh.vertices) - dense.T).max() < 1e-3


def test_tables_of_the_model_are_where_the_page_says(aligner, shared) -> None:
    from tddfa.packs.convert.pickles import load_arrays

    model, folder = aligner.model, shared / "reference/3ddfa_v2/configs"
    keypoints = load_arrays(folder / "bfm_noneck_v3.pkl")["keypoints"].ravel()
    assert np.array_equal(model.landmark_sets["ibug68"].vertices[:, 0], keypoints[::3] // 3)
    assert model.topology.uv.shape == (38365, 2)
    colors = np.load(folder / "ncc_code.npy").T[:, ::-1]  # of BGR images
    assert np.allclose(model.topology.colors, colors, atol=1e-5)
