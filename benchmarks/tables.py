"""Results as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GROUND_TRUTH = "aflw2000-3d-68/ground-truth/1"
DETECTOR = "aflw2000-3d-68/detector/1"
UPSTREAM = "3ddfa_v2 "
"""What the names of 3DDFA_V2's paths begin with."""

TITLES = {
    "read": "read a JPEG, 1280×720",
    "detect": "detect faces, 1280×720",
    "regress": "crop + network + 68 landmarks, one face",
    "reconstruct": "dense mesh, one face",
    "photo_landmarks": "photo → 68 landmarks",
    "photo_largest": "photo → 68 landmarks of the largest face",
    "photo_mesh": "photo → dense mesh",
    "track": "next frame of a clip, one face, 68 landmarks",
    "track_verified": "the same, verified, as every sixth frame is",
    "draw_2d_sparse": "draw landmarks",
    "draw_2d_dense": "draw the dense points",
    "draw_3d": "draw the lit mesh",
    "draw_3d_1080": "draw the lit mesh, 1920×1080",
    "draw_3d_c": "draw the lit mesh, its C variant (another light)",
    "draw_depth": "draw depth",
    "draw_pncc": "draw PNCC",
    "draw_uv_tex": "unroll the texture",
    "draw_pose": "draw the head pose",
    "draw_normals": "draw normals",
    "draw_wireframe": "draw the wireframe",
    "write_ply": "write PLY",
    "write_obj": "write OBJ",
    "write_glb": "write GLB",
    "write_json": "write JSON",
    "write_npz": "write NPZ",
}
"""Of stages."""


def read_results(folder: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Accuracy and speed, where they have been measured."""
    accuracy, speed = (folder / f"{name}.json" for name in ("accuracy", "speed"))
    return _read(accuracy), _read(speed)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table, with an empty line behind it."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def ms(value: float) -> str:
    """A time with three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def or_dash(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def ratio(name: str, medians: Mapping[str, float]) -> float | None:
    """How many times faster `name` is than the faster path of 3DDFA_V2, in the same run."""
    rivals = [value for other, value in medians.items() if other.startswith(UPSTREAM)]
    if not rivals or name not in medians or name.startswith(UPSTREAM) or name == "mediapipe":
        return None
    return min(rivals) / medians[name]


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
