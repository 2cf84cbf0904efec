"""Run the tests of the native kernel under the address and undefined-behaviour sanitizers: `make sanitize`.

The kernel is built a second time, with the sanitizers, into a copy of the package in a temporary folder; any
access outside of an array, overflow or impossible conversion ends the run. Needs GCC or Clang on Linux.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SANITIZERS = (
    "-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer"
)
TESTS = (
    "tests/render/test_kernel.py",
    "tests/render/test_kernel_calls.py",
    "tests/fuzz/test_fuzz_kernel.py",
    "tests/imaging/test_draw.py",
    "tests/imaging/test_pyramid.py",
    "tests/regression/test_closeups.py",
    "tests/morphable/test_quantized_basis.py",
)


def main() -> int:
    """Build and run.

    Returns:
        The exit code of pytest.
    """
    compiler = os.environ.get("CC", "gcc")
    runtime = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "src"
        shutil.copytree(ROOT / "src", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        subprocess.run(
            [
                sys.executable,
                "setup.py",
                "-q",
                "build_ext",
                f"--build-lib={package}",
                f"--build-temp={folder}/objects",
            ],
            cwd=ROOT,
            env={**os.environ, "TDDFA_SANITIZE": SANITIZERS},
            check=True,
        )
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)]),
            "LD_PRELOAD": runtime,
            "PYTHONMALLOC": "malloc",  # the sanitizer sees nothing of Python's own pools
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",  # Python leaks at its end
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        check = (
            "import tddfa.native, sys; kernel = tddfa.native.kernel;"
            f"assert kernel is not None and kernel.__file__.startswith({str(package)!r}), kernel"
        )
        subprocess.run([sys.executable, "-c", check], env=environment, check=True)
        tests = [test for test in TESTS if (ROOT / test).exists()]
        command = [sys.executable, "-m", "pytest", "-q", "--timeout=600", *tests, *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
