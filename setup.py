"""The native kernel: built where there is a C compiler, left out where there is none.

Everything else about the project stands in pyproject.toml.
"""

import os
import re
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PARTS = (
    *("module", "rasterizer", "surface", "texture", "canvas", "strokes"),
    *("reconstruction", "subdivision", "sampling", "views", "halving", "text"),
)
HEADERS = ("kernel", "pixels", "blocks", "fragment_batch")

# Flags of sanitizers, for tools/sanitize_kernel.py.
SANITIZE = os.environ.get("TDDFA_SANITIZE", "").split()


REPOSITORY = "https://github.com/tddfa/tddfa"


def readme() -> str:
    """Return the README with links that work outside the repository, where a package index shows it."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{REPOSITORY}/raw/main/", text)
    return re.sub(r"(?<!!)(\[[^\]]*\]\()(?!https?:|#)", rf"\1{REPOSITORY}/blob/main/", text)


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
    long_description=readme(),
    long_description_content_type="text/markdown",
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
