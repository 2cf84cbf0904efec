"""AFLW2000-3D: 68 landmarks by yaw on both ground truths, and head pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tddfa.alignment import FaceAligner
from tddfa.errors import DatasetError, InputError
from tddfa.evaluation.bootstrap import BINS, BinnedMean, binned_mean, mean_interval, rounded, yaw_bins
from tddfa.evaluation.data.aflw2000 import Aflw2000, read_aflw2000
from tddfa.evaluation.data.images import ImageSource
from tddfa.evaluation.faces import MIN_OVERLAP, faces_around_points, faces_by_detector, faces_in_crops
from tddfa.evaluation.metrics import box_sizes, landmark_errors, pose_errors_deg
from tddfa.evaluation.report import Report, View, in_crop
from tddfa.evaluation.tables import headline, table
from tddfa.shapes import Bool, Float32, Float64, Shaped
from tddfa.types import Face, HeadPose

CROPS = ("ground-truth", "detector")
"""Where the crops come from; two protocols, whose numbers are not comparable."""

# Beyond this any one of the three angles is unreliable in the annotation.
# Source: Ruiz et al., "Fine-grained head pose estimation without keypoints", 2018, section 4.1.
_LARGEST_ANGLE_DEG = 99.0


def measure_aflw2000(aligner: FaceAligner, folder: Path, *, crops: str = CROPS[0]) -> Report:
    """Measure the NME of 68 landmarks and errors of the head pose.

    Args:
        aligner: with the pack to measure.
        folder: the set, see docs/evaluation.md.
        crops: one of `CROPS`.

    Returns:
        The report; the record has the numbers on the original truth at its top level.

    Raises:
        DatasetError: the set is missing or incomplete.
        InputError: there are no such crops.

    Source: the protocol of Zhu et al., "Face alignment across large poses: a 3D solution", 2016, with the
        bins and the mean of bins of the 3DDFA projects.
    """
    if crops not in CROPS:
        raise InputError(f"no crops {crops!r}; choose from {', '.join(CROPS)}")
    data = read_aflw2000(folder)
    if crops == "detector":
        return _by_detector(aligner, data)
    faces, source = _with_truth(aligner, data)
    return _report(aligner, data, np.arange(len(data)), faces, {"crops": crops, "crops_from": source})


def _with_truth(aligner: FaceAligner, data: Aflw2000) -> tuple[list[Face], str]:
    title = f"AFLW2000-3D, {aligner.pack.manifest.name}"
    if data.crops is not None and data.squares is not None:
        return faces_in_crops(
            aligner, data.crops, data.names, data.squares, title
        ), "the official 120 px crops"
    faces = faces_around_points(aligner, _images(data), data.names, data.truths["original"], title)
    return faces, "cut from the images around the true 68 points, by the rule of the pack"


def _by_detector(aligner: FaceAligner, data: Aflw2000) -> Report:
    images = _images(data)
    looked_at = np.array([k for k, name in enumerate(data.names) if name in images.names], np.int64)
    names = [data.names[k] for k in looked_at]
    title = f"AFLW2000-3D with detector, {aligner.pack.manifest.name}"
    faces = faces_by_detector(aligner, images, names, data.truths["original"][looked_at], title)
    found: Bool[np.ndarray, " n"] = np.array([face is not None for face in faces], bool)
    extra = {
        "crops": "detector",
        "crops_from": "the detection that overlaps the true landmarks most, "
        f"by at least {MIN_OVERLAP} of their joint area",
        "detected": _detected(found, data.yaw_deg[looked_at]),
    }
    if not found.any():
        raise DatasetError(
            f"the detector of pack {aligner.pack.manifest.name!r} finds none of the {len(names)} faces in "
            f"{data.folder}: nothing can be measured"
        )
    kept = looked_at[found]
    if data.crops is not None and data.squares is not None:
        with_truth = faces_in_crops(
            aligner, data.crops, [data.names[k] for k in kept], data.squares[kept], f"{title}: official crops"
        )
        errors = _errors(with_truth, data.truths["original"][kept])
        extra["same_faces_ground_truth_crops"] = binned_mean(errors, data.yaw_deg[kept]).record()
    return _report(aligner, data, kept, [face for face in faces if face is not None], extra)


def _images(data: Aflw2000) -> ImageSource:
    if data.images is None or data.images.names.isdisjoint(data.names):
        raise DatasetError(
            f"{data.folder} has crops alone; the detector needs the 450 px images (full450.tar, or the "
            "folder AFLW2000-3D beside the arrays)"
        )
    return data.images


def _detected(found: Bool[np.ndarray, " n"], yaw_deg: Float64[np.ndarray, " n"]) -> dict[str, Any]:
    of_bin = [found[yaw_bins(yaw_deg) == k] for k in range(len(BINS))]
    return {
        "found": int(found.sum()),
        "of": len(found),
        "bins": {
            name: rounded(100 * float(f.mean()) if len(f) else None)
            for name, f in zip(BINS, of_bin, strict=True)
        },
    }


def _errors(faces: Sequence[Face], truth: Float64[np.ndarray, "n 68 2"]) -> Float64[np.ndarray, " n"]:
    predicted: Float32[np.ndarray, "n 68 2"] = np.stack([face.landmarks[:, :2] for face in faces])
    return landmark_errors(predicted, truth, box_sizes(truth))


def _report(
    aligner: FaceAligner,
    data: Aflw2000,
    kept: Shaped[np.ndarray, "..."],
    faces: Sequence[Face],
    extra: Mapping[str, Any],
) -> Report:
    names, yaw = [data.names[k] for k in kept], data.yaw_deg[kept]
    errors = {name: _errors(faces, truth[kept]) for name, truth in data.truths.items()}
    means = {name: binned_mean(e, yaw) for name, e in errors.items()}
    pose, pose_rows = _pose(data, kept, faces)
    record: dict[str, Any] = {
        "protocol": f"aflw2000-3d-68/{extra['crops']}/1",
        "pack": aligner.pack.manifest.name,
        "data": data.folder.name,
        "count": len(names),
        **extra,
        "normaliser": "sqrt(width x height) of the box of the true 68 points; percent",
        **means["original"].record(),
        "truths": {name: mean.record() for name, mean in means.items()},
        "pose": pose,
    }
    rows = [
        {
            "name": name,
            "yaw_deg": float(yaw[k]),
            "error": float(errors["original"][k]),
            **{f"error_{truth}": float(e[k]) for truth, e in errors.items() if truth != "original"},
            **pose_rows[k],
        }
        for k, name in enumerate(names)
    ]

    def view(k: int) -> View:
        return _view(data, int(kept[k]), faces[k])

    return Report(record, _text(record, means), rows, view)


def _pose(
    data: Aflw2000, kept: Shaped[np.ndarray, "..."], faces: Sequence[Face]
) -> tuple[dict[str, Any] | None, list[dict[str, float]]]:
    if data.pitch_yaw_roll_deg is None:
        return None, [{} for _ in faces]
    angles = data.pitch_yaw_roll_deg[kept]
    truth = [HeadPose(float(yaw), float(pitch), float(roll)) for pitch, yaw, roll in angles]
    errors, geodesic = pose_errors_deg([face.pose for face in faces], truth)
    rows = [
        {
            "yaw_error_deg": float(e[0]),
            "pitch_error_deg": float(e[1]),
            "roll_error_deg": float(e[2]),
            "geodesic_error_deg": float(g),
        }
        for e, g in zip(errors, geodesic, strict=True)
    ]
    usable = np.abs(angles).max(axis=1) <= _LARGEST_ANGLE_DEG
    if not usable.any():
        return None, rows
    errors, geodesic = errors[usable], geodesic[usable]
    yaw, pitch, roll = errors.mean(axis=0)
    record = {
        "protocol": "aflw2000-3d-pose/1",
        "count": int(usable.sum()),
        "dropped": int((~usable).sum()),
        "mae": rounded(errors.mean()),
        "interval": [rounded(end) for end in mean_interval(errors.mean(axis=1))],
        "yaw": rounded(yaw),
        "pitch": rounded(pitch),
        "roll": rounded(roll),
        "geodesic": rounded(geodesic.mean()),
        "unit": "degree",
    }
    return record, rows


def _view(data: Aflw2000, k: int, face: Face) -> View:
    truth, predicted = data.truths["original"][k], face.landmarks[:, :2].astype(np.float64)
    if data.crops is None or data.squares is None:
        return View(_images(data).read(data.names[k]), truth, predicted)
    image = data.crops.read(data.names[k])
    return View(image, in_crop(truth, data.squares[k], image), in_crop(predicted, data.squares[k], image))


def _text(record: Mapping[str, Any], means: Mapping[str, BinnedMean]) -> str:
    lines = headline(record)
    lines.append(f"crops      {record['crops_from']}")
    lines += table(means, "NME 68, %")
    detected = record.get("detected")
    if detected is not None:
        by_bin = ", ".join(
            f"{name}: {value:.1f} %" for name, value in detected["bins"].items() if value is not None
        )
        lines.append(f"detected   {detected['found']} of {detected['of']} faces ({by_bin})")
        same = record.get("same_faces_ground_truth_crops")
        if same is not None and same["mean_of_bins"] is not None:
            lines.append(f"the same faces from the official crops: {same['mean_of_bins']:.3f}")
    pose = record["pose"]
    if pose is not None:
        lines.append(
            f"head pose  MAE {pose['mae']:.2f}° [{pose['interval'][0]:.2f}, {pose['interval'][1]:.2f}] "
            f"(yaw {pose['yaw']:.2f}, pitch {pose['pitch']:.2f}, roll {pose['roll']:.2f}), "
            f"geodesic {pose['geodesic']:.2f}°; {pose['count']} faces, "
            f"{pose['dropped']} with an angle beyond {_LARGEST_ANGLE_DEG:.0f}° dropped"
        )
    return "\n".join(lines)
