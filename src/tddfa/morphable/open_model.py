"""The open face model that ships with the library: its file, its levels of detail, its crops."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np

from tddfa.concurrency import one_at_a_time
from tddfa.morphable.cap import capped
from tddfa.morphable.crop import face_depth, hair_depth, mannequin_depth
from tddfa.morphable.eyelids import Eyelids
from tddfa.morphable.eyes import ELSEWHERE, Eyes, gaze_turns
from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.lid_rims import lit_as
from tddfa.morphable.model import MorphableModel, mirrored_expressions
from tddfa.morphable.registry import remember
from tddfa.morphable.stored_surface import unpack_surface
from tddfa.morphable.surface import QuadMesh, Surface, pncc_colors
from tddfa.shapes import Bool, Float, Float32, Int32, Int64
from tddfa.types import Topology
from tddfa.types.arguments import check_choice, check_count, check_flag

N_LEVELS = 3
CROPS = ("face", "head", "mannequin")
FILE = Path(__file__).parent / "data" / "open_face_model.npz"
INSIDE = ("mouth", "teeth", "tongue")
"""Regions that are hidden while the mouth is closed."""
_FLIP = np.array([[-1], [1], [1]], np.float32)
SCALP_FADE_MM = 14.0
"""How wide the border is on which the face of a whole head turns into its scalp."""
HAIRLINE_MM, HAIRLINE_FADE_MM = 24.0, 9.0
"""How far hair hangs into the face, to the brows, and how wide the border of this part is."""
STORED_SURFACES = ("face-1",)
"""Surfaces that the file has as they are; the others are built from the base mesh when they are needed."""


def open_face_model(*, level: int = 1, crop: str = "face", mouth: bool = True) -> MorphableModel:
    """Return the open face model: 80 identity coefficients, 52 ARKit expressions, CC0.

    Args:
        level: 0, 1 or 2: how often the base mesh is refined.
        crop: `face`, from the hairline to under the chin and to the ears; `head`, with the stump of the neck
            that the base mesh has; or `mannequin`, the head without it, closed below, as files have it.
        mouth: whether the mesh has the inside of the mouth: cavity, teeth and tongue.

    Raises:
        InputError: there is no such level or crop, or `mouth` is no flag.
    """
    check_count("level", level, N_LEVELS - 1, least=0)
    check_choice("crop", crop, CROPS)
    check_flag("mouth", mouth)
    return _remembered(int(level), crop, bool(mouth))


def _remembered(level: int, crop: str, mouth: bool) -> MorphableModel:
    """Return the model; pickles hold the call of this function in its place."""
    return remember(_model(level, crop, mouth), _remembered, level, crop, mouth)


@cache
def read_arrays() -> dict[str, np.ndarray]:
    """Return the arrays of the model's file; mean and bases, of which it has one side, of both sides."""
    with np.load(FILE, allow_pickle=False) as archive:
        arrays: dict[str, np.ndarray] = {name: archive[name] for name in archive.files}
    mirror, n_expression = arrays["mirror"].astype(np.int64), len(arrays["expression_names"])
    side = one_side(mirror)
    mirrored = np.flatnonzero(np.arange(len(mirror)) > mirror)
    for name, partner, sign in (
        ("mean", [0], [1]),
        ("identity_basis", slice(None), arrays["identity_mirror_sign"]),
        (
            "expression_basis",
            mirrored_expressions(arrays["expression_names"].tolist()),
            np.ones(n_expression),
        ),
    ):
        values = arrays[name]
        whole = np.empty((len(mirror), 3, values[0].size // 3), np.float32)
        whole[side] = values.reshape(len(side), 3, -1)
        others = whole[mirror[mirrored]][:, :, partner]
        others *= _FLIP * np.asarray(sign, np.float32)
        whole[mirrored] = others
        arrays[name] = whole.reshape(len(mirror), *values.shape[1:])
    return arrays


def one_side(mirror: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n_side"]:
    """Return the base vertices of one side and of the middle, which the others mirror.

    Args:
        mirror: for each base vertex its partner on the other side.
    """
    return np.flatnonzero(np.arange(len(mirror)) <= mirror)


@one_at_a_time
@cache
def _model(level: int, crop: str, mouth: bool) -> MorphableModel:
    arrays = read_arrays()
    mean: Float32[np.ndarray, "n 3"] = arrays["mean"]
    key = surface_key(level, crop, mouth=mouth)
    if key in STORED_SURFACES:
        surface = unpack_surface(arrays, key)
        lit_by = arrays[rim_light_key(key)].astype(np.int32)
    else:
        surface = build_surface(arrays, level, crop, mouth=mouth)
        lit_by = rim_light(arrays, surface, level)
    mesh_mean, regions = surface(mean[surface.base]), _regions(arrays, surface)
    inside = np.any([regions[name] for name in INSIDE], axis=0)
    expression_names = tuple(arrays["expression_names"].tolist())
    eyes = _eyes(arrays, expression_names, mesh_mean, regions["eyeballs"])
    blink = [expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    return MorphableModel(
        name="open",
        mean=mean,
        identity_basis=arrays["identity_basis"],
        expression_basis=arrays["expression_basis"],
        expression_names=expression_names,
        topology=Topology(
            surface.triangles,
            surface.uv,
            pncc_colors(mesh_mean, ~inside),
            _materials(mesh_mean, regions, whole_head=crop != "face"),
            eyes.offsets,
            lit_by,
        ),
        landmark_sets=_landmark_sets(arrays),
        regions=regions,
        surface=surface,
        eyelids=Eyelids(
            gap_vertices=arrays["eyelids.gap_vertices"].astype(np.int32),
            gap_weights=arrays["eyelids.gap_weights"],
            gap_eye=arrays["eyelids.gap_eye"].astype(np.int32),
            spread_vertices=arrays["eyelids.spread_vertices"].astype(np.int32),
            spread_gap=arrays["eyelids.spread_gap"].astype(np.int32),
            spread_weights=arrays["eyelids.spread_weights"],
            blink=(blink[0], blink[1]),
        ),
        eyes=eyes,
        identity_mirror_sign=arrays["identity_mirror_sign"].astype(np.float32),
        mirror=arrays["mirror"].astype(np.int32),
        crops={
            "face": partial(_remembered, level, "face", mouth),
            "head": partial(_remembered, level, "mannequin", mouth),
        },
    )


def _materials(
    mean: Float32[np.ndarray, "n 3"], regions: dict[str, Bool[np.ndarray, " n"]], *, whole_head: bool
) -> Float32[np.ndarray, "n 5"]:
    """Return how far each vertex is scalp, hairline, inside of the mouth, teeth and tongue."""
    outside = ~np.any([regions[name] for name in (*INSIDE, "eyeballs")], axis=0)
    scalp = _ramp(0.5 - face_depth(mean) / SCALP_FADE_MM) * outside * whole_head
    hairline = _ramp((HAIRLINE_MM - hair_depth(mean)) / HAIRLINE_FADE_MM) * outside * whole_head
    return np.stack([scalp, hairline, *(regions[name] for name in INSIDE)], axis=1).astype(np.float32)


def _ramp(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return a smooth step from 0 at 0 to 1 at 1."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def rim_light_key(key: str) -> str:
    """Return the name of the array that says which vertex has the light of which, for a stored surface."""
    return f"surface.{key}.lit_as"


def rim_light(arrays: dict[str, np.ndarray], surface: Surface, level: int) -> Int32[np.ndarray, " n"]:
    """Return for each vertex of a surface the one whose light it has; see `lit_as`.

    Args:
        arrays: the arrays of the model's file.
        surface: a surface of the model.
        level: how often its base mesh was refined.
    """
    regions = _regions(arrays, surface)
    on_lids = regions["left_eyelids"] | regions["right_eyelids"]
    return lit_as(surface(arrays["mean"][surface.base]), surface.triangles, on_lids, level)


def _regions(arrays: dict[str, np.ndarray], surface: Surface) -> dict[str, Bool[np.ndarray, " n"]]:
    """Return which vertices of a surface each region has."""
    shares = surface(_region_masks(arrays).T.astype(np.float32)[surface.base])
    names: list[str] = arrays["region_names"].tolist()
    # The mouth begins at the edge of the lips, which belongs to them; other regions share what lies between.
    return {name: shares[:, i] > (0 if name in INSIDE else 0.5) for i, name in enumerate(names)}


def surface_key(level: int, crop: str, *, mouth: bool) -> str:
    """Return the name of a surface of the model, `face-1` for the default one."""
    return f"{crop}-{level}" + ("" if mouth else "-closed")


def build_surface(arrays: dict[str, np.ndarray], level: int, crop: str, *, mouth: bool = True) -> Surface:
    """Return a surface of the model, made from its base mesh.

    Args:
        arrays: the arrays of the model's file.
        level: how often the base mesh is refined.
        crop: `face`, `head` or `mannequin`.
        mouth: whether the inside of the mouth is part of it.
    """
    names: list[str] = arrays["region_names"].tolist()
    masks = dict(zip(names, _region_masks(arrays), strict=True))
    inside = np.any([masks[name] for name in INSIDE], axis=0)
    kept = np.full(len(arrays["quads"]), True) if mouth else ~inside[arrays["quads"]].any(axis=1)
    base = QuadMesh(
        quads=arrays["quads"][kept].astype(np.int32),
        uv=arrays["uv.face" if crop == "face" else "uv.head"],
        uv_quads=arrays["uv_quads"][kept].astype(np.int32),
        mirror=arrays["mirror"].astype(np.int32),
        creases=arrays["creases"].astype(np.int32),
    )
    points, whole = arrays["mean"], (inside | masks["eyeballs"]).astype(np.float32)
    for refine in base.refined(level)[1]:
        points, whole = refine(points), refine(whole)
    depth = np.full(len(points), np.inf)
    if crop != "head":
        depth_of = face_depth if crop == "face" else mannequin_depth
        depth[whole <= 0.5] = depth_of(points[whole <= 0.5])
    surface = base.surface(level, depth)
    return capped(surface, surface(arrays["mean"][surface.base])) if crop == "mannequin" else surface


def _region_masks(arrays: dict[str, np.ndarray]) -> Bool[np.ndarray, "n_regions n_base"]:
    return np.unpackbits(arrays["regions"], axis=1, count=len(arrays["mean"])).astype(bool)


def _eyes(
    arrays: dict[str, np.ndarray],
    expression_names: tuple[str, ...],
    mean: Float32[np.ndarray, "n_vertices 3"],
    on_eyeball: Bool[np.ndarray, " n_vertices"],
) -> Eyes:
    degrees = dict(zip(arrays["gaze.names"].tolist(), arrays["gaze.degrees"].tolist(), strict=True))
    offsets = np.full((len(mean), 2), ELSEWHERE, np.float32)
    right = (mean[on_eyeball, 0] < 0).astype(np.int64)
    offsets[on_eyeball] = mean[on_eyeball, :2] - arrays["eyes.centers"][right, :2]
    eyeball = _region_masks(arrays)[arrays["region_names"].tolist().index("eyeballs")]
    return Eyes(gaze_turns(expression_names, degrees), offsets, np.flatnonzero(eyeball))


def _landmark_sets(arrays: dict[str, np.ndarray]) -> dict[str, LandmarkSet]:
    sets: dict[str, LandmarkSet] = {}
    end = 0
    for name, (n_points, width) in zip(
        arrays["landmarks.names"].tolist(), arrays["landmarks.shapes"].tolist(), strict=True
    ):
        rows, end = slice(end, end + n_points), end + n_points
        indices = arrays["landmarks.indices"][rows].astype(np.int32)
        sets[name] = LandmarkSet(
            arrays["landmarks.vertices"][rows, :width].astype(np.int32),
            np.ascontiguousarray(arrays["landmarks.weights"][rows, :width]),
            indices if (indices >= 0).all() else None,
        )
    return sets
