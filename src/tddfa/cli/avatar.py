"""What `tddfa live` says about avatars: whose face, calibration, gains, ranges."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tddfa.errors import InputError

if TYPE_CHECKING:
    from tddfa.streams.avatar import Avatar, Calibration

DEFAULT_PERSON = "default"


def add_avatar_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for what `--to` sends; none of them changes a number unless it is given."""
    group = parser.add_argument_group("avatar", "what --to sends")
    group.add_argument(
        "--face",
        metavar="N|largest|all",
        type=_face,
        default="largest",
        help="the face with ID N, the largest, or all (default: largest)",
    )
    group.add_argument(
        "--calibrate",
        action="store_true",
        help="measure the face at rest for two seconds first, and save it under --person",
    )
    group.add_argument(
        "--person",
        metavar="NAME",
        help="use the calibration that was saved under this name; with --calibrate, save it (there, the name "
        f"is {DEFAULT_PERSON!r} unless given)",
    )
    group.add_argument(
        "--gain",
        metavar="NUMBERS",
        type=_shape_numbers,
        default={},
        help="factor of expressions: 1.2, or a comma list such as jawOpen=1.5,brow*=0.8",
    )
    group.add_argument(
        "--dead-zone",
        metavar="NUMBERS",
        type=_shape_numbers,
        default={},
        help="values up to which expressions rest: 0.05, or a comma list as for --gain",
    )
    group.add_argument(
        "--head-gain", metavar="X", type=float, default=1.0, help="factor of the head's angles (default: 1)"
    )
    group.add_argument(
        "--head-range", metavar="DEG", type=float, default=180.0, help="limit of the head's angles"
    )
    group.add_argument(
        "--eye-range",
        metavar="DEG",
        type=float,
        help="angle of an eye at coefficient 1 (default: that of the face model)",
    )
    group.add_argument(
        "--link-blinks", action="store_true", help="both eyes blink together, unless one winks"
    )
    group.add_argument(
        "--smooth-strength",
        metavar="X",
        type=float,
        default=1.0,
        help="calmer above 1, quicker below, with --smooth one-euro (default: 1)",
    )
    group.add_argument(
        "--hold",
        metavar="S",
        type=float,
        default=0.5,
        help="keep the last state of a lost face for S seconds (default: 0.5)",
    )
    group.add_argument(
        "--ease",
        metavar="S",
        type=float,
        default=1.0,
        help="then let it go to rest in S seconds (default: 1)",
    )


_NEED_TO = (
    *("face", "calibrate", "person", "gain", "dead_zone", "head_gain", "head_range", "eye_range"),
    *("link_blinks", "hold", "ease"),
)


def check_avatar_arguments(args: argparse.Namespace) -> None:
    """End with a usage error when an option is given that nothing would heed."""
    for name in _NEED_TO:
        if not args.to and getattr(args, name) != args.parser.get_default(name):
            args.parser.error(f"--{name.replace('_', '-')} changes what is sent; it needs --to")
    if args.smooth != "one-euro" and args.smooth_strength != 1:
        args.parser.error("--smooth-strength needs --smooth one-euro")


def avatar_of(args: argparse.Namespace) -> Avatar:
    """Return the avatar that the arguments describe.

    Raises:
        InputError: a number is out of range, or the person has no calibration.
    """
    from tddfa.streams.avatar import CALIBRATION_S, Avatar
    from tddfa.streams.avatar_calibration import Calibration, calibration_path
    from tddfa.streams.avatar_settings import AvatarSettings

    settings = AvatarSettings(
        gains=args.gain,
        dead_zones=args.dead_zone,
        head_gain=args.head_gain,
        head_range_deg=args.head_range,
        eye_range_deg=args.eye_range,
        link_blinks=args.link_blinks,
        mirrored=args.mirror,
        face=args.face,
        hold_s=args.hold,
        ease_s=args.ease,
    )
    if not args.calibrate:
        calibration = None if args.person is None else Calibration.load(calibration_path(args.person))
        return Avatar(settings, calibration=calibration)
    path = calibration_path(args.person or DEFAULT_PERSON)

    def save(calibration: Calibration) -> None:
        calibration.save(path)
        print(f"tddfa: calibrated; use it again with --person {path.stem} ({path})", file=sys.stderr)

    print(f"tddfa: look ahead with a face at rest for {CALIBRATION_S:g} seconds", file=sys.stderr)
    return Avatar(settings, calibrate=True, on_calibrated=save)


def warn_without_expressions(names: Sequence[str]) -> None:
    """Say so when a model's expressions are none that avatars have.

    Args:
        names: expressions of the face model.
    """
    from tddfa.export.capture import ARKIT_SHAPES

    if not set(ARKIT_SHAPES) & set(names):
        print(
            "tddfa: this pack's face model has no ARKit expressions; only the head and the landmarks move. "
            "The pack 'open' has them",
            file=sys.stderr,
        )


def smoother_of(args: argparse.Namespace) -> Any:
    """Return the smoother that `--smooth` and `--smooth-strength` describe.

    Raises:
        InputError: the strength is not above 0.
    """
    strength: float = args.smooth_strength
    if not 0 < strength <= 100:
        raise InputError(f"--smooth-strength {strength:g}; it takes numbers above 0, up to 100")
    if args.smooth != "one-euro" or strength == 1:
        return args.smooth
    from dataclasses import replace

    from tddfa.tracking.smoothing.one_euro import EXPRESSION, IDENTITY, POSE, OneEuro

    pose, expression, identity = (
        replace(tuning, min_cutoff=tuning.min_cutoff / strength, beta=tuning.beta / strength)
        for tuning in (POSE, EXPRESSION, IDENTITY)
    )
    return OneEuro(pose=pose, expression=expression, identity=identity)


def _face(text: str) -> int | str:
    if text in ("largest", "all"):
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither the ID of a face (0, 1, …) nor largest nor all"
        )
    return int(text)


def _shape_numbers(text: str) -> dict[str, float]:
    from tddfa.streams.avatar_settings import parse_shape_numbers

    try:
        return parse_shape_numbers(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
