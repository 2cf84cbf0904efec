"""The names that users may rely on."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tddfa

PUBLIC = {
    "BoundingBox",
    "Detection",
    "Face",
    "FaceAligner",
    "FaceParams",
    "FaceTracker",
    "GazeAngles",
    "HeadPose",
    "Mesh",
    "TddfaError",
    "VideoReader",
    "__version__",
    "decode_image",
    "read_image",
    "to_rows",
    "write_image",
}


def test_the_public_names_are_these():
    assert set(tddfa.__all__) == PUBLIC
    assert set(dir(tddfa)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_every_public_name_exists_and_is_documented(name):
    assert inspect.getdoc(getattr(tddfa, name))


def test_type_checkers_see_the_same_names():
    stub = Path(tddfa.__file__).with_suffix(".pyi").read_text()
    assert {
        name: module for module, name, _ in re.findall(r"^from (\S+) import (\w+) as (\w+)$", stub, re.M)
    } == {**tddfa._PUBLIC, "__version__": "tddfa._version"}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("tddfa.pipeline", "FaceAligner", "tddfa.alignment.FaceAligner"),
        ("tddfa.first_look", "FirstLook", "tddfa.alignment.verification.FaceVerifier"),
        ("tddfa.first_look", "Belief", "tddfa.alignment.verification.AcceptanceThresholds"),
        ("tddfa.first_look", "CheckedDetector", "tddfa.alignment.verification.VerifiedDetector"),
        ("tddfa.parallel", "in_order", "tddfa.concurrency.in_order"),
        ("tddfa.detection", "TddfaDetector", "tddfa.detection.AnchorFreeDetector"),
        ("tddfa.regression", "PublishedRegressor", "tddfa.regression.V2Regressor"),
        ("tddfa.regression", "TddfaRegressor", "tddfa.regression.AffineCameraRegressor"),
    ],
)
def test_former_names_work_with_a_warning(module, old, new):
    where, _, name = new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated .*; use {new}"):
        found = getattr(importlib.import_module(module), old)
    assert found is getattr(importlib.import_module(where), name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        importlib.import_module(module).nonsense  # noqa: B018


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        tddfa.nonsense  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert tddfa.__version__ == version("tddfa")


def test_every_error_is_a_tddfa_error_and_a_builtin_one():
    from tddfa import errors

    kinds = [k for _, k in inspect.getmembers(errors, inspect.isclass) if k is not errors.TddfaError]
    for kind in kinds:
        assert issubclass(kind, errors.TddfaError)
        builtin = [b for b in kind.__mro__ if b.__module__ == "builtins" and b not in (object, BaseException)]
        assert builtin[0] is not Exception or len(builtin) > 1


def test_python_m_tddfa_is_the_command():
    out = subprocess.run(
        [sys.executable, "-m", "tddfa", "--version"], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == f"tddfa {tddfa.__version__}"
