"""Find the faces of images."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, overload

import numpy as np

from tddfa.alignment.faces import Faces
from tddfa.alignment.finder import FaceFinder, Selection
from tddfa.alignment.inputs import (
    ErrorPolicy,
    as_detection,
    as_face,
    as_flags,
    as_points,
    as_square,
    at,
    check_max_faces,
    check_policy,
    check_search_size,
    check_selection,
    items,
    no_crop,
    usable,
)
from tddfa.alignment.networks import PackNetworks
from tddfa.alignment.orientation import (
    clearest_turn,
    face_turned_back,
    possible_turns,
    turning_helps,
    turns_to_upright,
)
from tddfa.alignment.prediction import predict_boxes, predict_points
from tddfa.alignment.search import SeparateSearches
from tddfa.alignment.verification import Verified
from tddfa.concurrency import in_order
from tddfa.deprecation import warn_renamed
from tddfa.detection import Detector, ScalableDetector
from tddfa.errors import InputError
from tddfa.imaging.pyramid import Pyramid
from tddfa.imaging.warp import turned as turned_image
from tddfa.morphable import pack_model
from tddfa.packs import ModelPack, default_pack_name, find_pack
from tddfa.runtime import Engine, onnx_engine
from tddfa.shapes import Float
from tddfa.types import BoundingBox, BoxLike, Detection, Face, FaceParams, Image
from tddfa.types.arguments import as_iterator, as_path, check_count, shown
from tddfa.types.image import check_image

# Minimum score of a candidate in an image that was turned upside down because no face was found. With it, no
# face is found in 700 face-free images; without it, three are.
_MIN_TURNED_SCORE = 0.5

# Mean distance of the landmarks of a face that is followed from those that the verifying network sees there,
# in sizes of the face, up to which both mean the same.
_MAX_APART = 0.06

_DEFAULTS = (None, 1, "cpu")  # of the options
_MAX_WORKERS = 1024


class FaceAligner:
    """Find the faces of images, with their dense meshes, landmarks and head poses.

    Args:
        pack: name of an installed pack, the folder of a pack, or an open pack; the default pack when not
            given. See `tddfa packs list`.
        detector: any object with `detect(image) -> list[Detection]`; the pack's own when not given.
        engine: runs the pack's networks; ONNX Runtime on the CPU when not given.
        threads: threads of each network, with the default engine.
        device: where the default engine runs networks: "cpu", "cuda", "coreml", "directml", "openvino", or
            "auto" for the first of them that is there.
        search_size: longer side at which images are searched, px, for all calls that do not name one. By
            default it depends on the image: ever larger copies are searched while there is no face, or one
            that is nearly too small. A larger number finds smaller faces beside large ones, a smaller one is
            faster.

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
        device: str = "cpu",
        search_size: int | None = None,
    ) -> None:
        if pack is not None and not isinstance(pack, ModelPack):
            as_path("pack", pack)
        if engine is not None and not callable(engine):
            raise InputError(f"engine is {shown(engine)}; a function that makes networks is needed")
        self.pack = pack if isinstance(pack, ModelPack) else find_pack(pack or default_pack_name())
        self._options = {
            "detector": detector,
            "engine": engine,
            "threads": threads,
            "device": device,
            "search_size": search_size,
        }
        self.model = pack_model(self.pack)
        self._networks = PackNetworks(self.pack, engine or onnx_engine(threads=threads, device=device))
        self._networks.load()
        self._search_size = check_search_size(search_size)
        self._finder = FaceFinder(self._networks, self.model.landmarks, detector)

    def __reduce__(self) -> Any:
        # The pack and the options; networks are loaded again where the pickle is read.
        return _make, (self.pack, self._options)

    def __repr__(self) -> str:
        options = [f"{name}={value!r}" for name, value in self._options.items() if value not in _DEFAULTS]
        return f"FaceAligner({', '.join([repr(self.pack.manifest.name), *options])})"

    @property
    def detector(self) -> Detector:
        """What finds faces: the detector, its detections verified where the pack asks for it."""
        return self._finder.verified_detector

    @overload
    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[BoxLike] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: Literal["raise"] = "raise",
    ) -> Faces: ...

    @overload
    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[BoxLike] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: ErrorPolicy,
    ) -> list[Face | None]: ...

    def align(
        self,
        image: Image,
        *,
        boxes: Iterable[BoxLike] | None = None,
        landmarks: Iterable[Float[np.ndarray, "n d"]] | None = None,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: ErrorPolicy = "raise",
    ) -> Faces | list[Face | None]:
        """Return the faces of an image, in the order of their boxes; [] where there are none.

        Where most faces lie or are upside down, or none is clear but one of the turned image is, the image is
        turned and searched again, if the pack's network predicts a confidence.

        Args:
            image: RGB (h, w, 3), uint8. OpenCV reads BGR, in which faces are missed: pass `bgr[..., ::-1]`.
            boxes: boxes of the faces, px: (x0, y0, x1, y1[, score]) each; the detector finds them when
                neither boxes nor landmarks are given.
            landmarks: instead of boxes, points on each face (n, 2 or 3), px: 68 landmarks or all vertices,
                for example those of the frame before.
            search_size: longer side at which the image is searched, px; that of the aligner by default. See
                `smallest_face`.
            max_faces: only so many faces, the largest ones, clear ones before doubtful ones. The search ends
                as soon as they are found; large ones are found in a small copy of the image.
            errors: for a box or points that cannot be used, "raise" an error that names it, or give "none":
                None in its place.

        Raises:
            InputError: the image, a box or landmarks cannot be used.
        """
        check_image(image)
        check_policy(errors)
        if boxes is not None and landmarks is not None:
            raise InputError("boxes and landmarks were given; pass one of them")
        most = check_max_faces(max_faces)
        if most is not None and (boxes is not None or landmarks is not None):
            raise InputError(
                f"max_faces={most} was given with the places of faces; all of them are read: leave it out"
            )
        source = Pyramid(image)
        if landmarks is not None:
            placed = usable("landmarks", items("landmarks", landmarks), as_points, errors)
            given = [None if each is None else Detection(each[1]) for each in placed]
            points = [each[0] for each in placed if each is not None]
            params = predict_points(self._networks.regressor, [source] * len(points), points)
            return self._given_faces("landmarks", source, given, params, errors)
        if boxes is not None:
            given = usable("boxes", items("boxes", boxes), as_detection, errors)
            params = self._params_of_boxes(source, [d.box for d in given if d is not None])
            return self._given_faces("boxes", source, given, params, errors)
        return self._found_faces([image], search_size, most)[0]

    @overload
    def align_batch(
        self,
        images: Iterable[Image],
        *,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: Literal["raise"] = "raise",
    ) -> list[Faces]: ...

    @overload
    def align_batch(
        self,
        images: Iterable[Image],
        *,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: ErrorPolicy,
    ) -> list[Faces | None]: ...

    def align_batch(
        self,
        images: Iterable[Image],
        *,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: ErrorPolicy = "raise",
    ) -> list[Faces] | list[Faces | None]:
        """Return the faces of each image, as `align` finds them, with the crops of all images in one batch.

        Many images with few faces each need fewer runs of the networks than one by one; all of them, and all
        of their faces, are in memory at once.

        Args:
            images: RGB (h, w, 3), uint8, of any sizes.
            search_size: as for `align`.
            max_faces: as for `align`.
            errors: for an image that cannot be used, "raise" an error that names it, or give "none": None in
                its place.

        Raises:
            InputError: an image cannot be used.
        """
        check_policy(errors)
        most = check_max_faces(max_faces)

        def checked(image: Any) -> Image:
            check_image(image)
            return image

        given = usable("images", images, checked, errors)
        found = iter(self._found_faces([image for image in given if image is not None], search_size, most))
        return [None if image is None else next(found) for image in given]

    @overload
    def align_many(
        self,
        images: Iterable[Image],
        *,
        workers: int = 1,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: Literal["raise"] = "raise",
    ) -> Iterator[Faces]: ...

    @overload
    def align_many(
        self,
        images: Iterable[Image],
        *,
        workers: int = 1,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: ErrorPolicy,
    ) -> Iterator[Faces | None]: ...

    def align_many(
        self,
        images: Iterable[Image],
        *,
        workers: int = 1,
        search_size: int | None = None,
        max_faces: int | None = None,
        errors: ErrorPolicy = "raise",
    ) -> Iterator[Faces] | Iterator[Faces | None]:
        """Yield the faces of each image, image after image, as `align` finds them.

        Images are taken from the iterable as they are needed: a generator that reads thousands of files
        needs the memory of a few.

        Args:
            images: RGB (h, w, 3), uint8, of any sizes.
            workers: images that are worked on at a time, each by a thread of its own. With as many as there
                are cores, `threads=1` of the aligner is the fastest.
            search_size: as for `align`.
            max_faces: as for `align`.
            errors: for an image that cannot be used, "raise" an error that names it, or give "none": None in
                its place.

        Raises:
            InputError: `workers` is not from 1 to 1024; or, at its turn, an image cannot be used.

        Example:
            >>> for faces in aligner.align_many(map(read_image, paths), workers=8):
            >>>     ...
        """
        check_policy(errors)
        check_max_faces(max_faces)
        check_search_size(search_size)
        check_count("workers", workers, _MAX_WORKERS)
        each = as_iterator("images", images, "images are needed, in a list or one after the other")

        def one(item: tuple[int, Image]) -> Faces | None:
            index, image = item
            try:
                check_image(image)
            except InputError as error:
                if errors == "none":
                    return None
                raise at("images", index, error) from None
            return self.align(image, search_size=search_size, max_faces=max_faces)

        return in_order(one, enumerate(each), workers)  # pyright: ignore[reportReturnType]

    def align_candidates(
        self, image: Image, *, select: Selection | None = None, search_size: int | None = None
    ) -> Faces:
        """Return the faces of an upright image among some of the detector's candidates.

        Args:
            image: RGB (h, w, 3), uint8.
            select: returns the candidates to verify, given all of them, best first and many of them false.
                Leaving out known faces saves their alignment.
            search_size: longer side at which the image is searched, px; that of the aligner, or the usual one
                of the detector, by default.

        Raises:
            InputError: the image cannot be used.
        """
        check_image(image)
        check_selection(select)
        sources = [Pyramid(image)]
        return self._faces(sources, self._finder.faces(sources, [select], self._size(search_size)))[0]

    def search_candidates(self, image: Image, *, select: Selection | None = None) -> Faces:
        """Return what `align_candidates` does, from ever larger copies of the image while there is no face.

        Where the first copy shows a face, it takes no longer; the last copy of a 4K image takes forty times
        as long.

        Args:
            image: RGB (h, w, 3), uint8.
            select: as for `align_candidates`; it is asked for each copy.

        Raises:
            InputError: the image cannot be used.
        """
        check_image(image)
        check_selection(select)
        detector = self._finder.detector
        if self._search_size is not None or not isinstance(detector, ScalableDetector):
            return self.align_candidates(image, select=select)
        steps = detector.search(image)
        if select is not None:
            steps = (replace(step, detections=list(select(step.detections))) for step in steps)
        sources = [Pyramid(image)]
        return self._faces(sources, self._finder.among(sources, SeparateSearches([steps])))[0]

    def align_crops(self, crops: Iterable[Image], squares: Iterable[BoxLike]) -> Faces:
        """Return the faces in crops that were cut before, as data sets have them.

        Args:
            crops: square RGB images of any size, one face each.
            squares: where each was cut from its image, px; the faces are in the frame of that image.

        Raises:
            InputError: a crop is no square image, or there are not as many squares as crops.
        """
        detections: list[Detection] = usable("squares", squares, as_detection, "raise")
        crops = usable("crops", crops, as_square, "raise")
        if len(detections) != len(crops):
            raise InputError(
                f"{len(crops)} crops and {len(detections)} squares were given; one each is needed"
            )
        boxes = [d.box for d in detections]
        params = self._networks.corrected_crops(
            crops, boxes, self._networks.regressor.from_crops(crops, boxes)
        )
        return Faces(Face(d, p, self.model) for d, p in zip(detections, params, strict=True))

    @property
    def can_follow(self) -> bool:
        """Whether the pack can `follow` faces from frame to frame."""
        return self._networks.following is not None

    def follow(
        self,
        image: Image,
        faces: Iterable[Face],
        *,
        verify: Iterable[bool] | None = None,
        identify: Iterable[bool] | None = None,
    ) -> list[Face | None]:
        """Return the faces of the frame before as they are in this one.

        It takes half as long as `align` on their landmarks, which two networks read. What is returned has
        the detection of the face that was given, and its confidence, unless it is verified.

        Args:
            image: RGB (h, w, 3), uint8: the frame.
            faces: of this aligner, each where it is expected in the frame.
            verify: for each face, whether the network that sees detections looks as well, and says how
                confident it is; none is verified by default.
            identify: for each face, whether the identity of the person is read anew where the face is
                verified; it stays that of the face that was given by default. The mesh is the same either
                way.

        Returns:
            None for a face that cannot be followed: it is turned away or outside the image, it has moved too
            far, or the other network sees it elsewhere. `align` on its landmarks finds it, or not.

        Raises:
            InputError: the image or a face cannot be used, or the pack cannot follow faces.

        Example:
            >>> for frame in VideoReader("clip.mp4"):
            >>>     faces = [face for face in aligner.follow(frame.image, faces) if face is not None]
        """
        check_image(image)
        given: list[Face] = usable(
            "faces", faces, partial(as_face, n_identity=self.model.n_identity), "raise"
        )
        wanted = as_flags("verify", verify, len(given))
        unknown = as_flags("identify", identify, len(given))
        network = self._networks.following
        if network is None:
            raise InputError(
                f"pack {self.pack.manifest.name!r} has no network that follows faces; see `can_follow`"
            )
        source = Pyramid(image)
        params = network([source] * len(given), [face.params for face in given])
        found = {
            k: Face(before.detection, each, self.model)
            for k, (before, each) in enumerate(zip(given, params, strict=True))
            if each is not None
        }
        doubted = [k for k in found if wanted[k]]
        checked = [(found[k], unknown[k]) for k in doubted]
        confirmed = zip(doubted, self._confirmed(source, checked), strict=True)
        now: dict[int, Face | None] = {**found, **dict(confirmed)}
        return [now.get(k) for k in range(len(given))]

    def smallest_face(self, image: Image, *, search_size: int | None = None) -> float | None:
        """Return the side from which nearly all faces are found in an image, px; None where it is not known.

        Args:
            image: RGB (h, w, 3), uint8.
            search_size: as for `align`.

        Raises:
            InputError: the image cannot be used.
        """
        check_image(image)
        detector, size = self._finder.detector, self._size(search_size)
        if not isinstance(detector, ScalableDetector):
            return None
        return detector.smallest_face(image.shape[1], image.shape[0], search_size=size)

    def search(self, image: Image, among: Selection | None = None) -> Faces:
        """Do what `align_candidates` does; the former name."""
        warn_renamed("FaceAligner.search(image, among)", "FaceAligner.align_candidates(image, select=)")
        return self.align_candidates(image, select=among)

    def _size(self, search_size: int | None) -> int | None:
        return self._search_size if search_size is None else check_search_size(search_size)

    def _found_faces(self, images: Sequence[Image], search_size: int | None, most: int | None) -> list[Faces]:
        """Return the faces of each image, turned where that finds more of them."""
        sources = [Pyramid(image) for image in images]
        size = self._size(search_size)
        found = self._finder.faces(sources, [None] * len(images), size, most)
        if not self._finder.verifies:
            return self._faces(sources, found)
        turns = {k: n for k, faces in enumerate(found) if (n := self._turns(sources[k], faces, size, most))}
        turned = {k: Pyramid(turned_image(images[k], n)) for k, n in turns.items()}
        # Without any face, nothing but a clear one justifies the turn.
        selections = [None if found[k] else _clear for k in turns]
        again = self._finder.faces(list(turned.values()), selections, size, most)
        better = {
            k: faces
            for k, faces in zip(turns, again, strict=True)
            if turning_helps(found[k], faces, turns[k])
        }
        for k, faces in better.items():
            sources[k], found[k] = turned[k], faces
        aligned = self._faces(sources, found)
        for k in better:
            height, width = turned[k].image.shape[:2]
            aligned[k] = Faces(face_turned_back(face, turns[k], width, height) for face in aligned[k])
        return aligned

    def _turns(self, source: Pyramid, faces: Sequence[Verified], size: int | None, most: int | None) -> int:
        """Return how often `np.rot90` turns an image until it is upright."""
        if turns := turns_to_upright(faces):
            return turns
        if faces and not self._finder.scores_are_known:
            return 0  # nothing tells whether a face is clear
        turns = possible_turns(faces)
        scores = self._finder.turned_scores(source, turns, size, largest=most is not None)
        return clearest_turn(faces, scores)

    def _faces(self, sources: Sequence[Pyramid], found: Sequence[Sequence[Verified]]) -> list[Faces]:
        """Return the faces for predictions, the close-ups of all of them read in one batch."""
        params = iter(
            self._networks.corrected(
                [source for source, each in zip(sources, found, strict=True) for _ in each],
                [face.prediction.params for each in found for face in each],
            )
        )
        return [Faces(Face(face.detection, next(params), self.model) for face in each) for each in found]

    def _params_of_boxes(self, source: Pyramid, boxes: Sequence[BoundingBox]) -> list[FaceParams | None]:
        """Return the refined parameters of the face in each box; None where no crop can be cut."""
        regressor = self._networks.box_reader
        predicted = predict_boxes(regressor, self.model.landmarks, [source] * len(boxes), boxes)
        there = [p for p in predicted if p is not None]
        refined = iter(self._networks.refined_boxes([source] * len(there), there))
        return [None if p is None else next(refined).params for p in predicted]

    def _confirmed(self, source: Pyramid, faces: Sequence[tuple[Face, bool]]) -> list[Face | None]:
        """Return faces with the confidence of the verifying network; None where it sees them elsewhere.

        Args:
            source: the image.
            faces: each face, and whether the identity of the person is read anew.
        """
        regressor = self._networks.verifying_regressor
        seen = predict_points(regressor, [source] * len(faces), [face.landmarks for face, _ in faces])
        out: list[Face | None] = [None] * len(faces)
        unknown: dict[int, FaceParams] = {}
        for k, ((face, identify), params) in enumerate(zip(faces, seen, strict=True)):
            if params is None or _apart(face.landmarks, self.model.landmarks(params)) > _MAX_APART:
                continue
            out[k] = replace(face, params=replace(face.params, confidence=params.confidence))
            if identify and face.params.corrective is not None:
                unknown[k] = params
        read = self._networks.corrected([source] * len(unknown), list(unknown.values()))
        for k, person in zip(unknown, read, strict=True):
            face = out[k]
            if face is not None and person.corrective is not None:
                out[k] = replace(face, params=face.params.with_identity(person.identity))
        return out

    def _given_faces(
        self,
        name: str,
        source: Pyramid,
        given: Sequence[Detection | None],
        params: Sequence[FaceParams | None],
        errors: ErrorPolicy,
    ) -> Faces | list[Face | None]:
        """Return the face of each box or set of points; `params` are those of the usable ones."""
        height, width = source.image.shape[:2]
        there = [p for p in params if p is not None]
        corrected = iter(self._networks.corrected([source] * len(there), there))
        predicted = iter([None if p is None else next(corrected) for p in params])
        faces: list[Face | None] = []
        for index, detection in enumerate(given):
            face_params = None if detection is None else next(predicted)
            if detection is not None and face_params is None and errors == "raise":
                raise at(name, index, no_crop(detection.box, width, height))
            faces.append(
                None if detection is None or face_params is None else Face(detection, face_params, self.model)
            )
        return faces if errors == "none" else Faces(face for face in faces if face is not None)


def _clear(candidates: list[Detection]) -> list[Detection]:
    return [d for d in candidates if d.score >= _MIN_TURNED_SCORE]


def _apart(a: Float[np.ndarray, "68 3"], b: Float[np.ndarray, "68 3"]) -> float:
    """Return the mean distance of the landmarks of two faces, in sizes of the first."""
    x, y = a[:, 0], a[:, 1]
    size = math.sqrt((float(x.max()) - float(x.min())) * (float(y.max()) - float(y.min())))
    return float(np.hypot(x - b[:, 0], y - b[:, 1]).mean()) / max(size, 1e-9)


def _make(pack: ModelPack, options: dict[str, Any]) -> FaceAligner:
    return FaceAligner(pack, **options)
