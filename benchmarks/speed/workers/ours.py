"""A pack of tddfa, stage by stage."""

import time

_STARTED = time.perf_counter()

import argparse  # noqa: E402
import itertools  # noqa: E402
import tempfile  # noqa: E402
from dataclasses import replace  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.speed.scenes import crowd, portrait, sized  # noqa: E402
from benchmarks.speed.workers.serve import serve  # noqa: E402


def main() -> None:
    """Run the worker: `python -m benchmarks.speed.workers.ours --pack NAME --threads N`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pack", required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()

    import cv2
    import onnxruntime

    import tddfa
    from tddfa.alignment import FaceAligner
    from tddfa.morphable import open_face_model

    cv2.setNumThreads(args.threads)
    aligner = FaceAligner(args.pack, threads=args.threads)
    about = {
        "program": "tddfa",
        "version": tddfa.__version__,
        "pack": aligner.pack.manifest.name,
        "network_mb": round(_network_bytes(aligner.pack) / 1e6, 2),
        "triangles": len(aligner.model.topology.triangles),
        "vertices": aligner.model.n_vertices,
        "level_triangles": {k: len(open_face_model(level=k).topology.triangles) for k in (0, 1, 2)},
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
        "rasteriser": _rasteriser(),
    }
    serve(stages_of(aligner), about, _STARTED)


def _network_bytes(pack) -> int:
    spec = pack.manifest.regressor
    files = {getattr(spec, name, None) for name in ("file", "verifier", "expressions", "following")}
    return sum(pack.manifest.files[file].bytes for file in files if file is not None)


def _rasteriser() -> str:
    try:
        from tddfa.native import _kernel  # noqa: F401
    except ImportError:
        return "NumPy"
    return "native"


def stages_of(aligner):
    """Return the stages of a pack: name → `prepare(argument)`, which returns what is timed."""
    from tddfa.export import EXPORTS
    from tddfa.imaging import read_image, write_image
    from tddfa.morphable import open_face_model
    from tddfa.render import OVERLAYS, rasterize
    from tddfa.types import Mesh

    image = portrait()
    [face, *_] = aligner.align(image)
    box = face.detection
    folder = Path(tempfile.mkdtemp())
    photo = folder / "photo.jpg"
    write_image(photo, image)

    def again():
        """The same face with nothing computed yet."""
        return replace(face)

    def overlay(kind):
        def prepare(_):
            _ = face.mesh
            return lambda: OVERLAYS[kind](image, [face])

        return prepare

    def export(kind):
        def prepare(_):
            _ = face.mesh
            return lambda: EXPORTS[kind](folder / f"face.{kind}", image, [face])

        return prepare

    def track(_, *, verified=False):
        # The head sways by a few pixels, as in a clip: no two crops are alike.
        shifted = itertools.cycle([np.roll(image, k, axis=1) for k in (0, 2, 4, 2, 0, -2, -4, -2)])
        state = {"face": face}

        def frame():
            image, last = next(shifted), state["face"]
            now = None
            if aligner.can_follow:
                [now] = aligner.follow(image, [last], verify=[verified])
            state["face"] = now or aligner.align(image, landmarks=[last.landmarks])[0]
            return state["face"].landmarks

        return frame

    def faces(n):
        image, boxes = crowd(n)
        return lambda: aligner.align(image, boxes=boxes)

    def faces_drawn(n):
        image, boxes = crowd(n)
        return lambda: OVERLAYS["3d"](image, aligner.align(image, boxes=boxes))

    def detect_sized(height):
        image = sized(height)
        return lambda: aligner.detector.detect(image)

    def align_sized(height):
        image = sized(height)
        return lambda: aligner.align(image)

    def draw_sized(height):
        image = sized(height)
        found = aligner.align(image)
        return lambda: OVERLAYS["3d"](image, found)

    def triangles(level):
        model = open_face_model(level=level)
        pose = face.params.camera.copy()
        mesh = Mesh(model.reconstruct(model.params(camera=pose)).vertices, model.topology)
        return lambda: rasterize([mesh], *image.shape[:2])

    return {
        "read": lambda _: lambda: read_image(photo),
        "detect": lambda _: lambda: aligner.detector.detect(image),
        "regress": lambda _: lambda: aligner.align(image, boxes=[box]),
        "reconstruct": lambda _: lambda: again().mesh,
        "photo_landmarks": lambda _: lambda: aligner.align(image),
        "photo_largest": lambda _: lambda: aligner.align(image, max_faces=1),
        "photo_mesh": lambda _: lambda: [f.mesh for f in aligner.align(image)],
        "track": track,
        "track_verified": partial(track, verified=True),
        **{f"draw_{kind}": overlay(kind) for kind in OVERLAYS},
        "draw_3d_1080": lambda _: draw_sized(1080),
        **{f"write_{kind}": export(kind) for kind in EXPORTS},
        "faces": faces,
        "faces_drawn": faces_drawn,
        "detect_sized": detect_sized,
        "align_sized": align_sized,
        "draw_sized": draw_sized,
        "triangles": triangles,
    }


if __name__ == "__main__":
    main()
