"""A guard of the kernel's speed that no busy machine can trip: instructions, counted by Valgrind."""

from __future__ import annotations

import platform
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
    shutil.which("valgrind") is None
    or native.kernel is None
    or sys.platform != "linux"
    or platform.machine() != "x86_64",
    reason="needs Valgrind and the native kernel on Linux x86-64",
)

# Millions of instructions, as GCC 12 compiles the kernel, and 10 % more. Lower them when it gets faster.
LIMITS = {"depth": 23.3, "vertex_normals": 12.5, "reconstruct": 4.4}

# A Python with nothing but the kernel: NumPy alone would take longer to start than everything else.
DRIVER = """
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
loader = ExtensionFileLoader("_kernel", sys.argv[1])
kernel = module_from_spec(spec_from_loader("_kernel", loader))
loader.exec_module(kernel)
read = lambda name: open(sys.argv[2] + "/" + name, "rb").read()
n, m, vertices, triangles = int(sys.argv[4]), int(sys.argv[5]), read("vertices"), read("triangles")
rows, blocks = 54, -(-n // 64)
out = bytearray(12 * n)
jobs = {
    "nothing": lambda: None,
    "depth": lambda: kernel.depth(n, m, vertices, triangles, 0, 0, 200, 200, 1.0, bytearray(read("far"))),
    "vertex_normals": lambda: kernel.vertex_normals(n, m, vertices, triangles, out),
    "reconstruct": lambda: kernel.reconstruct(
        n, rows, bytes(768 * blocks), bytes(384 * blocks * rows), bytes(4 * blocks * rows), bytes(4 * rows),
        bytes(48), 1, out,
    ),
}
jobs[sys.argv[3]]()
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


def instructions(job: str, mesh: tuple[Path, int, int]) -> int:
    """Instructions of a process that does one job."""
    assert native.kernel is not None
    folder, n, m = mesh
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
    command += [sys.executable, "-I", "-S", "-c", DRIVER, native.kernel.__file__, str(folder), job]
    done = subprocess.run([*command, str(n), str(m)], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split("Collected : ")[1].split()[0])


def test_the_kernel_takes_no_more_instructions_than_it_did(mesh: tuple[Path, int, int]) -> None:
    start = instructions("nothing", mesh)
    taken = {job: (instructions(job, mesh) - start) / 1e6 for job in LIMITS}
    assert {job: round(count, 2) for job, count in taken.items() if not 0 < count <= LIMITS[job]} == {}
