"""The native kernel: built where there is a C compiler, left out where there is none.

Everything else about the project stands in pyproject.toml.
"""

import os

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PARTS = (
    *("module", "rasterizer", "surface", "texture", "canvas", "strokes"),
    *("reconstruction", "subdivision", "sampling", "views", "halving", "text"),
)
HEADERS = ("kernel", "pixels", "blocks", "fragment_batch")

# Flags of sanitizers, for tools/sanitize_kernel.py.
SANITIZE = os.environ.get("TDDFA_SANITIZE", "").split()


class BuildKernel(build_ext):
    """Compile for speed, but never fuse a product and a sum: the kernel and its twin make the same pixels."""

    def build_extensions(self) -> None:
        """Choose the flags of the compiler at hand."""
        flags = ["-O3", "-std=c11", "-fno-math-errno", "-ffp-contract=off", "-fvisibility=hidden", "-g0"]
        if self.compiler.compiler_type == "msvc":
            flags = ["/O2", "/fp:precise"]
        if SANITIZE:
            flags = [*flags, "-O1", "-g", *SANITIZE]
        for extension in self.extensions:
            extension.extra_compile_args = flags
            extension.extra_link_args = SANITIZE
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildKernel},
    ext_modules=[
        Extension(
            "tddfa.native._kernel",
            [f"src/tddfa/native/{part}.c" for part in PARTS],
            depends=[f"src/tddfa/native/{part}.h" for part in HEADERS],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
