"""A scene: shots, and in each the people who are in it, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.evaluation.scenes.heads import Head, Placement
from tddfa.imaging.warp import resize
from tddfa.shapes import Bool, Float32
from tddfa.types import Image

HEIGHT, WIDTH = 360, 640
NOISE = 3.0
"""Standard deviation of the noise of each frame, levels of 255: that of a good camera indoors."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A part of a scene without a cut.

    Attributes:
        paths: placements of each person in the shot, by the person's number; all of one length. People who
            come later in the mapping stand before the earlier ones.
        background: number of the background.
        n_frames: length of a shot that shows nobody.
    """

    paths: Mapping[int, Sequence[Placement]]
    background: int = 0
    n_frames: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.paths.values()))) if self.paths else self.n_frames


@dataclass(frozen=True, slots=True, eq=False)
class TrueFace:
    """A person in one frame.

    Attributes:
        landmarks: 68 points, px.
        visible: part of the head that lies in the image and behind nobody, in [0, 1].
    """

    landmarks: Float32[np.ndarray, "68 2"]
    visible: float


@dataclass(frozen=True, slots=True, eq=False)
class SceneFrame:
    """One frame of a scene, with its truth.

    Attributes:
        image: RGB.
        faces: the people in the shot, by number.
        since_cut: frames since the last cut, 0 in the first frame after it; None before the first cut.
    """

    image: Image
    faces: Mapping[int, TrueFace]
    since_cut: int | None


@dataclass(frozen=True, slots=True)
class Scene:
    """People and what they do.

    Attributes:
        name: what happens.
        shots: one after the other; a cut lies between two.
    """

    name: str
    shots: Sequence[Shot]

    @property
    def people(self) -> tuple[int, ...]:
        """The numbers of the people who appear."""
        return tuple(sorted({person for shot in self.shots for person in shot.paths}))

    def frames(
        self, heads: Sequence[Head], backgrounds: Sequence[Image], seed: int = 0
    ) -> Iterator[SceneFrame]:
        """Render the frames.

        Args:
            heads: at least as many as there are people; more people than heads repeat them.
            backgrounds: any number above 0; shots take them in turn.
            seed: of the noise.
        """
        rng = np.random.default_rng(seed)
        for number, shot in enumerate(self.shots):
            wall = resize(backgrounds[shot.background % len(backgrounds)], WIDTH, HEIGHT)
            for k in range(len(shot)):
                image = wall.copy()
                placements = {person: path[k] for person, path in shot.paths.items()}
                faces = _drawn(image, heads, placements)
                noise = rng.standard_normal(image.shape, np.float32) * np.float32(NOISE)
                noisy = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
                yield SceneFrame(noisy, faces, k if number else None)


def _drawn(image: Image, heads: Sequence[Head], placements: Mapping[int, Placement]) -> dict[int, TrueFace]:
    """Draw the heads of a frame, the first one first; return their truth."""
    drawn: dict[int, tuple[Float32[np.ndarray, "68 2"], Bool[np.ndarray, "h w"], float]] = {}
    for person, placement in placements.items():
        head = heads[person % len(heads)]
        params = head.params(placement)
        mask, area = head.draw(image, params)
        drawn = {who: (points, earlier & ~mask, whole) for who, (points, earlier, whole) in drawn.items()}
        drawn[person] = (head.landmarks(params), mask, area)
    return {
        person: TrueFace(points, min(float(mask.sum()) / area, 1.0))
        for person, (points, mask, area) in drawn.items()
    }


def plain_background() -> Image:
    """Return a wall with light from one side."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    channels = [90 + rows // 6, 100 + columns // 8, 110 + (rows + columns) // 20]
    return np.stack(channels, axis=-1).astype(np.uint8)
