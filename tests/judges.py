"""Programs of others that judge our files, where they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

_VALIDATE = """
    const validator = require('gltf-validator'), fs = require('fs');
    const read = file => validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
    Promise.all(process.argv.slice(1).map(read))
        .then(all => console.log(JSON.stringify(all.map(r => r.issues.messages))));
"""


@cache
def gltf_validator() -> str | None:
    """Return Node, where it finds the package gltf-validator (on NODE_PATH)."""
    node = shutil.which("node")
    if node is None:
        return None
    found = subprocess.run([node, "-e", "require('gltf-validator')"], capture_output=True, check=False)
    return node if found.returncode == 0 else None


def validate_gltf(files: list[Path]) -> list[list[dict[str, Any]]]:
    """Return the errors, warnings, infos and hints of the Khronos glTF validator about each file."""
    command = [gltf_validator() or "node", "-e", _VALIDATE, *map(str, files)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
