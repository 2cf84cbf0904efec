"""The portraits of the protocol: planned, rendered once, kept in a folder, read again."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.errors import DatasetError
from tddfa.evaluation.data.arrays import numbers, read_npz, same_count, take, texts
from tddfa.evaluation.data.images import TarImages, require
from tddfa.evaluation.expressions.gaze import gaze_directions
from tddfa.evaluation.expressions.units import BASES, MixtureDeck, moving_names, random_gaze, single_units
from tddfa.evaluation.faces import progress
from tddfa.evaluation.portraits import IMAGE_SIDE, random_appearance, random_studio, render_portrait
from tddfa.evaluation.portraits.canvas import portrait_model
from tddfa.geometry.camera import scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.imaging.files import encode_image
from tddfa.shapes import Float32, Float64, Int32, Shaped
from tddfa.types import FaceParams, HeadPose

VERSION = 1
"""Of the plan and the renderer: results of different versions are not comparable."""

TRUTH, PORTRAITS = "truth.npz", "portraits.tar"

SINGLES, HALVES, MIXTURES, NODS = 0, 500, 1000, 2000
"""Number of the first person who shows single expressions, the same at half weight, mixtures, nods."""

_QUALITY = 95
_FACE_PX = 150.0  # longer side of the box around the 68 points
_PITCHES_DEG = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
_HALF_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Size:
    """How many people a set has.

    Attributes:
        singles: who show every expression alone at weight 1.
        halves: who do so at weight 0.5.
        mixtures: who show three mixtures, a neutral face, a blink or wink, and a gaze.
        nods: who nod.
    """

    singles: int = 12
    halves: int = 4
    mixtures: int = 80
    nods: int = 6


@dataclass(frozen=True, slots=True)
class Shot:
    """One portrait of the plan.

    Attributes:
        kind: `neutral`, `base`, `single`, `mixture`, `blink`, `gaze` or `nod`.
        unit: the expression that is shown alone; empty for others.
        weight: of that expression.
        expression: weights by name.
        pose: of the head.
        studio: number of the studio: portraits of one person in one studio share light and background.
    """

    kind: str
    unit: str
    weight: float
    expression: Mapping[str, float]
    pose: HeadPose
    studio: int


@dataclass(frozen=True, slots=True, eq=False)
class PortraitSet:
    """Portraits with exact truth.

    Attributes:
        folder: where they are.
        portraits: the images.
        names: of the images.
        person: number of the person.
        kind: see `Shot`.
        unit: see `Shot`.
        weight: see `Shot`.
        expression_names: of the columns of `expression`.
        expression: weights.
        identity: coefficients.
        pose_deg: yaw, pitch, roll.
        gaze: unit vectors of the subject's left and right eye in the frame of the head.
        points68: 68 landmarks, px.
        points478: those of MediaPipe's 478 points that the face model has, px.
        indices478: their numbers.
    """

    folder: Path
    portraits: TarImages
    names: tuple[str, ...]
    person: Int32[np.ndarray, " n"]
    kind: Shaped[np.ndarray, " n"]
    unit: Shaped[np.ndarray, " n"]
    weight: Float32[np.ndarray, " n"]
    expression_names: tuple[str, ...]
    expression: Float32[np.ndarray, "n e"]
    identity: Float32[np.ndarray, "n i"]
    pose_deg: Float32[np.ndarray, "n 3"]
    gaze: Float32[np.ndarray, "n 2 3"]
    points68: Float32[np.ndarray, "n 68 2"]
    points478: Float32[np.ndarray, "n p 2"]
    indices478: Int32[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.names)


def is_portrait_set(folder: Path) -> bool:
    """Return whether a folder holds portraits."""
    return (folder / TRUTH).exists()


def read_portrait_set(folder: Path) -> PortraitSet:
    """Read portraits that were rendered before.

    Raises:
        DatasetError: the folder has none, or files that do not belong together.
    """
    path = folder / TRUTH
    arrays = read_npz(path)
    version = int(numbers(take(arrays, "version", path), (), f"version in {path}", kinds="iu"))
    if version != VERSION:
        raise DatasetError(
            f"the portraits in {folder} are of version {version} and this program measures version "
            f"{VERSION}; name another folder, and they are rendered again"
        )
    portraits = TarImages(folder / PORTRAITS)

    def words(name: str) -> tuple[str, ...]:
        return texts(take(arrays, name, path), f"{name} in {path}")

    def of_portraits(name: str, *sides: int | None) -> Float32[np.ndarray, "n ..."]:
        values = numbers(take(arrays, name, path), (len(names), *sides), f"{name} in {path}")
        return values.astype(np.float32)

    def whole(name: str) -> Int32[np.ndarray, " _"]:
        return numbers(take(arrays, name, path), (None,), f"{name} in {path}", kinds="iu").astype(np.int32)

    names, expression_names = words("names"), words("expression_names")
    require(portraits, names, folder / PORTRAITS)
    person, indices = whole("person"), whole("indices478")
    counts = {"names": len(names), **{name: len(words(name)) for name in ("kind", "unit")}}
    same_count({**counts, "people": len(person)}, folder)
    return PortraitSet(
        folder,
        portraits,
        names,
        expression_names=expression_names,
        person=person,
        kind=arrays["kind"],
        unit=arrays["unit"],
        weight=of_portraits("weight"),
        expression=of_portraits("expression", len(expression_names)),
        identity=of_portraits("identity", None),
        pose_deg=of_portraits("pose_deg", 3),
        gaze=of_portraits("gaze", 2, 3),
        points68=of_portraits("points68", 68, 2),
        points478=of_portraits("points478", len(indices), 2),
        indices478=indices,
    )


def write_portrait_set(folder: Path, size: Size | None = None, *, workers: int | None = None) -> None:
    """Render the portraits of the protocol into a folder that does not exist yet.

    Args:
        folder: appears when it is whole.
        size: how many people; the protocol's own number when not given.
        workers: processes; one per core when not given.

    Raises:
        DatasetError: the folder cannot be written.
    """
    size = size or Size()
    people = [
        *range(SINGLES, SINGLES + size.singles),
        *range(HALVES, HALVES + size.halves),
        *range(MIXTURES, MIXTURES + size.mixtures),
        *range(NODS, NODS + size.nods),
    ]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise DatasetError(f"cannot write {folder}: {error.strerror}") from None
    try:
        work.chmod(0o755)
        _write(work, people, workers)
        work.rename(folder)
    except OSError as error:
        raise DatasetError(f"cannot write {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def plan(person: int) -> list[Shot]:
    """Return the portraits of a person, in order."""
    rng = np.random.default_rng((VERSION, 1, person))
    names = _moving_names()
    if person >= NODS:
        yaw = float(rng.normal(0, 12))
        return [Shot("nod", "", 0.0, {}, HeadPose(yaw, pitch, 0.0), 0) for pitch in _PITCHES_DEG]
    if person >= MIXTURES:
        return _mixed_shots(person, rng)
    weight = 1.0 if person < HALVES else _HALF_WEIGHT
    pose = _random_pose(rng)
    shots = [Shot("neutral", "", 0.0, {}, pose, 0)]
    for base in dict.fromkeys(BASES[unit] for unit in BASES if unit in names):
        shots.append(Shot("base", base, weight, {base: weight}, pose, 0))
    for unit, parts in single_units(names).items():
        expression = dict.fromkeys(parts, weight)
        if unit in BASES:
            expression[BASES[unit]] = weight
        shots.append(Shot("single", unit, weight, expression, pose, 0))
    return shots


def _mixed_shots(person: int, rng: np.random.Generator) -> list[Shot]:
    names = _moving_names()
    # One deck for all people: each expression occurs as often as the others.
    deck = MixtureDeck(names, np.random.default_rng((VERSION, 2)))
    drawn = [deck.draw() for _ in range(3 * (person - MIXTURES + 1))][-3:]
    number = person - MIXTURES
    left, right = ("eyeBlinkLeft", "eyeBlinkRight")
    closed = float(rng.uniform(0.6, 1))
    blink: dict[str, float] = [{left: closed}, {right: closed}, {left: closed, right: closed}, {}][number % 4]
    if not blink:
        wide = float(rng.uniform(0.2, 0.5))
        blink = {left: wide, right: wide}
    shots = [
        ("neutral", dict[str, float]()),
        *(("mixture", expression) for expression in drawn),
        ("blink", blink),
        ("gaze", random_gaze(rng, float(rng.uniform(0.2, 1)))),
    ]
    return [Shot(kind, "", 0.0, e, _random_pose(rng), k) for k, (kind, e) in enumerate(shots)]


def _random_pose(rng: np.random.Generator) -> HeadPose:
    yaw = float(np.clip(rng.normal(0, 15), -45, 45))
    return HeadPose(yaw, float(rng.normal(0, 8)), float(rng.normal(0, 6)))


def _moving_names() -> tuple[str, ...]:
    model = portrait_model()
    return moving_names(model.expression_names, np.abs(model.expression_basis).max(axis=(0, 1)).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class _Rendered:
    shot: Shot
    params: FaceParams
    jpeg: bytes


def _render_person(person: int) -> list[_Rendered]:
    model = portrait_model()
    appearance = random_appearance(np.random.default_rng((VERSION, 3, person)))
    rendered: list[_Rendered] = []
    for shot in plan(person):
        rng = np.random.default_rng((VERSION, 4, person, shot.studio))
        studio = random_studio(rng)
        camera = _camera(appearance.identity, shot.pose, rng.uniform(-0.06, 0.06, 2))
        params = model.params(camera, appearance.identity, shot.expression)
        jpeg = encode_image(render_portrait(appearance, studio, params), "jpg", quality=_QUALITY)
        rendered.append(_Rendered(shot, params, jpeg))
    return rendered


def _camera(
    identity: Float32[np.ndarray, " i"], pose: HeadPose, off_centre: Float64[np.ndarray, "2"]
) -> Float64[np.ndarray, "3 4"]:
    """Return the camera that shows the neutral face at its size near the middle, whatever its expression."""
    model, R = portrait_model(), head_rotation(pose)
    points = model.landmarks(model.params(scaled_camera(1.0, R, np.zeros(2)), identity))[:, :2]
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    scale = _FACE_PX / float((high - low).max())
    center = (IMAGE_SIDE - 1) / 2 + _FACE_PX * off_centre - scale * (low + high) / 2
    return scaled_camera(scale, R, center)


def _write(work: Path, people: Sequence[int], workers: int | None) -> None:
    shots: list[tuple[int, Shot]] = []
    params: list[FaceParams] = []
    names: list[str] = []
    with tarfile.open(work / PORTRAITS, "w:") as archive:
        for person, rendered in _rendered(people, workers):
            for k, one in enumerate(rendered):
                names.append(f"{person:04d}_{k:02d}_{one.shot.unit or one.shot.kind}.jpg")
                member = tarfile.TarInfo(names[-1])
                member.size = len(one.jpeg)
                archive.addfile(member, io.BytesIO(one.jpeg))
                shots.append((person, one.shot))
                params.append(one.params)
    model = portrait_model()
    numbers = model.landmark_set("mediapipe478").indices
    assert numbers is not None
    arrays: dict[str, Shaped[np.ndarray, "..."]] = {
        "version": np.array(VERSION),
        "names": np.array(names),
        "person": np.array([person for person, _ in shots], np.int32),
        "kind": np.array([shot.kind for _, shot in shots]),
        "unit": np.array([shot.unit for _, shot in shots]),
        "weight": np.array([shot.weight for _, shot in shots], np.float32),
        "expression_names": np.array(model.expression_names),
        "expression": np.stack([p.expression for p in params]),
        "identity": np.stack([p.identity for p in params]),
        "camera": np.stack([p.camera for p in params]),
        "pose_deg": np.array(
            [(s.pose.yaw_deg, s.pose.pitch_deg, s.pose.roll_deg) for _, s in shots], np.float32
        ),
        "gaze": gaze_directions(model.expression_names, np.stack([p.expression for p in params])),
        "points68": np.stack([model.landmarks(p)[:, :2] for p in params]),
        "points478": np.stack([model.landmarks(p, "mediapipe478")[:, :2] for p in params]),
        "indices478": numbers,
    }
    np.savez_compressed(work / TRUTH, **arrays)  # pyright: ignore[reportArgumentType]


def _rendered(people: Sequence[int], workers: int | None) -> Iterator[tuple[int, list[_Rendered]]]:
    workers = min(workers or os.cpu_count() or 1, len(people))
    if workers <= 1:
        for person in progress(people, "portraits"):
            yield person, _render_person(person)
        return
    with ProcessPoolExecutor(workers) as pool:
        waiting = {person: pool.submit(_render_person, person) for person in people}
        for person in progress(people, "portraits"):
            yield person, waiting.pop(person).result()
