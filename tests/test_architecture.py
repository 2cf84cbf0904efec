"""What importing costs and may not bring along; the layers themselves are checked by import-linter."""

import subprocess
import sys

import pytest

from timing import cpu_seconds


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.mark.parametrize("module", ["tddfa", "tddfa.cli.main"])
def test_importing_loads_nothing_heavy(module):
    heavy = ["torch", "matplotlib", "av", "cv2", "onnxruntime", "onnx", "scipy", "numpy", "jaxtyping"]
    loaded = run(f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_aligning_loads_neither_torch_nor_matplotlib_nor_onnx():
    code = (
        "import sys, tddfa; tddfa.FaceAligner; tddfa.read_image; import tddfa.render, tddfa.export;"
        "print([m for m in ('torch', 'matplotlib', 'onnx', 'scipy', 'av') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


@pytest.mark.parametrize("code", ["import tddfa", "import tddfa.cli.main as m; m.build_parser()"])
def test_importing_and_help_take_less_than_a_third_of_a_second(code):
    assert min(cpu_seconds([sys.executable, "-c", code]) for _ in range(5)) < 0.3
