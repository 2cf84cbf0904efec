"""A pack from checkpoints: networks, detector and manifest, as tddfa reads them."""

import io
import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tddfa.errors import InputError
from tddfa.files import atomic_write
from tddfa.morphable import open_face_model
from tddfa.packs import find_pack
from tddfa.packs.manifest import FILE_NAME, Manifest, PackedFile
from tddfa.packs.specs import (
    AffineCameraSpec,
    AnchorFreeSpec,
    CropSpec,
    DetectorSpec,
    FaceBoxesSpec,
    Licence,
    OpenModelSpec,
    PixelSpec,
    Variant,
)
from tddfa_train.alignment.mirror import Mirror, MirroredNetwork
from tddfa_train.alignment.recipe import AlignmentRecipe, load_alignment_network
from tddfa_train.detector.faceboxes import FaceBoxesNetwork
from tddfa_train.detector.network import FaceDetector
from tddfa_train.detector.recipe import DetectorRecipe, load_detector, read_box_rule
from tddfa_train.export.fuse import fused
from tddfa_train.export.int8 import (
    PERCENTILE,
    calibration_crops,
    calibration_images,
    int8_detector,
    int8_network,
)
from tddfa_train.export.onnx import (
    export_alignment,
    export_detector,
    export_faceboxes,
    half_precision_storage,
)
from tddfa_train.export.upsample import streamlined
from tddfa_train.export.widen import widened
from tddfa_train.expressions.export import (
    Trust,
    calibration_closeups,
    closeup_arrays,
    export_closeups,
    export_following,
    int8_closeups,
)
from tddfa_train.expressions.network import CloseUpNetwork
from tddfa_train.expressions.recipe import CloseUpRecipe, make_closeup_network
from tddfa_train.expressions.views import make_closeups
from tddfa_train.landmarks.task import network_input
from tddfa_train.loop.config import read_config
from tddfa_train.weights import load_weights, read_weights

log = logging.getLogger(__name__)

# How crops follow from boxes and points, as training places the faces (data/augment.py). The boxes are those
# of FaceBoxes, which the detector learns: on the training faces the ideal side is 1.28 ± 0.04 of the box's; a
# little more keeps the chin in when the box is off.
_CROP = CropSpec(box_scale=1.33, box_down=0.12, points_scale=2**0.5)
# The detector may be sensitive, because the network that looks closer drops what is no face. Together they
# find more faces with fewer false ones than any score of the detector alone. (To weigh the score with the
# confidence helps on mosaics, and does not on photos.)
_MIN_SCORE, _MIN_CONFIDENCE = 0.15, 0.993
# Above it every one of 27 detections in 40 photos is a face, and none of 1,264 in 700 face-free images is
# reported; a bare chest reaches 0.902.
_SURE_SCORE = 0.92
_SIDE = 120
_VERIFIER = "verifier.onnx"
_EXPRESSIONS, _CLOSEUPS, _FOLLOWING = "expressions.onnx", "closeups.npz", "following.onnx"


@dataclass(frozen=True, slots=True)
class Source:
    """A trained alignment network.

    Attributes:
        checkpoint: its averaged weights are exported.
        trunk: a key of `tddfa_train.networks.TRUNKS`.
        title: one line for people.
        int8: a recipe's config; its training data calibrate a network whose convolutions are in int8.
        mirrored: it looks at every crop twice, the second time in a mirror, and says the mean.
        expressions: whether the pack's network of close-ups reads the expressions.
    """

    checkpoint: str
    trunk: str
    title: str
    int8: str | None = None
    mirrored: bool = False
    expressions: bool = False


@dataclass(frozen=True, slots=True)
class ExpressionSource:
    """A trained network of close-ups.

    Attributes:
        checkpoint: its averaged weights are exported.
        config: its recipe's; its training data calibrate convolutions in int8.
        turn: how much of its turn of the head about x, y and z is taken over.
        place: how much of its scale and shift is taken over.
        identity: how much of its correction of the identity is taken over.
        identity_shift: .npy, added to every identity; see `Trust`.
        facing: the cosines between which the first network's camera and identity fade; see `Trust`.
        shown: the cosines between which its expressions fade.
        stretch: gain and rest of expressions, by the start of their names; see `Trust`.
        int8: convolutions in int8.
        percentile: part of a map's numbers, %, that the range of its integers holds; see `quantized`.
    """

    checkpoint: str
    config: str
    turn: tuple[float, float, float] = (1.0, 1.0, 1.0)
    place: float = 1.0
    identity: float = 1.0
    identity_shift: str | None = None
    facing: tuple[float, float] = (-2.0, -1.0)
    shown: tuple[float, float] = (-2.0, -1.0)
    stretch: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    int8: bool = True
    percentile: float = PERCENTILE


