"""Measure the open face model: time of reconstruction and of fits; what fits to photos miss. One thread.

python tools/measure_face_model.py
python tools/measure_face_model.py --data ../shared/data    # the fits instead

Of photos the labels in folder `faces` are read: those of training, never those of evaluation.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

from tddfa.morphable import Fitter, LandmarkSet, calibrate_landmarks, open_face_model  # noqa: E402


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the training photos' labels")
    data: Path | None = parser.parse_args().data
    if data is None:
        measure_times()
    else:
        measure_fits(data / "faces")


def measure_fits(folder: Path) -> None:
    """Error of fits to the points of three systems, and what they miss on average."""
    teacher, mediapipe, youtube = (
        dict(np.load(folder / f"{name}.npz")) for name in ("teacher_mb05", "mediapipe", "yt68")
    )
    with (folder / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    yaw = np.abs([float(row["yaw_deg"]) for row in rows])
    usable = (teacher["lm68_std"] < 0.9) & ~np.array(["mask-" in row["name"] for row in rows])
    points = teacher["lm68"][:, :, :2].astype(np.float64)
    size = np.sqrt(np.prod(np.ptp(points, axis=1), axis=1))
    model = open_face_model(crop="head")

    def report(name: str, places: LandmarkSet, observed: np.ndarray, photos: np.ndarray) -> None:
        fitter = Fitter(model, places)
        fits = [fitter.fit(each.astype(np.float64)) for each in observed]
        missed = np.array([f.points[:, :2] - each for f, each in zip(fits, observed, strict=True)])
        missed *= 100 / size[photos][:, None, None]
        if places.indices is not None:
            missed = missed[:, places.indices < 468]  # no irises: lids hide parts of them
        bias = np.linalg.norm(missed.mean(axis=0), axis=1)
        error = np.linalg.norm(missed, axis=2).mean()
        print(
            f"{name}, {len(photos)} photos: error {error:.2f} %, on average "
            f"{(bias > 0.5).sum()} of {len(bias)} points off by more than 0.5 %, at most {bias.max():.2f} %"
        )

    random = np.random.default_rng(3)
    photos = random.permutation(len(points))[:300]
    report("network of 3DDFA_V2", model.landmark_sets["ibug68"], points[photos], photos)
    # As in tools/calibrate_landmarks.py, whose first 500 photos are not measured.
    frontal = np.random.default_rng(2).permutation(
        np.flatnonzero(usable & (mediapipe["found"] > 0) & (yaw < 35))
    )
    photos = frontal[500:900]
    report("MediaPipe", model.landmark_sets["mediapipe478"], mediapipe["xy"][photos] / 64, photos)
    kept = usable[youtube["row"]]
    photos, human = youtube["row"][kept], youtube["pts68"][kept]
    people = np.array([re.sub(r"_\d+\.\w+$", "", Path(rows[i]["source_path_relative"]).name) for i in photos])
    names = random.permutation(np.unique(people))
    first = np.isin(people, names[: len(names) // 2])
    ours, others = (random.permutation(np.flatnonzero(part))[:300] for part in (first, ~first))
    report("people (YouTube Faces)", model.landmark_sets["ibug68"], human[others], photos[others])
    places = calibrate_landmarks(model, list(human[ours]))
    report("the same, calibrated on other people", places, human[others], photos[others])


def measure_times() -> None:
    """Time of loading, of meshes and of fits."""
    random = np.random.default_rng(0)
    started = time.perf_counter()
    open_face_model(level=2)
    print(f"load level 2: {time.perf_counter() - started:.2f} s")
    for level in (0, 1, 2):
        for crop in ("face", "head"):
            model = open_face_model(level=level, crop=crop)
            params = model.params(
                identity=random.normal(size=80), expression={"jawOpen": 0.5, "eyeBlinkLeft": 1}
            )
            elapsed = milliseconds(lambda m=model, p=params: m.reconstruct(p))
            print(f"level {level} {crop}: {model.n_vertices} vertices, mesh {elapsed}")
    model = open_face_model()
    params = model.params(identity=random.normal(size=80) * 0.7, expression={"jawOpen": 0.3})
    print(f"68 landmarks: {milliseconds(lambda: model.landmarks(params))}")
    for name in ("ibug68", "mediapipe478"):
        fitter = Fitter(model, model.landmark_sets[name])
        points = model.landmarks(params, name)[:, :2].astype(np.float64)
        noisy = points + random.normal(0, 0.5, points.shape)
        print(f"fit to {name}: {milliseconds(lambda f=fitter, p=noisy: f.fit(p), 100)}")


def milliseconds(call: Callable[[], object], n: int = 300) -> str:
    """Median and best of `n` calls after a warm-up."""
    times: list[float] = []
    for _ in range(n + 5):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1e3)
    times = times[5:]
    return f"median {np.median(times):.3f} ms, best {min(times):.3f} ms"


if __name__ == "__main__":
    main()
