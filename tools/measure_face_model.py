"""Measure the open face model: time of reconstruction and of fits, size, lids, folds. One thread.

python tools/measure_face_model.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

from tddfa.morphable import Fitter, MorphableModel  # noqa: E402


def main() -> None:
    """Print everything."""
    random = np.random.default_rng(0)
    started = time.perf_counter()
    MorphableModel.open(level=2)
    print(f"load level 2: {time.perf_counter() - started:.2f} s")
    for level in (0, 1, 2):
        for crop in ("face", "head"):
            model = MorphableModel.open(level=level, crop=crop)
            params = model.params(
                identity=random.normal(size=80), expression={"jawOpen": 0.5, "eyeBlinkLeft": 1}
            )
            elapsed = milliseconds(lambda m=model, p=params: m.mesh(p))
            print(f"level {level} {crop}: {model.n_vertices} vertices, mesh {elapsed}")
    model = MorphableModel.open()
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