@dataclass(frozen=True, slots=True)
class PackConfig:
    """What goes into a pack.

    Attributes:
        name: of the pack.
        title: one line for people.
        licence: name and terms.
        default: the network that is used when no variant is requested.
        variants: other networks, by name.
        detector: checkpoint of a detector of either kind, or the name of a pack whose detector is taken; None
            for a pack without one.
        detector_int8: config of a detector's recipe; its mosaics calibrate a detector of the kind "tddfa"
            whose convolutions are in int8.
        verifier: the network that verifies detections before the others align them: it has to know faces
            from other things and to read them at any angle, and need not be exact. None: each network for
            itself.
        framed_reader: name of the variant whose network reads faces for the default one, and for itself, that
            are framed well: boxes that are given, clear detections, and others that need no refinement.
        expressions: reads close-ups for the networks that ask for it.
        following: follows faces from frame to frame by such close-ups; `facing` and `shown` do not apply.
        min_confidence: of a detected face, in the networks' own judgement; 0 for networks that trained too
            little to have one.
        measured: numbers measured with the pack, by protocol.
    """

    name: str
    title: str
    licence: dict[str, str]
    default: Source
    variants: dict[str, Source] = field(default_factory=dict[str, Source])
    detector: str | None = None
    detector_int8: str | None = None
    verifier: Source | None = None
    framed_reader: str | None = None
    expressions: ExpressionSource | None = None
    following: ExpressionSource | None = None
    min_confidence: float = _MIN_CONFIDENCE
    measured: dict[str, Any] = field(default_factory=dict[str, Any])


def alignment_onnx(source: Source, *, float32: bool = False) -> bytes:
    """ONNX of an alignment network.

    Args:
        source: the checkpoint, and what becomes of it.
        float32: keep weights that are not in int8 in full precision.
    """
    model = open_face_model(level=0, crop="head")
    network = load_alignment_network(Path(source.checkpoint), source.trunk, model)
    data = export_alignment(MirroredNetwork(network, Mirror.of(model)) if source.mirrored else network)
    if source.int8 is not None:
        crops = calibration_crops(read_config(AlignmentRecipe, Path(source.int8)).data)
        return widened(fused(int8_network(data, crops)))
    return data if float32 else half_precision_storage(data)


def expression_files(source: ExpressionSource) -> dict[str, bytes]:
    """ONNX of a network of close-ups, and the places of its views."""
    model = open_face_model(level=0, crop="head")
    places = io.BytesIO()
    np.savez_compressed(places, **closeup_arrays(make_closeups(model)))  # pyright: ignore
    return {_EXPRESSIONS: _closeups_onnx(source, export_closeups, "state"), _CLOSEUPS: places.getvalue()}


def following_onnx(source: ExpressionSource) -> bytes:
    """ONNX of a network of close-ups that follows faces: all that it knows of them is their camera."""
    return _closeups_onnx(source, export_following, "rotation")


def _closeups_onnx(
    source: ExpressionSource, export: Callable[[CloseUpNetwork, Trust, Collection[str]], bytes], numbers: str
) -> bytes:
    """ONNX of a network of close-ups.

    Args:
        source: the checkpoint, and what becomes of it.
        export: writes the network.
        numbers: name of its second input.
    """
    model = open_face_model(level=0, crop="head")
    recipe = read_config(CloseUpRecipe, Path(source.config))
    saved = read_weights(source.checkpoint)
    blocks = recipe.network.with_blocks_of(saved)
    network = make_closeup_network(blocks, model, person="person.weight" in saved)
    missing = load_weights(network, source.checkpoint)
    if missing:
        raise InputError(f"{source.checkpoint} is not of the network of {source.config}: no {missing[0]}")
    shift = None if source.identity_shift is None else np.load(source.identity_shift).astype(np.float32)
    trust = Trust(
        source.turn,
        source.place,
        source.identity,
        shift,
        source.facing,
        source.shown,
        source.stretch,
    )
    if not source.int8:
        return half_precision_storage(export(network, trust, ()))
    views, states = calibration_closeups(recipe, model)
    unread = network.eval().unread_views(network_input(torch.from_numpy(views)))
    for view in unread:
        log.warning(
            '%s reads nothing in the view of the %s: it is left out. Training with "anew": ["%s"] revives it',
            source.checkpoint,
            view,
            view,
        )
    data = export(network, trust, unread)
    return int8_closeups(data, views, states, numbers=numbers, percentile=source.percentile)


def detector_onnx(
    network: FaceDetector | FaceBoxesNetwork, int8: str | None = None, *, float32: bool = False
) -> bytes:
    """ONNX of a detector.

    Args:
        network: of either kind.
        int8: config of a detector's recipe; its mosaics calibrate convolutions in int8.
        float32: keep weights that are not in int8 in full precision.

    Raises:
        InputError: int8 was requested of FaceBoxes.
    """
    if isinstance(network, FaceBoxesNetwork):
        if int8 is not None:
            raise InputError("--int8 is for alignment networks and detectors of the kind tddfa")
        data = export_faceboxes(network)
    else:
        data = export_detector(network)
        if int8 is not None:
            recipe = read_config(DetectorRecipe, Path(int8))
            return streamlined(
                fused(int8_detector(data, calibration_images(recipe.data, read_box_rule(recipe))))
            )
    return data if float32 else half_precision_storage(data)


