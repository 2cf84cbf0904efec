"""Where the stages meet: image → detections → params → faces."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from tddfa.detection import Detector, make_detector
from tddfa.errors import InputError
from tddfa.first_look import Belief, CheckedDetector, FirstLook
from tddfa.morphable import make_model
from tddfa.packs import ModelPack, default_pack_name, find_pack
from tddfa.parallel import in_order
from tddfa.regression import Regressor, make_regressor
from tddfa.regression.upright import quarter_turns, turned_back
from tddfa.runtime import Engine, onnx_engine
from tddfa.types import BoundingBox, BoxLike, Detection, Face, FaceParams, Image

# Score of a candidate in a picture that was turned upside down because nobody was found: with it, no face is
# seen in 700 face-free pictures; upright, three are.
_LIKELY = 0.5


class FaceAligner:
    """Finds the faces of pictures, with their dense meshes, landmarks and head poses.

    Args:
        pack: name of an installed pack, the folder of a pack, or an open pack; the default pack when not
            given. See `tddfa packs list`.
        detector: any object with `detect(image) -> list[Detection]`; the pack's own when not given.
        engine: runs the pack's networks; ONNX Runtime on the CPU when not given.
        threads: for each network, with the default engine.

    Raises:
        PackNotFoundError: no such pack is installed.
        PackError: the pack is broken.

    Example:
        >>> aligner = FaceAligner()
        >>> faces = aligner.align(read_image("photo.jpg"))
        >>> faces[0].pose.yaw_deg
    """

    def __init__(
        self,
        pack: str | os.PathLike[str] | ModelPack | None = None,
        *,
        detector: Detector | None = None,
        engine: Engine | None = None,
        threads: int = 1,
    ) -> None:
        self.pack = pack if isinstance(pack, ModelPack) else find_pack(pack or default_pack_name())
        self._engine = engine or onnx_engine(threads=threads)
        manifest = self.pack.manifest
        self.model = make_model(manifest.name, manifest.model, self.pack.arrays)
        self._regressor = self._make_regressor(manifest.regressor["file"])
        self._passes: int = manifest.regressor.get("passes", 1)
        self._detector = detector
        # Of another detector's scores the pack knows nothing.
        scores = (manifest.detector or {}) if detector is None else {}
        self._belief = Belief(
            manifest.regressor.get("min_confidence", 0.0),
            scores.get("sure_score", math.inf),
        )

    @property
    def detector(self) -> Detector:
        """What looks for faces: the detector, checked by the network where the pack asks for it."""
        own = self._own_detector()
        return own if self._belief.blind else CheckedDetector(own, self._first_look)

    @cached_property
    def _first_look(self) -> FirstLook:
        return FirstLook(self._first_regressor, self.model.landmarks, self._belief)

    @cached_property
    def _first_regressor(self) -> Regressor:
        file = self.pack.manifest.regressor.get("first_look")
        return self._regressor if file is None else self._make_regressor(file)

    @property
    def _further_looks(self) -> int:
        # Where another network takes the first look, the last is never its own.
        other = "first_look" in self.pack.manifest.regressor
        return max(self._passes - 1, 1 if other else 0)

    def _own_detector(self) -> Detector:
        # The pack's own is loaded when first needed.
        if self._detector is None:
            settings = self.pack.manifest.detector
            if settings is None:
                raise InputError(
                    f"pack {self.pack.manifest.name!r} has no detector; pass detector=, boxes= or landmarks="
                )
            self._detector = make_detector(self._network(settings["file"]), settings)
        return self._detector

    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[BoxLike] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
    ) -> list[Face]:
        """The faces of a picture, in the order of their boxes; [] when nobody is there.

        Where most faces lie or stand on their head, or nobody is found, the picture is turned and searched
        again, if the pack's network can tell whether a face is one.

        Args:
            image: RGB (h, w, 3), uint8.
            boxes: where the faces are, px: (x0, y0, x1, y1[, score]) each; found by the detector when
                neither boxes nor landmarks are given.
            landmarks: instead of boxes, points on each face (n, 2 or 3), px: 68 landmarks or all vertices,
                for example those of the frame before.

        Raises:
            InputError: the image, a box or landmarks cannot be used.
        """
        check_image(image)
        if boxes is not None and landmarks is not None:
            raise InputError("boxes and landmarks were given; pass one of them")
        if landmarks is not None:
            points = [_points(p) for p in landmarks]
            detections = [Detection(BoundingBox.around(p)) for p in points]
            params = self._regressor.from_points(image, points)
        elif boxes is not None:
            detections = _detections(boxes)
            params = self._first_regressor.from_boxes(image, [d.box for d in detections])
            params = self._looked_at_again(image, params, self._further_looks)
        else:
            found = self.search(image)
            turns = _turns_of_the_picture(found)
            turned = self._search_turned(image, turns, sure=bool(found)) if turns else []
            # Faces that stand upright in a picture of others that do not are mostly none.
            lost = len(turned) < sum(quarter_turns(face.landmarks) == turns for face in found)
            return found if lost or not turned else turned
        return [self._face(d, p) for d, p in zip(detections, params, strict=True)]

    def search(
        self, image: Image, among: Callable[[list[Detection]], Iterable[Detection]] | None = None
    ) -> list[Face]:
        """The faces of a picture that stands upright, those alone that are wanted.

        Args:
            image: RGB (h, w, 3), uint8.
            among: from the detector's candidates, best first and many of them false, those to look at: who
                knows some of the faces already saves their alignment.

        Raises:
            InputError: the image cannot be used.
        """
        check_image(image)
        candidates = list(self._own_detector().detect(image))
        found = self._first_look.faces(image, candidates if among is None else list(among(candidates)))
        detections = [d for d, _ in found]
        params = self._looked_at_again(image, [p for _, p in found], self._further_looks)
        return [self._face(d, p) for d, p in zip(detections, params, strict=True) if self._belief.holds(p)]

    def align_many(self, images: Iterable[Image], *, workers: int = 1) -> Iterator[list[Face]]:
        """The faces of each picture, picture after picture, as `align` finds them.

        Pictures are taken from the iterable as they are needed: a generator that reads thousands of files
        needs the memory of a few.

        Args:
            images: RGB (h, w, 3), uint8, of any sizes.
            workers: pictures that are worked on at a time, each by a thread of its own. With as many as there
                are cores, `threads=1` of the aligner is the fastest.

        Raises:
            InputError: `workers` is below 1; or, at its turn, a picture cannot be used.

        Example:
            >>> for faces in aligner.align_many(map(read_image, paths), workers=8):
            >>>     ...
        """
        if workers < 1:
            raise InputError(f"workers={workers}; it takes 1 or more")
        return in_order(self.align, images, workers)

    def align_crops(self, crops: Sequence[Image], squares: Iterable[BoxLike]) -> list[Face]:
        """The faces in crops that were cut before, as data sets have them.

        Args:
            crops: square RGB pictures of any size, one face each.
            squares: where each was cut from its picture, px; the faces are in the frame of that picture.

        Raises:
            InputError: a crop is no square picture, or there are not as many squares as crops.
        """
        detections = [_detection(square) for square in squares]
        if len(detections) != len(crops):
            raise InputError(
                f"{len(crops)} crops and {len(detections)} squares were given; one each is needed"
            )
        for crop in crops:
            check_image(crop)
            if crop.shape[0] != crop.shape[1]:
                raise InputError(f"a crop is {crop.shape[1]}×{crop.shape[0]} px; crops are square")
        params = self._regressor.from_crops(crops, [d.box for d in detections])
        return [self._face(d, p) for d, p in zip(detections, params, strict=True)]

    def _search_turned(self, image: Image, turns: int, *, sure: bool) -> list[Face]:
        """The faces of a picture that was taken, or scanned, on its side or upside down.

        Args:
            image: the picture.
            turns: how often `np.rot90` turns it upright.
            sure: that it has to be turned; else only faces that are seen well are believed.
        """
        if self._belief.blind:
            return []
        turned = np.ascontiguousarray(np.rot90(image, turns))
        height, width = turned.shape[:2]
        faces: list[Face] = []
        for face in self.search(turned, None if sure else _seen_well):
            detection = face.detection
            # A corner is a point that a camera without a model would show.
            corners = [
                turned_back(np.column_stack([np.zeros((3, 3)), [x, y, 0.0]]), turns, width, height)[:2, 3]
                for x, y in ((detection.box.x0, detection.box.y0), (detection.box.x1, detection.box.y1))
            ]
            detection = replace(detection, box=BoundingBox.around(np.array(corners)))
            camera = turned_back(face.params.camera, turns, width, height)
            faces.append(self._face(detection, replace(face.params, camera=camera)))
        return faces

    def _looked_at_again(self, image: Image, params: list[FaceParams], times: int) -> list[FaceParams]:
        """The parameters from crops around the landmarks, which frame a face better than boxes."""
        for _ in range(times):
            params = self._next_look(image, params)
        return params

    def _next_look(self, image: Image, params: list[FaceParams]) -> list[FaceParams]:
        try:
            return self._regressor.from_points(image, [self.model.landmarks(p) for p in params])
        except InputError:  # landmarks of a false detection can lie anywhere
            return params if len(params) <= 1 else [q for p in params for q in self._next_look(image, [p])]

    def _face(self, detection: Detection, params: FaceParams) -> Face:
        return Face(detection, params, self.model.landmarks(params), self.model)

    def _make_regressor(self, file: str) -> Regressor:
        return make_regressor(self._network(file), self.pack.manifest.regressor, self.pack.arrays)

    def _network(self, file: str) -> Any:
        return self._engine(self.pack.read(file), f"{file} of pack {self.pack.manifest.name!r}")


def _seen_well(candidates: list[Detection]) -> list[Detection]:
    return [d for d in candidates if d.score >= _LIKELY]


def _turns_of_the_picture(faces: Sequence[Face]) -> int:
    """How often `np.rot90` turns a picture until most of its faces stand upright; twice where nobody is."""
    if not faces:
        return 2
    turns, count = Counter(quarter_turns(face.landmarks) for face in faces).most_common(1)[0]
    return turns if count > len(faces) / 2 else 0


def check_image(image: Any) -> None:
    """Refuse what is no RGB picture.

    Raises:
        InputError: `image` is not an array (h, w, 3) of uint8 with at least one pixel.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"the image is a {type(image).__name__}; an RGB array (height, width, 3) of uint8 is needed, as "
            f"read_image gives it"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(
            f"the image has the shape {image.shape} and type {image.dtype}; an RGB array "
            f"(height, width, 3) of uint8 is needed"
        )


