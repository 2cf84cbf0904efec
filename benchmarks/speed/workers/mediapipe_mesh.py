"""MediaPipe FaceMesh with refinement: `EXE .../mediapipe_mesh.py --scenes DIR`; imports nothing of tddfa.

It chooses its threads itself, and needs a MediaPipe with `solutions` (0.10.14).
"""

import time

_STARTED = time.perf_counter()

import argparse  # noqa: E402
import itertools  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))

from serve import serve  # noqa: E402


def main():
    """Run the worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", required=True)
    args = parser.parse_args()

    import cv2
    import mediapipe
    import numpy as np

    def scene(name):
        return cv2.cvtColor(cv2.imread(str(Path(args.scenes) / f"{name}.png")), cv2.COLOR_BGR2RGB)

    image = scene("portrait")

    def mesh(still, most=1):
        return mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=still, refine_landmarks=True, max_num_faces=most
        )

    def track(argument):
        shifted = itertools.cycle([np.roll(image, k, axis=1) for k in (0, 2, 4, 2, 0, -2, -4, -2)])
        tracker = mesh(still=False)
        return lambda: tracker.process(next(shifted))

    def photo(argument):
        finder = mesh(still=True)
        return lambda: finder.process(image)

    def sized(height):
        finder, scaled = mesh(still=True), scene(f"sized-{height}")
        return lambda: finder.process(scaled)

    def found(n):
        """How many faces of a crowd it finds: in an image of 128 px, all that its detector sees, none."""
        return len(mesh(still=True, most=n).process(scene(f"crowd-{n}")).multi_face_landmarks or [])

    about = {"program": "MediaPipe FaceMesh", "version": mediapipe.__version__, "opencv": cv2.__version__}
    # So it has no times for several faces.
    about["faces it finds of 4 and 32"] = f"{found(4)} and {found(32)}"
    # One face at most is its default, and what it is timed with.
    stages = {"track": track, "photo_landmarks": photo, "photo_largest": photo, "align_sized": sized}
    serve(stages, about, _STARTED)


if __name__ == "__main__":
    main()
