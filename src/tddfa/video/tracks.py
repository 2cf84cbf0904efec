"""Choose the video track that a person means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tddfa.errors import VideoFileError

if TYPE_CHECKING:
    from av.container import InputContainer

_DEFAULT, _ATTACHED, _THUMBNAILS, _STILL = 0x1, 0x400, 0x800, 0x100000  # FFmpeg's dispositions


def video_track(container: InputContainer, name: str) -> Any:
    """Return the best video stream of a container.

    Covers and thumbnails are none. Among several (programmes of a broadcast, sizes of a stream), those that
    are known to have a single frame come last; of the others the one that is marked as default is taken, then
    the largest.

    Args:
        container: an open file.
        name: of it, for messages.

    Raises:
        VideoFileError: it has no video, or none that can be decoded.
    """
    streams: list[Any] = list(container.streams.video)
    videos = [s for s in streams if not _disposition(s) & (_ATTACHED | _THUMBNAILS)]
    sound = bool(container.streams.audio)
    if not videos:
        if streams:
            raise VideoFileError(
                f"{name} has no video track, only {'sound and ' if sound else ''}a cover image"
            )
        raise VideoFileError(f"{name} has no video track, {'only sound' if sound else 'no images'}")
    decodable = [s for s in videos if _has_decoder(s)]
    if not decodable:
        raise VideoFileError(
            f"{name} has video of a kind that this build of FFmpeg does not decode{_tag(videos[0])}"
        )
    return max(decodable, key=_rank)


def _rank(stream: Any) -> tuple[bool, bool, int, int]:
    disposition = _disposition(stream)
    area = int(stream.codec_context.width or 0) * int(stream.codec_context.height or 0)
    moves = not disposition & _STILL and stream.frames != 1  # 0 where the container does not tell
    return moves, bool(disposition & _DEFAULT), area, -int(stream.index)


def _disposition(stream: Any) -> int:
    return int(getattr(stream, "disposition", 0) or 0)


def _has_decoder(stream: Any) -> bool:
    context = getattr(stream, "codec_context", None)
    try:
        return context is not None and context.codec is not None and bool(context.name)
    except (AttributeError, ValueError):
        return False


def _tag(stream: Any) -> str:
    context = getattr(stream, "codec_context", None)
    tag = str(getattr(context, "codec_tag", "") or "").strip("\x00 ")
    return f" ({tag})" if tag.isprintable() and tag else ""
