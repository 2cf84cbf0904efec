"""Encoders of H.264 and their options."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.errors import InputError

# x264's presets, fastest first.
PRESETS = (*("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"),)
# With its default preset x264 would take longer than all else together; `superfast` takes a third of its
# time, for files half as large again at the same quality.
DEFAULT_PRESET = "superfast"
DEFAULT_CRF = 22

_SOFTWARE = ("libx264", "libopenh264", "mpeg4")
_HARDWARE = ("h264_nvenc", "h264_videotoolbox", "h264_qsv", "h264_amf", "h264_mf", "h264_v4l2m2m")
CHOICES = ("auto", "hardware", *_SOFTWARE, *_HARDWARE)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of FFmpeg and the options that it is opened with."""

    name: str
    options: dict[str, str]

    @property
    def finest_clock(self) -> Fraction:
        """The finest clock that it takes, s: MPEG-4 has 16 bits for the ticks of a second."""
        return Fraction(1, 60_000) if self.name == "mpeg4" else Fraction(0)


def encoders(choice: str = "auto", *, preset: str | None = None, crf: int | None = None) -> list[Encoder]:
    """Return the encoders to try, in order.

    Args:
        choice: "auto" (software), "hardware" (what this computer has, or software), or an encoder's name.
        preset: how much time x264 takes to make files small; "superfast" when not given.
        crf: constant rate factor, from 0 (lossless) to 51; 22 when not given.

    Raises:
        InputError: one of them is not known.
    """
    name: Any = choice
    if not isinstance(name, str) or choice not in CHOICES:
        raise InputError(f"no video encoder {_shown(choice)}; choose from {', '.join(CHOICES)}")
    given: Any = preset
    if preset is not None and (not isinstance(given, str) or preset not in PRESETS):
        raise InputError(f"no preset {_shown(preset)}; choose from {', '.join(PRESETS)}")
    level: Any = crf
    if crf is not None and (isinstance(level, bool) or not isinstance(level, int) or not 0 <= crf <= 51):
        raise InputError(f"crf is {_shown(crf)}; it goes from 0 (lossless, large) to 51 (small)")
    if choice == "auto":
        names = _SOFTWARE
    elif choice == "hardware":
        names = (*_HARDWARE, *_SOFTWARE)
    else:
        names = (choice,)
    return [
        Encoder(name, _options(name, preset or DEFAULT_PRESET, DEFAULT_CRF if crf is None else crf))
        for name in names
    ]


def _options(name: str, preset: str, crf: int) -> dict[str, str]:
    """Return an encoder's own options for about the same quality."""
    if name == "libx264":
        return {"preset": preset, "crf": str(crf)}
    if name == "h264_nvenc":
        return {"preset": "p4", "rc": "vbr", "cq": str(crf), "b": "0"}
    if name == "h264_qsv":
        return {"global_quality": str(max(crf, 1))}
    if name == "h264_amf":
        return {"rc": "cqp", "qp_i": str(crf), "qp_p": str(crf)}
    if name == "mpeg4":
        return {"q": str(max(1, round(crf / 7)))}
    # Encoders without a scale of quality: a rate that is enough for 1080p at the default, and halves every 6.
    return {"b": str(round(8_000_000 * 2 ** ((DEFAULT_CRF - crf) / 6)))}


def _shown(value: object) -> str:
    # Loaded when something is wrong: the command's options read this module, and NumPy would slow its help.
    from tddfa.types.arguments import shown

    return shown(value)
