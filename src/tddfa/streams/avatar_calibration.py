"""The resting face of a person: what is taken off before an avatar gets it."""

from __future__ import annotations

import json
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.errors import InputError
from tddfa.export.capture import ARKIT_SHAPES, FaceCapture
from tddfa.export.files import write
from tddfa.types import HeadPose

SCHEMA = "tddfa.calibration/1"

_MAX_REST = 0.9  # an expression that rests higher could not move any more
_NAME = re.compile(r"[\w-]{1,64}")
_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A face at rest that looks ahead.

    Attributes:
        shapes: the ARKit expressions by name.
        head: rotation of the head.
    """

    shapes: Mapping[str, float]
    head: HeadPose

    @classmethod
    def of(cls, captures: Sequence[FaceCapture]) -> Calibration:
        """Return the median of captures, so that a blink among them does not count.

        Args:
            captures: one or more, of a person at rest.
        """
        shapes = {name: statistics.median(c.shapes[name] for c in captures) for name in ARKIT_SHAPES}
        angles = [statistics.median(getattr(c.head, angle) for c in captures) for angle in _ANGLES]
        return cls({name: min(max(v, 0.0), _MAX_REST) for name, v in shapes.items()}, HeadPose(*angles))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file; its folder is made when it is missing.

        Raises:
            ExportFileError: the file cannot be written.
            InputError: the folder cannot be made.
        """
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "shapes": dict(self.shapes),
            "head": {angle: getattr(self.head, angle) for angle in _ANGLES},
        }
        folder = Path(path).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None
        write(path, (json.dumps(record, indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read a file that `save` wrote.

        Raises:
            InputError: the file is missing, or not such a file.
        """
        try:
            record: Any = json.loads(Path(path).read_text(encoding="utf-8-sig"))
            if record["schema"] != SCHEMA:
                raise ValueError(f"its schema is {record['schema']!r}, not {SCHEMA!r}")
            shapes = {name: float(record["shapes"][name]) for name in ARKIT_SHAPES}
            angles = [float(record["head"][angle]) for angle in _ANGLES]
            if not all(0 <= v <= _MAX_REST for v in shapes.values()) or not all(
                -180 <= a <= 180 for a in angles
            ):
                raise ValueError("a number is out of range")
        except OSError as error:
            raise InputError(f"cannot read the calibration {path}: {error.strerror}; {_ADVICE}") from None
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            told = f"{error} is missing" if isinstance(error, KeyError) else _first_line(error)
            raise InputError(f"{path} is no calibration: {told}; {_ADVICE}") from None
        return cls(shapes, HeadPose(*angles))


_ADVICE = "make it with --calibrate"


def _first_line(error: Exception) -> str:
    if isinstance(error, TypeError):
        return "a part of it is of another kind"  # Python tells of its own types
    return str(error).splitlines()[0]


def calibration_path(person: str) -> Path:
    """Return the file of a person's calibration, in the user's configuration folder.

    Raises:
        InputError: the name could not be a file name everywhere.
    """
    from platformdirs import user_config_path

    if not _NAME.fullmatch(person):
        raise InputError(f"person {person!r}: a name has 1 to 64 letters, digits, '-' or '_'")
    return user_config_path("tddfa", appauthor=False) / "avatar" / f"{person}.json"
