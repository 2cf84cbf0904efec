"""`tddfa eval`: measure the accuracy of a pack."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import positive
from tddfa.cli.commands import COMMANDS
from tddfa.cli.overwriting import OverwriteGuard, Places, add_overwrite
from tddfa.errors import ExportFileError, InputError

if TYPE_CHECKING:
    from tddfa.evaluation import Report

# The table that measures is in tddfa.evaluation, which is imported when used.
PROTOCOLS = {
    "aflw2000": "NME of 68 landmarks by yaw on both ground truths, and head pose, on AFLW2000-3D",
    "aflw": "NME of the 21 points that people marked in AFLW, by yaw",
    "stability": "movement of landmarks beside the movement of the face; lag and overshoot",
    "eyes": "how open the eyes are, beside a reference",
    "expressions": "expressions, winks, gaze and rest: how much of them a pack follows",
    "tracking": "people of rendered scenes: found, kept apart, missed when gone",
}

_TABLE_SUFFIXES = ("", ".csv", ".txt")

# Option → the protocols that it belongs to.
_OPTIONS = {
    "crops": ("aflw2000",),
    "normaliser": ("aflw",),
    "smoothing": ("stability", "tracking"),
    "predictions": ("expressions",),
}


def add_parser(commands: Any) -> None:
    """Add `eval` to the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "eval",
        help=COMMANDS["eval"].help,
        description="Measure a pack by a named, versioned protocol. docs/evaluation.md defines "
        "what each measures and the layout of its data.",
        epilog="protocols: " + "; ".join(f"{name}: {text}" for name, text in PROTOCOLS.items()),
    )
    parser.add_argument("protocol", metavar="PROTOCOL", choices=PROTOCOLS, help=", ".join(PROTOCOLS))
    parser.add_argument("--pack", metavar="NAME", help="model pack, see 'tddfa packs list'")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder of the evaluation set; for expressions also a new folder, into which its portraits are "
        "rendered (default: the user's cache)",
    )
    parser.add_argument(
        "--predictions",
        metavar="FILE",
        type=Path,
        help="expressions: measure what another program found in the same faces (.npz), not the pack",
    )
    parser.add_argument(
        "--crops",
        choices=("ground-truth", "detector"),
        help="aflw2000: the official crops, or what the pack's detector finds (default: ground-truth)",
    )
    parser.add_argument(
        "--normaliser",
        choices=("truth", "crop", "prediction"),
        help="aflw: what errors are divided by, the box of the true 68 points, the crop or the box of the "
        "predicted points (default: truth, or crop where there are no 68 points)",
    )
    parser.add_argument(
        "--smoothing",
        metavar="NAME",
        help="stability: from-last-frame, detector, none, one-euro, window or zero-phase (default: "
        "from-last-frame); tracking: one of the last four (default: one-euro)",
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument(
        "--per-image", metavar="FILE", type=Path, help="write a CSV table, a row per image, frame or scene"
    )
    parser.add_argument(
        "--worst", metavar="N", type=positive, help="write a contact sheet of the N worst faces"
    )
    parser.add_argument(
        "--sheet",
        metavar="FILE",
        type=Path,
        help="path of the contact sheet (default: worst_PROTOCOL_PACK.jpg)",
    )
    add_overwrite(parser)
    parser.add_argument(
        "--threads", metavar="N", type=positive, default=1, help="threads of each network (default: 1)"
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Run `tddfa eval`."""
    options: dict[str, Any] = {}
    for name, protocols in _OPTIONS.items():
        value = getattr(args, name)
        if value is not None:
            if args.protocol not in protocols:
                owners = " and ".join(protocols)
                plural = "s" if len(protocols) > 1 else ""
                args.parser.error(
                    f"--{name} belongs to the protocol{plural} {owners}, not to {args.protocol}"
                )
            options[name] = value
    if args.data is None and args.protocol != "expressions":
        args.parser.error(f"the protocol {args.protocol} needs --data DIR")
    if args.sheet is not None and args.worst is None:
        args.parser.error("--sheet needs --worst N")

    sheet = None if args.worst is None else args.sheet or _sheet_name(args)
    inputs = Places(tuple(path for path in (args.data, args.predictions) if path is not None))
    guard = OverwriteGuard(inputs, args.overwrite, taken=sheet, elsewhere="choose another name")
    for path in (args.per_image, sheet):
        # Before minutes of measuring, not after them.
        if path is not None and not path.parent.is_dir():
            raise ExportFileError(f"cannot write {path}: there is no folder {path.parent}")
    if args.per_image is not None:
        guard.check(args.per_image)
        if args.per_image.suffix.lower() not in _TABLE_SUFFIXES:
            args.parser.error(f"--per-image {args.per_image}: a CSV table is written; name it rows.csv")
    if sheet is not None:
        replace(guard, taken=None).check(sheet)
        _check_format(sheet)

    from tddfa.alignment import FaceAligner
    from tddfa.evaluation import evaluate

    report = evaluate(args.protocol, FaceAligner(args.pack, threads=args.threads), args.data, **options)
    # First: minutes of measuring are not lost where a file cannot be written.
    print(json.dumps(report.record, indent=2) if args.json else report.text)
    if args.per_image is not None:
        _write_rows(report, args.per_image)
    if sheet is not None:
        _write_sheet(report, args, sheet)
    return 0


def _check_format(sheet: Path) -> None:
    """Refuse a contact sheet in a format that cannot be written, before anything is measured.

    Raises:
        InputError: it has such a suffix.
    """
    import numpy as np

    from tddfa.imaging.files import encode_image

    encode_image(np.zeros((8, 8, 3), np.uint8), sheet.suffix)


def _write_rows(report: Report, path: Path) -> None:
    try:
        report.write_rows(path)
    except OSError as error:
        raise ExportFileError(f"cannot write {path}: {error.strerror}") from None


def _sheet_name(args: argparse.Namespace) -> Path:
    from tddfa.packs import default_pack_name

    pack = Path(args.pack or default_pack_name()).name
    return Path(f"worst_{args.protocol}_{pack}.jpg".replace(":", "-"))


def _write_sheet(report: Report, args: argparse.Namespace, path: Path) -> None:
    from tddfa.evaluation import contact_sheet
    from tddfa.files import atomic_write
    from tddfa.imaging.files import encode_image
    from tddfa.provenance import marked

    if report.view is None:
        raise InputError(f"the protocol {args.protocol} has no faces to show; leave out --worst")
    data = encode_image(contact_sheet(report, report.worst(args.worst)), path.suffix)
    try:
        atomic_write(path, marked(data, path.suffix))
    except OSError as error:
        raise ExportFileError(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}", file=sys.stderr)
