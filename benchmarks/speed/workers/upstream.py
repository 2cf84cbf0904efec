"""A local copy of 3DDFA_V2, stage by stage.

Runs in the folder of the copy with a Python that has what it needs:
`EXE .../upstream.py --config FILE --path torch|onnx --threads N --scenes DIR`. It must run with the Pythons
and libraries of its day, so it is plain, and imports nothing of tddfa.
"""

import time

_STARTED = time.perf_counter()

import argparse  # noqa: E402
import itertools  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).resolve().parent)]

from serve import serve  # noqa: E402


def main():
    """Run the worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--path", choices=("torch", "onnx"), required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--scenes", required=True)
    args = parser.parse_args()

    import cv2
    import numpy as np
    import torch
    import yaml

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    config = yaml.safe_load(Path(args.config).read_text())
    about = {"program": "3DDFA_V2", "path": args.path, "numpy": np.__version__, "torch": torch.__version__}
    if args.path == "onnx":
        import onnxruntime

        _limit_threads(onnxruntime, args.threads)
        from FaceBoxes.FaceBoxes_ONNX import FaceBoxes_ONNX
        from TDDFA_ONNX import TDDFA_ONNX

        detector, aligner = FaceBoxes_ONNX(), TDDFA_ONNX(**config)
        about["onnxruntime"] = onnxruntime.__version__
    else:
        from FaceBoxes import FaceBoxes
        from TDDFA import TDDFA

        aligner, detector = TDDFA(gpu_mode=False, **config), FaceBoxes()
    about["opencv"] = cv2.__version__
    about["triangles"] = len(aligner.tri)
    serve(_stages(detector, aligner, Path(args.scenes)), about, _STARTED)


def _limit_threads(onnxruntime, threads):
    """Make every session run on so many threads: the program leaves ONNX Runtime its default, all cores."""
    session = onnxruntime.InferenceSession

    def limited(model, options=None, **keywords):
        options = options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        return session(model, options, providers=["CPUExecutionProvider"], **keywords)

    onnxruntime.InferenceSession = limited


def _stages(detector, aligner, scenes):
    import cv2
    import numpy as np
    from utils.depth import depth
    from utils.functions import cv_draw_landmark
    from utils.pncc import pncc
    from utils.pose import viz_pose
    from utils.render import render
    from utils.serialization import ser_to_obj, ser_to_ply
    from utils.uv import uv_tex

    image = cv2.imread(str(scenes / "portrait.png"))
    boxes = detector(image)[:1]
    params, rois = aligner(image, boxes)
    dense = aligner.recon_vers(params, rois, dense_flag=True)
    sparse = aligner.recon_vers(params, rois, dense_flag=False)
    folder = Path(tempfile.mkdtemp())
    height = image.shape[0]

    def fixed(run):
        return lambda argument: run

    def landmarks(image, found):
        params, rois = aligner(image, found)
        return aligner.recon_vers(params, rois, dense_flag=False)

    def mesh(image, found):
        params, rois = aligner(image, found)
        return aligner.recon_vers(params, rois, dense_flag=True)

    def track(argument):
        shifted = itertools.cycle([np.roll(image, k, axis=1) for k in (0, 2, 4, 2, 0, -2, -4, -2)])
        state = {"points": sparse[0]}

        def frame():
            params, rois = aligner(next(shifted), [state["points"]], crop_policy="landmark")
            state["points"] = aligner.recon_vers(params, rois, dense_flag=False)[0]

        return frame

    def scene(n):
        image = cv2.imread(str(scenes / f"crowd-{n}.png"))
        return image, np.load(scenes / f"crowd-{n}.npy").tolist()

    def faces(n):
        image, found = scene(n)
        return lambda: landmarks(image, found)

    def faces_drawn(n):
        image, found = scene(n)
        return lambda: render(image, mesh(image, found), aligner.tri)

    def sized(n):
        return cv2.imread(str(scenes / f"sized-{n}.png"))

    def detect_sized(n):
        image = sized(n)
        return lambda: detector(image)

    def align_sized(n):
        image = sized(n)
        return lambda: landmarks(image, detector(image))

    def draw_sized(n):
        image = sized(n)
        vertices = mesh(image, detector(image)[:1])
        return lambda: render(image, vertices, aligner.tri)

    def saved(name):
        return str(folder / name)

    stages = {
        "read": fixed(lambda: cv2.imread(str(scenes / "portrait.jpg"))),
        "detect": fixed(lambda: detector(image)),
        "regress": fixed(lambda: landmarks(image, boxes)),
        "reconstruct": fixed(lambda: aligner.recon_vers(params, rois, dense_flag=True)),
        "photo_landmarks": fixed(lambda: landmarks(image, detector(image))),
        "photo_mesh": fixed(lambda: mesh(image, detector(image))),
        "track": track,
        "draw_2d_sparse": fixed(lambda: cv_draw_landmark(image, sparse[0])),
        "draw_2d_dense": fixed(lambda: cv_draw_landmark(image, dense[0], size=1)),
        "draw_3d": fixed(lambda: render(image, dense, aligner.tri)),
        "draw_3d_1080": lambda argument: draw_sized(1080),
        "draw_depth": fixed(lambda: depth(image, dense, aligner.tri)),
        "draw_pncc": fixed(lambda: pncc(image, dense, aligner.tri)),
        "draw_uv_tex": fixed(lambda: uv_tex(image, dense, aligner.tri)),
        "draw_pose": fixed(lambda: viz_pose(image, params, dense)),
        "write_ply": fixed(lambda: ser_to_ply(dense, aligner.tri, height=height, wfp=saved("face.ply"))),
        "write_obj": fixed(
            lambda: ser_to_obj(image, dense, aligner.tri, height=height, wfp=saved("face.obj"))
        ),
        "faces": faces,
        "faces_drawn": faces_drawn,
        "detect_sized": detect_sized,
        "align_sized": align_sized,
        "draw_sized": draw_sized,
    }
    if Path("utils/asset/render.so").exists():
        from utils.render_ctypes import render as render_c

        stages["draw_3d_c"] = fixed(lambda: render_c(image, dense, aligner.tri))
    return stages


if __name__ == "__main__":
    main()