def _detections(boxes: Iterable[BoxLike]) -> list[Detection]:
    try:
        each = list(boxes)
    except TypeError:
        raise InputError(f"boxes are a list of (x0, y0, x1, y1), one for each face, not {boxes!r}") from None
    return [_detection(box) for box in each]


def _detection(box: BoxLike) -> Detection:
    if isinstance(box, Detection):
        return box
    if isinstance(box, BoundingBox):
        return Detection(box)
    try:
        numbers: Sequence[float] = [float(v) for v in box]
    except (TypeError, ValueError):
        raise InputError(f"a box is made of numbers (x0, y0, x1, y1), not {box!r}") from None
    if len(numbers) not in (4, 5):
        raise InputError(f"a box has {len(numbers)} numbers; it takes (x0, y0, x1, y1) or a score as fifth")
    return Detection(BoundingBox(*numbers[:4]), numbers[4] if len(numbers) == 5 else 1.0)


def _points(points: Any) -> Float[np.ndarray, "n d"]:
    array = np.asarray(points)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] not in (2, 3) or array.dtype.kind not in "fiu":
        raise InputError(
            f"landmarks have the shape {array.shape}; (n, 2) or (n, 3) in px is needed for each face"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError("landmarks have coordinates that are not finite numbers")
    return array
