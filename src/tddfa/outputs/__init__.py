"""An image with its faces → the files of every kind: names, contents, and what may be written over."""

from __future__ import annotations

from tddfa.outputs.scene import Scene
from tddfa.outputs.write import earlier_files, encode_output, expected_files, write_outputs

__all__ = ["Scene", "earlier_files", "encode_output", "expected_files", "write_outputs"]