def _record(checkpoint: str) -> dict[str, Any]:
    path = Path(checkpoint).parent / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _regressor(
    file: str, source: Source, config: PackConfig, *, framed_reader: str | None
) -> AffineCameraSpec:
    # Detection boxes frame turned faces badly; two more looks, cropped from landmarks, mend it.
    return AffineCameraSpec(
        file=file,
        architecture=f"{source.trunk}, mirrored" if source.mirrored else source.trunk,
        size=_SIDE,
        crop=_CROP,
        refinements=2,
        min_confidence=config.min_confidence,
        verifier=None if config.verifier is None else _VERIFIER,
        framed_reader=framed_reader,
        expressions=_EXPRESSIONS if source.expressions else None,
        closeups=_CLOSEUPS if source.expressions else None,
        following=_FOLLOWING if source.expressions and config.following is not None else None,
    )


def _variant_file(name: str) -> str:
    return f"regressor-{name}.onnx"


def _detector(source: str, int8: str | None = None) -> tuple[bytes, DetectorSpec]:
    """ONNX of a detector, and how a pack describes it."""
    if not Path(source).is_file():
        pack = find_pack(source)
        spec = pack.manifest.detector
        if spec is None:
            raise InputError(f"pack {pack.manifest.name!r} has no detector to take")
        return pack.read(spec.file), spec.replaced(file="detector.onnx")
    network = load_detector(Path(source))
    data = detector_onnx(network, int8)
    if isinstance(network, FaceBoxesNetwork):
        return data, FaceBoxesSpec(
            file="detector.onnx",
            input=PixelSpec(channels="bgr", mean=(104, 117, 123), scale=1.0),
            max_height=720,
            max_width=1080,
        )
    return data, AnchorFreeSpec(
        file="detector.onnx",
        max_side=640,
        min_score=_MIN_SCORE,
        max_overlap=0.4,
        trusted_score=_SURE_SCORE,
    )


def write_pack(folder: Path, config: PackConfig) -> Manifest:
    """Writes a pack over the open face model; its manifest comes back.

    Args:
        folder: receives the files.
        config: what goes in.

    Raises:
        InputError: a checkpoint is of another network.
    """
    default, variants, detector = config.default, config.variants, config.detector
    if config.framed_reader not in (None, *variants):
        raise InputError(f"framed_reader is {config.framed_reader!r}, but the pack has no such variant")
    reader = None if config.framed_reader is None else _variant_file(config.framed_reader)
    folder.mkdir(parents=True, exist_ok=True)
    files = {"regressor.onnx": alignment_onnx(default)}
    runs = {"default": _record(default.checkpoint)}
    for key, source in variants.items():
        files[_variant_file(key)] = alignment_onnx(source)
        runs[key] = _record(source.checkpoint)
    if config.verifier is not None:
        files[_VERIFIER] = alignment_onnx(config.verifier)
        runs["verifier"] = _record(config.verifier.checkpoint)
    requesting = [name for name, source in {"default": default, **variants}.items() if source.expressions]
    if requesting and config.expressions is None:
        raise InputError(f"{requesting[0]} has expressions: true, but the pack has no expressions")
    if config.expressions is not None:
        files |= expression_files(config.expressions)
        runs["expressions"] = _record(config.expressions.checkpoint)
    if config.following is not None:
        if not requesting:
            raise InputError("the pack has following, but no network has expressions: true")
        files[_FOLLOWING] = following_onnx(config.following)
        runs["following"] = _record(config.following.checkpoint)
    detector_spec = None
    if detector is not None:
        files["detector.onnx"], detector_spec = _detector(detector, config.detector_int8)
        runs["detector"] = _record(detector) if Path(detector).is_file() else {"of the pack": detector}
    manifest = Manifest(
        name=config.name,
        title=config.title,
        licence=Licence(**config.licence),
        provenance={"made by": "tddfa_train", "runs": runs},
        files={key: PackedFile.of(data) for key, data in files.items()},
        detector=detector_spec,
        regressor=_regressor("regressor.onnx", default, config, framed_reader=reader),
        model=OpenModelSpec(level=1, crop="face"),
        measured=config.measured,
        variants={
            key: Variant(
                title=source.title,
                regressor=_regressor(
                    _variant_file(key),
                    source,
                    config,
                    framed_reader=reader if key == config.framed_reader else None,
                ),
            )
            for key, source in variants.items()
        },
    )
    for key, data in files.items():
        atomic_write(folder / key, data)
    atomic_write(folder / FILE_NAME, manifest.to_json().encode())
    return manifest
