"""Clips and photos with the outputs of a teacher, which stands in for the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import distinct, numbers, read_npz, table_rows, take, text, texts
from tddfa.evaluation.data.images import FolderImages, ImageSource, TarShards, require
from tddfa.shapes import Float32, Shaped
from tddfa.types import Image

TEACHER = "mediapipe.npz"

LARGEST_YAW_DEG = 40.0
"""Beyond, the teacher guesses the far side of a face."""

# The 68 landmarks in MediaPipe's scheme: contour from the subject's right ear over the chin, right brow, left
# brow, nose, right eye, left eye, outer lips, inner lips. Contours differ by a few pixels, as conventions do.
IBUG68 = (
    *(127, 234, 93, 132, 58, 172, 136, 150, 152, 379, 365, 397, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
    *(78, 81, 13, 311, 308, 402, 14, 178),
)


@dataclass(frozen=True, slots=True, eq=False)
class TeacherSet:
    """Faces with a teacher's outputs.

    Attributes:
        folder: where they are.
        teacher: its name.
        names: of the faces: photos, or `clip.mp4/00012`.
        person: a name for each: the clip, or the person of a photo.
        points478: MediaPipe's points, px.
        coefficients: ARKit coefficients.
        coefficient_names: their names.
        yaw_deg: of the head.
        clips: whether the faces are frames of clips.
    """

    folder: Path
    teacher: str
    names: tuple[str, ...]
    person: Shaped[np.ndarray, " n"]
    points478: Float32[np.ndarray, "n 478 3"]
    coefficients: Float32[np.ndarray, "n e"]
    coefficient_names: tuple[str, ...]
    yaw_deg: Float32[np.ndarray, " n"]
    clips: bool

    def __len__(self) -> int:
        return len(self.names)

    @property
    def points68(self) -> Float32[np.ndarray, "n 68 3"]:
        """The 68 landmarks among the teacher's points, px."""
        return self.points478[:, list(IBUG68)]

    def images(self) -> Iterator[Image]:
        """Read the image of each face, in order."""
        if self.clips:
            return _frames(self.folder, self.names)
        images = _images(self.folder)
        require(images, self.names, self.folder)
        return (images.read(name) for name in self.names)


def read_teacher_set(folder: Path) -> TeacherSet:
    """Read the faces that a teacher found within 40° of the camera.

    Raises:
        DatasetError: the folder has no such set, or one that is incomplete.
    """
    path = folder / TEACHER
    if not path.exists():
        raise DatasetError(
            f"{folder} holds neither portraits of this program nor {TEACHER}, the outputs of a teacher; "
            "benchmarks/accuracy/mediapipe_faces.py writes them for the clips or images of a folder"
        )
    arrays = read_npz(path)
    names, columns = (
        texts(take(arrays, name, path), f"{name} in {path}") for name in ("names", "blendshape_names")
    )

    def of_faces(name: str, *sides: int) -> Float32[np.ndarray, "n ..."]:
        values = numbers(take(arrays, name, path), (len(names), *sides), f"{name} in {path}")
        return values.astype(np.float32)

    points, yaw = of_faces("points478", 478, 3), of_faces("yaw_deg")
    coefficients = of_faces("blendshapes", len(columns))
    kept = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)) & (np.abs(yaw) <= LARGEST_YAW_DEG))
    if not len(kept):
        raise DatasetError(f"the teacher found no face in {folder} within {LARGEST_YAW_DEG:.0f}°")
    clips = all("/" in names[k] for k in kept)
    if clips:
        if not all(names[k].rpartition("/")[2].isdecimal() for k in kept):
            raise DatasetError(f"names in {path} are no frames of clips; such a name is clip.mp4/00012")
        kept = kept[_as_played([names[k] for k in kept])]
    kept_names = distinct([names[k] for k in kept], path)
    return TeacherSet(
        folder=folder,
        teacher=text(take(arrays, "source", path), f"source in {path}"),
        names=kept_names,
        person=_people(folder, kept_names, clips),
        points478=points[kept],
        coefficients=coefficients[kept],
        coefficient_names=columns,
        yaw_deg=yaw[kept],
        clips=clips,
    )


def _as_played(names: Sequence[str]) -> list[int]:
    """Return the order in which frames are read: clip after clip, each from its start."""
    clips = [name.rpartition("/")[0] for name in names]
    first = {clip: clips.index(clip) for clip in set(clips)}
    frames = [int(name.rpartition("/")[2]) for name in names]
    return sorted(range(len(names)), key=lambda k: (first[clips[k]], frames[k]))


def _people(folder: Path, names: tuple[str, ...], clips: bool) -> Shaped[np.ndarray, " n"]:
    """Return who is on each: the clip, or the column `person` or `clip` of index.csv, or nobody known."""
    if clips:
        return np.array([name.rpartition("/")[0] for name in names])
    path = folder / "index.csv"
    if not path.exists():
        return np.array(names)
    table = table_rows(path)
    try:
        rows = {row["name"]: row.get("person") or row.get("clip") or row["name"] for row in table}
        return np.array([rows[name] for name in names])
    except KeyError as error:
        raise DatasetError(f"{path} is no table with a column name that has every face: {error}") from None


def _images(folder: Path) -> ImageSource:
    shards = sorted(folder.glob("*.tar"))
    return TarShards(shards) if shards else FolderImages(folder)


def _frames(folder: Path, names: tuple[str, ...]) -> Iterator[Image]:
    from tddfa.video import VideoReader

    wanted: dict[str, list[int]] = {}
    for name in names:
        clip, _, frame = name.rpartition("/")
        wanted.setdefault(clip, []).append(int(frame))
    for clip, places in wanted.items():
        if not (folder / clip).is_file():
            raise DatasetError(f"{folder / TEACHER} names the clip {clip}, which is not in {folder}")
        left = iter(places)
        number = next(left)
        for k, frame in enumerate(VideoReader(folder / clip)):
            if k == number:
                yield frame.image
                number = next(left, -1)
        if number >= 0:
            raise DatasetError(f"{folder / clip} ends before frame {number}, which {TEACHER} names")
