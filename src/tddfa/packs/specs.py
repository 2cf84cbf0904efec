"""The parts of a pack as its manifest describes them: one spec per kind of part.

A new kind of detector, network or face model is a spec and a line in a table here, and a module that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from tddfa.packs.layouts import ArrayLayout, closeup_places, linear_model, statistics
from tddfa.packs.names import FileName
from tddfa.packs.spec import (
    Choice,
    Free,
    JsonObject,
    Number,
    OneOf,
    OrNull,
    Reader,
    Row,
    Spec,
    Text,
    Whole,
    setting,
)

_LINE, _FILE = Text(), FileName()
_SIDE = Whole(1, 1 << 16)
_SHARE = Number(0, 1)


class Part(Spec, Mapping[str, Any]):
    """A spec that is also a mapping with the names that its fields had in `tddfa-pack/1`.

    So it was before specs: `manifest.regressor["file"]` keeps working for one release.
    """

    def layouts(self) -> dict[str, dict[str, ArrayLayout]]:
        """Return what the arrays in the files of this part have to be, by file."""
        return {}

    def _old(self) -> dict[str, Any]:
        """Return the JSON object with the names of `tddfa-pack/1`."""
        return self.to_object()

    def __getitem__(self, name: str) -> Any:
        return self._old()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._old())

    def __len__(self) -> int:
        return len(self._old())


class Licence(Part):
    """What may be done with a pack.

    Attributes:
        name: of the licence, or of several.
        terms: what they allow, in a sentence or two.
        url: where they can be read.
    """

    name: str = setting(_LINE, default="not stated")
    terms: str = setting(Text(4000, lines=True), default="")
    url: str = setting(_LINE, default="")


class PixelSpec(Spec):
    """How a network reads pixels: (value − mean) · scale, channels first, float32.

    Attributes:
        channels: the order in which the network expects them.
        mean: subtracted from each channel, in that order.
        scale: multiplied afterwards.
    """

    channels: Literal["rgb", "bgr"] = setting(Choice("rgb", "bgr"))
    mean: tuple[float, float, float] = setting(Row(Number(), Number(), Number()))
    scale: float = setting(Number())


class SquarePixelSpec(PixelSpec):
    """The same for a square crop.

    Attributes:
        size: side of the crop, px.
    """

    size: int = setting(_SIDE)


class DetectorSpec(Part):
    """A face detector.

    Attributes:
        file: its network.
        trusted_score: detections with this score need no verification; null: all are verified.
    """

    file: str = setting(_FILE)
    trusted_score: float | None = setting(OrNull(_SHARE), default=None)

    @classmethod
    def _renamed(cls, given: dict[str, Any], at: str) -> dict[str, Any]:
        return _with_new_names(given, {"sure_score": "trusted_score"})

    def _old(self) -> dict[str, Any]:
        return _with_new_names(self.to_object(), {"trusted_score": "sure_score"})


class FaceBoxesSpec(DetectorSpec):
    """The detector FaceBoxes.

    Attributes:
        input: how its network reads the image.
        max_height: larger images are searched at this height, px.
        max_width: and at no more than this width, px.
    """

    kind: ClassVar[str | None] = "faceboxes"

    input: PixelSpec = setting(PixelSpec)
    max_height: int = setting(_SIDE)
    max_width: int = setting(_SIDE)


class AnchorFreeSpec(DetectorSpec):
    """The detector of tddfa_train.

    Attributes:
        max_side: larger images are searched with their longer side at this length, px.
        min_score: smallest score of a candidate.
        max_overlap: intersection over union of two boxes that are still two faces.
    """

    kind: ClassVar[str | None] = "anchor-free"

    max_side: int = setting(_SIDE)
    min_score: float = setting(Number(above=0, most=0.999))
    max_overlap: float = setting(_SHARE)

    def _old(self) -> dict[str, Any]:
        return super()._old() | {"kind": "tddfa"}


class RegressorSpec(Part):
    """A network that finds the parameters of faces.

    Attributes:
        file: its network.
        architecture: of the network, for people.
        refinements: how often a face found in a box is cropped again at most, from its landmarks.
        min_confidence: smallest confidence of a detected face; 0 accepts every detection.
        verifier: another network with the same inputs and outputs that reads detections first.
        framed_reader: another such network, more exact than the verifier, for well-framed faces: it reads
            boxes that are given and clear detections first, and others that need no other crop.
    """

    file: str = setting(_FILE)
    architecture: str = setting(_LINE, default="")
    refinements: int = setting(Whole(0, 100), default=0)
    min_confidence: float = setting(_SHARE, default=0.0)
    verifier: str | None = setting(OrNull(_FILE), default=None)
    framed_reader: str | None = setting(OrNull(_FILE), default=None)

    @classmethod
    def _renamed(cls, given: dict[str, Any], at: str) -> dict[str, Any]:
        given = _with_new_names(given, {"first_look": "verifier"})
        passes = given.pop("passes", None)
        if passes is not None and "refinements" not in given:
            # In tddfa-pack/1 the first pass counted, and what a verifier has read was always read again.
            refinements = Whole(1, 101).read(passes, f"{at}.passes") - 1
            given["refinements"] = max(refinements, 1) if given.get("verifier") else refinements
        elif given.get("verifier") and "refinements" not in given:
            given["refinements"] = 1
        return given

    def _old(self) -> dict[str, Any]:
        given = _with_new_names(self.to_object(), {"verifier": "first_look"})
        return given | {"passes": given.pop("refinements") + 1}


class V2Parameters(Spec):
    """The numbers that a network of 3DDFA_V2 predicts.

    Attributes:
        layout: of the numbers, for people.
        identity: how many are identity.
        expression: how many are expression.
        mm_per_model_unit: unit of the face model of the numbers, mm.
    """

    layout: str = setting(_LINE, default="")
    identity: int = setting(Whole(0, 10_000))
    expression: int = setting(Whole(0, 10_000))
    mm_per_model_unit: float = setting(Number(above=0))


class V2RegressorSpec(RegressorSpec):
    """A network of 3DDFA_V2.

    Attributes:
        input: how it reads the crop.
        statistics: file with mean and standard deviation of its numbers.
        parameters: what its numbers are.
    """

    kind: ClassVar[str | None] = "3ddfa-v2"

    input: SquarePixelSpec = setting(SquarePixelSpec)
    statistics: str = setting(_FILE)
    parameters: V2Parameters = setting(V2Parameters)

    def layouts(self) -> dict[str, dict[str, ArrayLayout]]:
        """Return what the arrays in the files of this part have to be, by file."""
        n_camera = 12
        return {self.statistics: statistics(n_camera + self.parameters.identity + self.parameters.expression)}


class CropSpec(Spec):
    """How a crop follows from a box or from points.

    Attributes:
        box_scale: side of the crop, in mean sides of the detection box.
        box_down: how far the centre of the crop lies below that of the box, in mean sides of the box.
        points_scale: side of the crop, in longer sides of the box around the points.
    """

    box_scale: float = setting(Number(above=0, most=100))
    box_down: float = setting(Number(-10, 10))
    points_scale: float = setting(Number(above=0, most=100))


class AffineCameraSpec(RegressorSpec):
    """A network of tddfa_train, whose camera is in pixels of the crop.

    Attributes:
        size: side of the crop, px.
        crop: how it follows from a box or from points.
        expressions: another network, which corrects each face from close-ups of eyes and mouth, once.
        closeups: file that says where the close-ups lie on the face.
        following: another network, which follows faces from frame to frame by such close-ups.
    """

    kind: ClassVar[str | None] = "affine-camera"

    size: int = setting(_SIDE)
    crop: CropSpec = setting(CropSpec)
    expressions: str | None = setting(OrNull(_FILE), default=None)
    closeups: str | None = setting(OrNull(_FILE), default=None)
    following: str | None = setting(OrNull(_FILE), default=None)

    def layouts(self) -> dict[str, dict[str, ArrayLayout]]:
        """Return what the arrays in the files of this part have to be, by file."""
        return {} if self.closeups is None else {self.closeups: closeup_places()}

    def _old(self) -> dict[str, Any]:
        return super()._old() | {"kind": "tddfa"}


class ModelSpec(Part):
    """A 3D morphable model."""


class LinearModelSpec(ModelSpec):
    """A face model whose arrays are in the pack.

    Attributes:
        file: with the arrays.
    """

    kind: ClassVar[str | None] = "linear"

    file: str = setting(_FILE)

    def layouts(self) -> dict[str, dict[str, ArrayLayout]]:
        """Return what the arrays in the files of this part have to be, by file."""
        return {self.file: linear_model()}


class OpenModelSpec(ModelSpec):
    """The open face model, which is part of the package.

    Attributes:
        level: how often its mesh is refined.
        crop: the part of the head that its mesh shows.
    """

    kind: ClassVar[str | None] = "open"

    level: int = setting(Whole(0, 2), default=1)
    crop: Literal["face", "head"] = setting(Choice("face", "head"), default="face")


def _by_kind(*specs: type[Spec]) -> dict[str, type[Spec]]:
    return {str(spec.kind): spec for spec in specs}


DETECTORS = _by_kind(FaceBoxesSpec, AnchorFreeSpec)
"""Spec of each kind of detector."""

REGRESSORS = _by_kind(V2RegressorSpec, AffineCameraSpec)
"""Spec of each kind of regressor."""

MODELS = _by_kind(LinearModelSpec, OpenModelSpec)
"""Spec of each kind of face model."""

ANY_DETECTOR = OneOf(DETECTORS, {"tddfa": "anchor-free"})
ANY_REGRESSOR = OneOf(REGRESSORS, {"tddfa": "affine-camera"})
ANY_MODEL = OneOf(MODELS, {})


class Variant(Part):
    """Another network of a pack.

    Attributes:
        title: one line for people.
        regressor: the network.
        measured: numbers measured with it, by protocol.
    """

    title: str = setting(_LINE)
    regressor: RegressorSpec = setting(ANY_REGRESSOR)
    measured: JsonObject = setting(Free(), default={})

    def _old(self) -> dict[str, Any]:
        return {"title": self.title, "regressor": dict(self.regressor), "measured": self.measured}


def _with_new_names(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in given.items()}


def file_names(part: Spec) -> dict[str, str]:
    """Return the files of the pack that a part names, by field."""
    readers = {name: field.reader for name, field in part.settings().items()}
    files = {name: getattr(part, name) for name, reader in readers.items() if _is_file_name(reader)}
    return {name: file for name, file in files.items() if file is not None}


def _is_file_name(reader: Reader) -> bool:
    return isinstance(reader.reader if isinstance(reader, OrNull) else reader, FileName)
