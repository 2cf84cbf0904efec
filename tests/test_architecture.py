"""What importing costs and may not bring along; the layers themselves are checked by import-linter."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from timing import cpu_seconds
from waiting import PATIENCE_S


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE_S
    ).stdout


@pytest.mark.parametrize("module", ["tddfa", "tddfa.cli.main"])
def test_importing_loads_nothing_heavy(module):
    heavy = ["torch", "matplotlib", "av", "cv2", "onnxruntime", "onnx", "scipy", "numpy", "jaxtyping"]
    loaded = run(f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_aligning_loads_neither_torch_nor_matplotlib_nor_onnx():
    code = (
        "import sys, tddfa; tddfa.FaceAligner; tddfa.read_image; import tddfa.render, tddfa.export;"
        "heavy = ('torch', 'matplotlib', 'onnx', 'scipy', 'av', 'jaxtyping', 'tqdm');"
        "print([m for m in heavy if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


@pytest.mark.parametrize("code", ["import tddfa", "import tddfa.cli.main as m; m.build_parser()"])
def test_importing_and_help_take_less_than_a_third_of_a_second(code):
    assert min(cpu_seconds([sys.executable, "-c", code]) for _ in range(5)) < 0.3


def test_annotations_cost_nothing_at_run_time_and_are_checked_in_the_tests():
    import jaxtyping

    from tddfa import shapes

    assert shapes.Float32 is jaxtyping.Float32
    assert run("from tddfa import shapes; print(shapes.Float32[int, 'n 3'])").strip() == "typing.Any"
    sources = (Path(__file__).parents[1] / "src" / "tddfa").rglob("*.py")
    used = [p.name for p in sources if "jaxtyping import" in p.read_text(encoding="utf-8")]
    assert used == ["shapes.py"], "import shapes of arrays from tddfa.shapes"


def test_data_flows_one_way_through_at_most_ten_layers_that_name_every_module():
    root = Path(__file__).parents[1]
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(c for c in contracts["contracts"] if c["type"] == "layers")
    named = [module.strip() for layer in layers["layers"] for module in layer.split("|")]
    there = {
        p.stem
        for p in (root / "src" / "tddfa").iterdir()
        if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert len(layers["layers"]) <= 10
    assert sorted(named) == sorted(there - {"__init__", "__main__"})
