"""Shapes are checked while the tests run; fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

from jaxtyping import install_import_hook

# The matrices here are small; threads of the linear algebra would only wait for each other on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Every function and dataclass of these modules checks the shapes and types in its annotations.
CHECKED = [
    "tddfa.types",
    "tddfa.geometry",
    "tddfa.imaging",
    "tddfa.runtime",
    "tddfa.detection",
    "tddfa.regression",
    "tddfa.morphable",
    "tddfa.render",
    "tddfa.export",
    "tddfa.video",
    "tddfa.tracking",
    "tddfa.streams",
    "tddfa.evaluation",
]
install_import_hook(CHECKED, "typechecker.check")

import hypothesis  # noqa: E402
import pytest  # noqa: E402

import toys  # noqa: E402
from tddfa.packs import ModelPack, store  # noqa: E402
from tddfa.packs.convert.v2 import install_v2  # noqa: E402

# The same examples every time, and no deadline: a test is not wrong because the machine is busy.
hypothesis.settings.register_profile(
    "tddfa", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tddfa")

REPOSITORY = Path(__file__).parents[1]
SHARED = Path(os.environ.get("TDDFA_SHARED", REPOSITORY.parent / "shared"))
PHOTOS = REPOSITORY / "examples" / "photos"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; tests that need it are skipped without it."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("needs the reference data in ../shared")
    return SHARED


@pytest.fixture(scope="session")
def published_pack(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    """The published ×0.5 network, converted from its reference copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TDDFA_PACKS", str(tmp_path_factory.mktemp("published-packs")))
        return install_v2("3ddfa-v2-mb05", str(shared / "reference" / "3ddfa_v2"))


@pytest.fixture(scope="session")
def toy_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in the published layout with a small face model and networks that always see one face."""
    folder = tmp_path_factory.mktemp("toy-project")
    toys.write_v2_project(folder)
    return folder


@pytest.fixture(scope="session")
def toy_pack(toy_project: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelPack:
    """The pack that the toy project converts to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TDDFA_PACKS", str(tmp_path_factory.mktemp("toy-packs")))
        return install_v2("3ddfa-v2-mb05", str(toy_project))


@pytest.fixture
def packs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of packs, and no built-in ones: what a test installs is all there is."""
    monkeypatch.setattr(store, "BUILT_IN", tmp_path / "no packs")
    monkeypatch.setattr(store, "DEFAULT_PACK", "3ddfa-v2-mb05")
    folder = tmp_path / "packs"
    monkeypatch.setenv("TDDFA_PACKS", str(folder))
    monkeypatch.delenv("TDDFA_PACK", raising=False)
    return folder
