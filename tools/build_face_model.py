"""Build the open face model that ships with tddfa from CC0 sources, the same bytes every time.

python tools/build_face_model.py                 # download the sources, write src/tddfa/morphable/data/
python tools/build_face_model.py --sources       # list every source file with its licence
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STORED = "identity_basis", "expression_basis"
"""Arrays that are not compressed: two thirds of the file, read by every program that starts."""
OUTPUT = ROOT / "src/tddfa/morphable/data/open_face_model.npz"
sys.path.insert(0, str(ROOT / "src"))
# One thread: the order of additions, and with it the last bits, must not depend on the number of cores.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from face_model.assemble import build_arrays  # noqa: E402
from face_model.source import SourceError, licence_of, open_source, read_pins  # noqa: E402


def main() -> None:
    """Parse the arguments, build, write, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help="the source wheel, where it is already here")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where to write (default: %(default)s)")
    parser.add_argument(
        "--sources", action="store_true", help="list the source files and their licences, and stop"
    )
    arguments = parser.parse_args()
    if arguments.sources:
        for path in read_pins():
            print(f"{path}\t{licence_of(path)}")
        return
    started = time.perf_counter()
    try:
        source = open_source(arguments.wheel)
    except SourceError as error:
        sys.exit(str(error))
    arrays, report = build_arrays(source)
    data = npz_bytes(arrays)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    partial = arguments.output.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(arguments.output)
    for line in report:
        print(line)
    print(f"{arguments.output}: {len(data) / 1e6:.3f} MB in {time.perf_counter() - started:.1f} s")
    print(f"sha256 {hashlib.sha256(data).hexdigest()}")


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as an npz file that depends on nothing but them: fixed dates, order and compression."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(
                member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False
            )
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            kind = zipfile.ZIP_STORED if name in STORED else zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compress_type=kind, compresslevel=9)
    return stream.getvalue()


if __name__ == "__main__":
    main()
