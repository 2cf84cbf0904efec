"""The names that users may rely on."""

import inspect
import subprocess
import sys

import pytest

import tddfa

PUBLIC = {
    "BoundingBox",
    "Detection",
    "Face",
    "FaceAligner",
    "FaceParams",
    "FaceTracker",
    "HeadPose",
    "Mesh",
    "TddfaError",
    "VideoReader",
    "__version__",
    "read_image",
    "write_image",
}


def test_the_public_names_are_these():
    assert set(tddfa.__all__) == PUBLIC
    assert set(dir(tddfa)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_every_public_name_exists_and_is_documented(name):
    assert inspect.getdoc(getattr(tddfa, name))


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
