"""What is done with every input of a batch."""

from __future__ import annotations

from dataclasses import asdict, field, replace
from typing import Any, Literal

from tddfa.alignment import FaceAligner
from tddfa.dataclass import dataclass
from tddfa.errors import PackError
from tddfa.kinds import OutputOptions
from tddfa.packs import ModelPack, default_pack_name, find_pack
from tddfa.runtime.devices import check_device

GROUP = 16
"""Photos that are aligned at a time: small ones take a quarter less processor time than one by one."""

VIDEO_PART_S = 600.0
"""Length of the parts of long videos, s: a quarter of an hour of work at 15 frames a second."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What is done with every input of a batch.

    Attributes:
        pack: name or folder of the model pack; the default pack when not given.
        search_size: longer side at which images are searched, px; see `FaceAligner`.
        max_faces: only so many of the largest faces of a photo, or tracks of a video at a time.
        smooth: name of the smoother of videos.
        video_part_s: length of the parts into which longer videos are cut, s; 0 to leave them whole.
        kinds: kinds of files to write for each photo, keys of `tddfa.kinds.KINDS`.
        options: how these files are written.
        crops: width of a square JPEG of each face of photos, px, for the column `crop`; none when not given.
        device: where networks run; see `FaceAligner`.
        group: photos that are aligned at a time with `align_batch`, as far as memory goes.
        quality: how faces of videos are read, "fast" or "best"; see `FaceTracker`.
    """

    pack: str | None = None
    search_size: int | None = None
    max_faces: int | None = None
    smooth: str = "one-euro"
    kinds: tuple[str, ...] = ()
    options: OutputOptions = field(default_factory=OutputOptions)
    crops: int | None = None
    device: str = "cpu"
    group: int = GROUP
    video_part_s: float = VIDEO_PART_S
    quality: Literal["fast", "best"] = "fast"

    def resolved(self) -> BatchSettings:
        """Return the settings with the name of the pack, which is the same on every machine then.

        Raises:
            InputError: there is no such device.
        """
        check_device(self.device)
        return replace(self, pack=self.pack or default_pack_name())

    def open_pack(self) -> ModelPack:
        """Return the pack.

        Raises:
            PackNotFoundError: it is not installed.
        """
        return find_pack(self.pack or default_pack_name())

    def record(self) -> dict[str, Any]:
        """Return what the rows of a batch depend on, as plain values: the pack's content, and the options."""
        pack = self.open_pack()
        return {
            "pack": pack.manifest.name,
            "pack_sha256": pack.fingerprint,
            "search_size": self.search_size,
            "max_faces": self.max_faces,
            "smooth": self.smooth,
            "quality": self.quality,
            "kinds": list(self.kinds),
            "options": asdict(self.options),
            "crops": self.crops,
            "video_part_s": self.video_part_s,
        }

    def aligner(self, pack_sha256: str | None = None) -> FaceAligner:
        """Return the aligner of these settings, with its networks loaded when they are first used.

        Args:
            pack_sha256: fingerprint that the pack has to have.

        Raises:
            PackError: the pack is another one here.
        """
        pack = self.open_pack()
        if pack_sha256 is not None and pack.fingerprint != pack_sha256:
            raise PackError(
                f"pack {pack.manifest.name!r} in {pack.folder} is not the one that this batch was planned "
                "with; install the same pack on every machine"
            )
        return FaceAligner(pack, search_size=self.search_size, device=self.device)
