"""A guard of the kernel's speed that no busy machine can trip: instructions, counted by Valgrind."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from solids import sphere
from tddfa import native
from tddfa.geometry.triangles import vertex_normals

pytestmark = pytest.mark.skipif(
    shutil.which("callgrind_annotate") is None
    or native.kernel is None
    or sys.platform != "linux"
    or platform.machine() != "x86_64",
    reason="needs Valgrind and the native kernel on Linux x86-64",
)

# Millions of instructions, as GCC 12 compiles the kernel, and 10 % more. Lower them when it gets faster.
LIMITS = {"depth": 21.2, "vertex_normals": 8.4, "reconstruct": 5.3}

# A Python with nothing but the kernel: NumPy alone would take longer to start than everything else.
DRIVER = """
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
loader = ExtensionFileLoader("_kernel", sys.argv[1])
kernel = module_from_spec(spec_from_loader("_kernel", loader))
loader.exec_module(kernel)
read = lambda name: open(sys.argv[2] + "/" + name, "rb").read()
n, m, vertices, triangles = int(sys.argv[3]), int(sys.argv[4]), read("vertices"), read("triangles")
rows, blocks = 54, -(-n // 64)
out = bytearray(12 * n)
kernel.depth(n, m, vertices, triangles, 0, 0, 200, 200, 1.0, bytearray(read("far")))
kernel.vertex_normals(n, m, vertices, triangles, out)
zeros = [bytes(4 * k) for k in (192 * blocks, 96 * blocks * rows, blocks * rows, rows, 12)]
kernel.reconstruct(n, rows, *zeros, 1, out)
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """A sphere with as many triangles as a dense face mesh, about 180 px wide, as files of bytes."""
    folder = tmp_path_factory.mktemp("mesh")
    ball = sphere(138, 276)
    vertices = (ball.vertices * 90 + 100).astype(np.float32)
    (folder / "vertices").write_bytes(vertices.tobytes())
    (folder / "triangles").write_bytes(ball.triangles.tobytes())
    (folder / "far").write_bytes(np.full(200 * 200, np.inf, np.float32).tobytes())
    assert np.isfinite(vertex_normals(vertices, ball.triangles)).all()
    return folder, len(vertices), len(ball.triangles)


def test_the_kernel_takes_no_more_instructions_than_it_did(mesh: tuple[Path, int, int]) -> None:
    assert native.kernel is not None
    folder, n, m = mesh
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable]
    command += ["-I", "-S", "-c", DRIVER, str(native.kernel.__file__), str(folder), str(n), str(m)]
    subprocess.run(command, check=True, capture_output=True)
    report = subprocess.run(
        ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(folder / "out")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    taken: dict[str, float] = {}
    for line in report.splitlines():
        found = re.match(r"\s*([\d,]+) .*:(\w+) \[.*_kernel", line)
        if found and found[2] in LIMITS:
            taken[found[2]] = int(found[1].replace(",", "")) / 1e6
    assert taken.keys() == LIMITS.keys()
    assert {name: count for name, count in taken.items() if count > LIMITS[name]} == {}
