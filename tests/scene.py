"""People who move over a picture, known exactly, and a stand-in for networks that looks at them.

`SceneAligner` sees what a camera would: of people who cover one another the nearer, nobody outside the
picture. Like a network it answers for any crop: with the person in it, and noise; where there is none, with
nonsense. The pictures are maps: their colours say which frame and which place they show, so that the
stand-in also knows where a part of a picture was cut. `SceneAligner.image` also shows the people, each with
a look of their own, which trackers tell them apart by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation, rotation_about
from tddfa.morphable import open_face_model
from tddfa.types import BoundingBox, Detection, Face, FaceParams, HeadPose

HEIGHT, WIDTH = 360, 640
MODEL = open_face_model(level=0)
SIZE_MM = 140.0
RATE = 30


@dataclass(frozen=True)
class Person:
    """Where somebody is in each frame.

    Attributes:
        place: frame → (x, y, width of the face, distance), px; None while absent.
        pose: frame → yaw, pitch, roll in degrees.
        blink: frame → how far the eyes are closed.
        look: people with the same number look alike; everybody looks different when not given.
    """

    place: Callable[[int], tuple[float, float, float, float] | None]
    pose: Callable[[int], tuple[float, float, float]] = lambda t: (0.0, 0.0, 0.0)
    blink: Callable[[int], float] = lambda t: 0.0
    look: int | None = None

    def params(self, t: int) -> FaceParams | None:
        place = self.place(t)
        if place is None:
            return None
        x, y, size, _ = place
        camera = scaled_camera(
            size / SIZE_MM, head_rotation(HeadPose(*self.pose(t))), np.array([x, y], float)
        )
        blink = self.blink(t)
        return MODEL.params(camera, expression={"eyeBlinkLeft": blink, "eyeBlinkRight": blink})


_Y, _X = np.mgrid[:HEIGHT, :WIDTH]
_MAP = np.stack([_X * 255 / WIDTH, _Y * 255 / HEIGHT, 0 * _X], axis=-1).astype(np.uint8)


def scene_image(t: int) -> np.ndarray:
    """The picture of a frame: red says x, green y, blue the frame."""
    out = _MAP.copy()
    out[:, :, 2] = t + 1
    return out


def paint(image: np.ndarray, box: BoundingBox, look: int) -> None:
    """Paint a face and what is around it: a pattern that moves with the box. Blue stays 0, for the maps."""
    x0, y0, x1, y1 = (round(v) for v in box.scaled(1.6))
    rows, columns = np.mgrid[y0:y1, x0:x1]
    inside = (rows >= 0) & (rows < HEIGHT) & (columns >= 0) & (columns < WIDTH)
    u, v = (columns - x0) / (x1 - x0), (rows - y0) / (y1 - y0)
    a, b, phase = np.random.default_rng(look).uniform((2, 2, 0), (7, 7, 6))
    wave = np.sin(a * 3 * u + phase) * np.sin(b * 3 * v + phase)
    colors = np.stack([150 + 60 * wave + 10 * look, 110 + 60 * wave, 0 * wave], axis=-1)
    image[rows[inside], columns[inside]] = colors[inside].clip(0, 255).astype(np.uint8)


def face_of(params: FaceParams, score: float = 1.0) -> Face:
    points = MODEL.landmarks(params)
    return Face(Detection(BoundingBox.around(points), score), params, MODEL)


@dataclass
class SceneAligner:
    """Stands for a `FaceAligner`.

    Attributes:
        people: who is there.
        noise: of the parameters, in parts of the face.
        states_confidence: whether the network says how sure it is.
        detector_max_yaw_deg: beyond it the detector sees nobody.
        searches: how often a whole picture was searched.
    """

    people: Sequence[Person]
    noise: float = 0.004
    states_confidence: bool = False
    detector_max_yaw_deg: float = 65.0
    searches: int = 0
    truth: dict[int, dict[int, Face]] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def detector(self) -> SceneAligner:
        return self

    def seen(self, t: int) -> dict[int, Face]:
        """Who can be seen: in the picture, and not behind somebody."""
        if t not in self.truth:
            there = {
                k: face_of(p) for k, person in enumerate(self.people) if (p := person.params(t)) is not None
            }
            there = {k: f for k, f in there.items() if self._in_picture(f)}
            self.truth[t] = {k: f for k, f in there.items() if not any(self._covers(t, o, k) for o in there)}
        return self.truth[t]

    def image(self, t: int) -> np.ndarray:
        """The picture of a frame, with the people in it: the nearest last."""
        out = scene_image(t)
        there = [(k, p.place(t)) for k, p in enumerate(self.people)]
        for k, _ in sorted((x for x in there if x[1] is not None), key=lambda x: -x[1][3]):
            person = self.people[k]
            face = face_of(person.params(t))
            paint(out, face.detection.box, k if person.look is None else person.look)
        return out

    def detect(self, image: np.ndarray) -> list[Detection]:
        """As a detector: everybody in this picture, or part of a picture, who does not look away."""
        self.searches += image.shape[:2] == (HEIGHT, WIDTH)
        t = int(image[:, :, 2].max()) - 1
        row, column = (np.argmax((image[:, :, 2] == t + 1).sum(axis=axis)) for axis in (1, 0))
        x, y = (np.flatnonzero(line == t + 1) for line in (image[row, :, 2], image[:, column, 2]))
        if t < 0 or min(len(x), len(y)) < 10:
            return []
        x_scale, x0 = np.polyfit(x, image[row, x, 0] * (WIDTH / 255), 1).tolist()
        y_scale, y0 = np.polyfit(y, image[y, column, 1] * (HEIGHT / 255), 1).tolist()
        found = []
        for face in self.seen(t).values():
            box = face.detection.box
            here = BoundingBox(
                (box.x0 - x0) / x_scale,
                (box.y0 - y0) / y_scale,
                (box.x1 - x0) / x_scale,
                (box.y1 - y0) / y_scale,
            )
            x, y = here.center
            inside = 0 <= x < image.shape[1] and 0 <= y < image.shape[0]
            if inside and abs(face.pose.yaw_deg) < self.detector_max_yaw_deg:
                found.append(Detection(here, 0.9))
        return found

    def align(
        self,
        image: np.ndarray,
        *,
        boxes: Iterable[Detection] | None = None,
        landmarks: Iterable[np.ndarray] | None = None,
    ) -> list[Face]:
        """As a network: for each crop the person in it, or nonsense."""
        t = int(image[0, 0, 2]) - 1
        asked = (
            [d.box for d in boxes] if boxes is not None else [BoundingBox.around(p) for p in landmarks or []]
        )
        return [self._look(t, box) for box in asked]

    def align_candidates(
        self, image: np.ndarray, *, select: Callable[[list[Detection]], Iterable[Detection]] | None = None
    ) -> list[Face]:
        """As detector and network together."""
        candidates = self.detect(image)
        return self.align(image, boxes=[*(candidates if select is None else select(candidates))])

    def _look(self, t: int, box: BoundingBox) -> Face:
        size = max(box.width, box.height)

        def off(face: Face) -> float:
            b = face.detection.box
            zoom = abs(math.log(max(b.width, b.height) / size))
            return math.hypot(b.center[0] - box.center[0], b.center[1] - box.center[1]) / size + zoom

        there = list(self.seen(t).values())
        nearest = min(there, key=off, default=None)
        if nearest is None or off(nearest) > 0.55:
            return self._nonsense(box, size)
        params = nearest.params
        camera = params.camera.copy()
        turned = rotation_about(self.rng.normal(0, 2 * self.noise, 3)) * self.rng.normal(1, self.noise)
        camera[:, :3] = turned @ camera[:, :3]
        camera[:2, 3] += self.rng.normal(0, self.noise * size, 2)
        expression = params.expression + self.rng.normal(0, 5 * self.noise, 52).astype(np.float32)
        confidence = 0.9999 if self.states_confidence else None  # of real faces nearly always more
        return face_of(FaceParams(camera, params.identity, expression, confidence))

    def _nonsense(self, box: BoundingBox, size: float) -> Face:
        x, y = (np.array(box.center) + self.rng.normal(0, 0.2 * size, 2)).tolist()
        pose = HeadPose(*self.rng.uniform(-50, 50, 3))
        camera = scaled_camera(0.7 * size / SIZE_MM, head_rotation(pose), np.array([x, y]))
        camera[1, :3] *= self.rng.uniform(1.2, 2.0)
        identity, expression = np.zeros(80, np.float32), np.zeros(52, np.float32)
        return face_of(FaceParams(camera, identity, expression, 0.1 if self.states_confidence else None))

    def _in_picture(self, face: Face) -> bool:
        x, y = face.detection.box.center
        return 0 <= x < WIDTH and 0 <= y < HEIGHT

    def _covers(self, t: int, front: int, behind: int) -> bool:
        a, b = self.people[front].place(t), self.people[behind].place(t)
        if front == behind or a is None or b is None or a[3] >= b[3]:
            return False
        return math.hypot(a[0] - b[0], a[1] - b[1]) < 0.5 * a[2]
