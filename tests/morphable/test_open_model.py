"""The open face model: what it is made of, and that its faces are faces."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from tddfa.errors import InputError
from tddfa.geometry.camera import project, scaled_camera
from tddfa.geometry.rotation import head_rotation
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.morphable.open_model import FILE, build_surface, read_arrays, rim_light, rim_light_key
from tddfa.morphable.stored_surface import unpack_surface
from tddfa.morphable.subdivision import catmull_clark
from tddfa.render import rasterize
from tddfa.types import FaceParams, HeadPose, Mesh

ARKIT = """
browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft
eyeLookInRight eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft
eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose
mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft
mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight
mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
tongueOut
""".split()  # noqa: SIM905

N_OUTER = 3265
"""Base vertices of the skin that can be seen, and of the source's eyeballs."""


@cache
def blendshapes() -> dict[str, np.ndarray]:
    return open_face_model().blendshapes()


def people(n: int) -> np.ndarray:
    return np.random.default_rng(11).normal(size=(n, 80))


def boundary_loops(quads: np.ndarray) -> list[list[int]]:
    following: dict[int, int] = {}
    sides = [(a, b) for quad in quads.tolist() for a, b in zip(quad, quad[1:] + quad[:1], strict=True)]
    both = set(sides)
    assert len(both) == len(sides), "two quads run along an edge in the same direction"
    for a, b in sides:
        if (b, a) not in both:
            assert a not in following, "two boundaries meet in a vertex"
            following[a] = b
    loops = []
    while following:
        start = next(iter(following))
        loop = [start]
        while (step := following.pop(loop[-1])) != start:
            loop.append(step)
        loops.append(loop)
    return loops


def test_the_file_is_at_most_two_and_a_half_megabytes() -> None:
    assert FILE.stat().st_size <= 2_500_000


def test_it_has_80_identity_coefficients_and_the_52_arkit_expressions() -> None:
    model = open_face_model()
    assert model.n_identity == 80
    assert list(model.expression_names) == ARKIT
    assert model.identity_basis.shape[2] == 80
    assert model.expression_basis.shape[2] == 52


def test_the_skin_is_manifold_with_boundaries_at_neck_mouth_and_eyes() -> None:
    data = read_arrays()
    names = data["region_names"].tolist()
    masks = np.unpackbits(data["regions"], axis=1, count=len(data["mean"])).astype(bool)
    quads = data["quads"].astype(int)
    on_eyeball = masks[names.index("eyeballs")][quads].all(axis=1)
    inside = np.any([masks[names.index(name)] for name in ("mouth", "teeth", "tongue")], axis=0)
    loops = boundary_loops(quads[~on_eyeball & ~inside[quads].any(axis=1)])
    centres = sorted(
        (np.round(data["mean"][loop].mean(axis=0)).tolist() for loop in loops), key=lambda c: c[1]
    )
    assert [len(loop) for loop in sorted(loops, key=len)] == [28, 28, 38, 48]
    neck, mouth, *eyes = centres
    assert neck[1] < -60
    assert abs(mouth[0]) < 1
    assert -75 < mouth[1] < -55
    assert sorted(round(eye[0]) for eye in eyes) == [-31, 31]
    assert len(boundary_loops(quads[on_eyeball])) == 2


@pytest.mark.parametrize(("level", "face", "head"), [(0, 2800, 3960), (1, 10900, 15700), (2, 42700, 61900)])
def test_levels_have_the_documented_sizes(level: int, face: int, head: int) -> None:
    assert open_face_model(level=level).n_vertices == pytest.approx(face, rel=0.03)
    assert open_face_model(level=level, crop="head").n_vertices == pytest.approx(head, rel=0.03)


def test_a_model_is_made_once() -> None:
    assert open_face_model(level=2) is open_face_model(level=2, crop="face")


def test_landmarks_are_the_same_at_every_level_and_in_every_crop() -> None:
    models = [open_face_model(level=k, crop=c) for k in (0, 1, 2) for c in ("face", "head")]
    params = models[0].params(identity=people(1)[0], expression={"jawOpen": 0.4, "eyeBlinkLeft": 1})
    for model in models[1:]:
        np.testing.assert_allclose(model.landmarks(params), models[0].landmarks(params), atol=1e-4)


@pytest.mark.parametrize("crop", ["face", "head"])
def test_landmarks_are_their_points_on_the_whole_face_blinks_included(crop: str) -> None:
    model, rng = open_face_model(level=0, crop=crop), np.random.default_rng(0)
    for _ in range(5):
        blinks = dict.fromkeys(("eyeBlinkLeft", "eyeBlinkRight"), 0.0)
        blinks |= {name: float(rng.uniform(-0.2, 1.2)) for name in rng.choice(model.expression_names, 5)}
        params = model.params(identity=rng.normal(size=model.n_identity), expression=blinks)
        base = model.subset(np.arange(len(model.mean))).vertices(params)
        for name, points in model.landmark_sets.items():
            expected = points.positions(project(params.camera, base))
            np.testing.assert_allclose(model.landmarks(params, name), expected, atol=1e-4)


def test_landmarks_lie_on_the_surface() -> None:
    model = open_face_model(level=2, crop="head")
    params = model.params(identity=people(1)[0])
    vertices = model.reconstruct(params).vertices
    for name in model.landmark_sets:
        points = model.landmarks(params, name)
        nearest = np.sqrt(((points[:, None] - vertices[None]) ** 2).sum(axis=2)).min(axis=1)
        assert nearest.max() < 3.0, name  # vertices are up to 5 mm apart where the mesh is coarse


def test_the_crop_face_is_a_part_of_the_head() -> None:
    face, head = open_face_model(), open_face_model(crop="head")
    params = head.params(identity=people(1)[0], expression={"jawOpen": 1})
    inner = {tuple(v) for v in face.shape(params).round(3).tolist()}
    outer = {tuple(v) for v in head.shape(params).round(3).tolist()}
    assert len(inner - outer) <= 0.02 * len(inner)  # rounding only


def test_triangles_are_counter_clockwise_from_outside() -> None:
    model = open_face_model()
    mesh = model.reconstruct(model.params())
    inside = np.any([model.regions[name] for name in ("mouth", "teeth", "tongue")], axis=0)
    outer = mesh.triangles[~inside[mesh.triangles].any(axis=1)]
    a, b, c = (mesh.vertices[outer[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)[:, 2]  # y down: a triangle that faces the camera has a negative one
    assert (area < 0).mean() > 0.9


@pytest.mark.parametrize(("crop", "least"), [("face", 0.75), ("head", 0.75)])
def test_the_texture_layout_fills_the_unit_square_and_nothing_overlaps(crop: str, least: float) -> None:
    model = open_face_model(level=0, crop=crop)
    uv = model.topology.uv
    assert uv is not None
    assert uv.min() >= 0
    assert uv.max() <= 1
    a, b, c = (uv[model.topology.triangles[:, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    flat = Mesh(np.column_stack([uv * 2048, np.zeros(len(uv))]).astype(np.float32), model.topology)
    covered = rasterize([flat], 2048, 2048).mask.sum() / 2048**2
    assert covered > least
    assert np.abs(area).sum() / 2 == pytest.approx(covered, rel=0.02)


@pytest.mark.parametrize("crop", ["face", "head"])
def test_a_texture_fits_every_level_of_detail(crop: str) -> None:
    # What a texture shows at a place of the layout is the same place of the mean face at every level.
    def places(level: int) -> np.ndarray:
        model = open_face_model(level=level, crop=crop)
        uv = model.topology.uv
        assert uv is not None
        flat = Mesh(np.column_stack([uv * 256, np.zeros(len(uv))]).astype(np.float32), model.topology)
        fragments = rasterize([flat], 256, 256)
        picture = np.full((256, 256, 3), np.nan, np.float32)
        picture[fragments.region][fragments.mask] = fragments.interpolate([model.shape(model.params())])
        return picture

    coarse, fine = places(0), places(2)
    distance = np.linalg.norm(coarse - fine, axis=2)
    assert np.nanpercentile(distance, 99) < 2.5  # mm; the coarse mesh has edges of up to 12
    assert np.nanmedian(distance) < 0.5


def test_pncc_colours_are_the_mean_face_scaled_to_the_unit_cube() -> None:
    model = open_face_model()
    colors, mean = model.topology.colors, model.shape(model.params())
    assert colors.min() == 0
    assert colors.max() == 1
    assert colors[mean[:, 2].argmax(), 0] == 1  # the nose tip is reddest


def test_regions_do_not_overlap_and_are_where_their_names_say() -> None:
    model = open_face_model(crop="head")
    shape = model.shape(model.params())
    assert np.sum(list(model.regions.values()), axis=0).max() == 1
    centre = {name: shape[mask].mean(axis=0) for name, mask in model.regions.items()}
    assert centre["left_eyelids"][0] > 20
    assert centre["right_eyelids"][0] < -20
    assert centre["forehead"][1] > centre["brows"][1] > centre["left_eyelids"][1]
    assert centre["left_eyelids"][1] > centre["nose"][1] > centre["lips"][1]
    assert centre["nose"][2] > centre["cheeks"][2] > centre["ears"][2]
    for name, mask in model.regions.items():
        x = shape[mask, 0]
        if not name.startswith(("left", "right")):
            assert x.min() == pytest.approx(-x.max(), abs=1e-3), name


def test_mirroring_the_parameters_mirrors_the_face() -> None:
    model = open_face_model(level=0)
    R = head_rotation(HeadPose(30, -10, 15))
    params = model.params(
        scaled_camera(2.0, R, np.array([150.0, 120.0])),
        people(1)[0],
        {"jawLeft": 1, "eyeBlinkLeft": 0.8, "mouthSmileRight": 0.5, "browInnerUp": 0.3},
    )
    mirrored = model.reconstruct(model.mirrored(params, image_width=320))
    assert model.surface is not None
    back = mirrored.vertices[model.surface.mirror] * [-1, 1, 1] + [319, 0, 0]
    np.testing.assert_allclose(back, model.reconstruct(params).vertices, atol=2e-3)
    person = params.with_identity(people(2)[1].astype(np.float32))
    flipped = model.mirrored(person, image_width=320)
    np.testing.assert_allclose(model.reconstruct(flipped).vertices, mirrored.vertices, atol=2e-3)
    np.testing.assert_array_equal(flipped.identity, person.identity * model.identity_mirror_sign)


def test_a_corrective_is_part_of_the_mesh_and_of_every_landmark() -> None:
    model = open_face_model(level=0)
    first, second = people(2).astype(np.float32)
    params = model.params(identity=first)
    same = params.with_identity(second)
    assert (same.identity == second).all()
    for of in (model.landmarks, model.shape, lambda p: model.reconstruct(p).vertices):
        np.testing.assert_allclose(of(same), of(params), atol=2e-4)
    apart = replace(same, corrective=None)
    assert np.abs(model.shape(apart) - model.shape(params)).max() > 1


@pytest.mark.parametrize("name", [n for n in ARKIT if n.endswith("Left")])
def test_paired_expressions_are_mirror_images_to_a_tenth_of_a_millimetre(name: str) -> None:
    model = open_face_model()
    assert model.surface is not None
    shapes = blendshapes()
    other = shapes[name.removesuffix("Left") + "Right"][model.surface.mirror] * [-1, 1, 1]
    assert np.abs(shapes[name] - other).max() < 0.1


@pytest.mark.parametrize("crop", ["face", "head"])
def test_the_faster_symmetric_product_gives_the_same_faces(crop: str) -> None:
    model = open_face_model(level=0, crop=crop)
    slow = replace(model, mirror=None)
    random = np.random.default_rng(5)
    params = model.params(identity=random.normal(size=80), expression=random.random(52))
    np.testing.assert_allclose(model.shape(params), slow.shape(params), atol=1e-4)


def test_the_mean_face_is_symmetric() -> None:
    model = open_face_model(level=2, crop="head")
    assert model.surface is not None
    mean = model.shape(model.params())
    np.testing.assert_allclose(mean[model.surface.mirror] * [-1, 1, 1], mean, atol=1e-4)


def test_every_expression_moves_the_face() -> None:
    assert min(np.linalg.norm(d, axis=1).max() for d in blendshapes().values()) > 2.5


def test_an_open_jaw_parts_the_lips_by_over_30_mm() -> None:
    model = open_face_model()
    points = model.landmarks(model.params(expression={"jawOpen": 1}))
    assert points[66, 1] - points[62, 1] > 30


def test_mouth_close_shuts_an_open_jaw() -> None:
    model = open_face_model()
    points = model.landmarks(model.params(expression={"jawOpen": 1, "mouthClose": 1}))
    assert abs(points[66, 1] - points[62, 1]) < 3


def lid_margins(model: MorphableModel) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Upper and lower margin of each eye as vertices of the finest head, from corner to corner."""
    eyelids = model.eyelids
    assert eyelids is not None
    data = read_arrays()
    n = len(data["mean"])
    base = open_face_model(level=0, crop="head")
    assert base.surface is not None
    margins = {}
    for side, eye in (("left", 0), ("right", 1)):
        rim = {v for loop in boundary_loops(data["quads"].astype(int)) if len(loop) == 28 for v in loop}
        rim = {v for v in rim if (data["mean"][v, 0] > 0) == (eye == 0)}
        beside: dict[int, set[int]] = {}
        for quad in data["quads"].astype(int).tolist():
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                beside.setdefault(a, set()).add(b)
                beside.setdefault(b, set()).add(a)
        ring, seen = rim, set(rim)
        for _ in range(4):  # the margin is the fifth ring from the edge behind the lids
            ring = set[int]().union(*(beside[v] for v in ring)) - seen
            seen |= ring
        loop = [min(ring, key=lambda v: data["mean"][v, 0])]
        while True:
            steps = sorted((beside[loop[-1]] & ring) - set(loop), key=lambda v: -data["mean"][v, 1])
            if not steps:
                break
            loop.append(steps[0])
        loop = refined_path([*loop, loop[0]], n)[:-1]
        margins[side] = np.array(loop)
    return margins


def refined_path(path: list[int], n: int) -> list[int]:
    """The vertices of the finest mesh along edges of the base mesh."""
    quads = read_arrays()["quads"].astype(np.int32)
    for _ in range(2):
        refine = catmull_clark(quads, n)
        edges = np.concatenate([refine.inner_edges[:, :2], refine.boundary_edges])
        between = {(min(e), max(e)): n + k for k, e in enumerate(edges.tolist())}
        path = [v for a, b in pairwise(path) for v in (a, between[min(a, b), max(a, b)])] + [path[-1]]
        quads, n = refine.quads, refine.n_fine
    return path


def test_lids_close_on_two_hundred_people() -> None:
    model = open_face_model(level=0, crop="head")
    part = model.subset(np.arange(len(model.mean)))
    first = catmull_clark(read_arrays()["quads"].astype(np.int32), len(model.mean))
    second = catmull_clark(first.quads, first.n_fine)
    margins = lid_margins(model)
    neutral = second(first(model.mean))
    worst_gap, worst_overlap = 0.0, 0.0
    for identity in people(200):
        closed = model.params(identity=identity, expression={"eyeBlinkLeft": 1, "eyeBlinkRight": 1})
        shape = second(first(part.vertices(closed)))
        for loop in margins.values():
            x = neutral[loop, 0]
            start, end = sorted((int(x.argmin()), int(x.argmax())))
            arcs = [loop[start : end + 1], np.concatenate([loop[end:], loop[: start + 1]])]
            arcs = [shape[arc[np.argsort(neutral[arc, 0], kind="stable")]] for arc in arcs]
            arcs.sort(key=lambda arc: -arc[:, 1].mean())
            low = max(arc[0, 0] for arc in arcs) + 0.5
            high = min(arc[-1, 0] for arc in arcs) - 0.5
            at = np.linspace(low, high, 50)
            upper, lower = (np.interp(at, np.maximum.accumulate(arc[:, 0]), arc[:, 1]) for arc in arcs)
            worst_gap = max(worst_gap, float((upper - lower).max()))
            worst_overlap = max(worst_overlap, float((lower - upper).max()))
    assert worst_gap <= 0.3
    assert worst_overlap <= 0.5


def test_a_closed_eye_hides_the_eyeball() -> None:
    model = open_face_model()
    eyeball = model.regions["eyeballs"][model.topology.triangles].all(axis=1)
    seen = {0.0: 0, 1.0: 0}
    for identity in people(10):
        for blink in seen:
            camera = scaled_camera(4.0, np.diag([1.0, -1.0, -1.0]), np.array([240.0, 80.0]))
            params = model.params(camera, identity, {"eyeBlinkLeft": blink, "eyeBlinkRight": blink})
            triangle = rasterize([model.reconstruct(params)], 160, 480).triangle
            seen[blink] += int(eyeball[triangle[triangle >= 0]].sum())
    assert seen[0.0] > 10 * 2000
    assert seen[1.0] < 0.01 * seen[0.0]


def test_triangles_that_turn_over_are_few_and_lie_in_folds() -> None:
    # Inside the closing lids and between the lips; nowhere else.
    model = open_face_model()
    triangles = model.topology.triangles
    neutral = model.shape(model.params())

    def normals(shape: np.ndarray) -> np.ndarray:
        a, b, c = (shape[triangles[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    turned = {
        name: (normals(neutral + delta) * normals(neutral)).sum(axis=1) < 0
        for name, delta in blendshapes().items()
    }
    lids = (model.regions["left_eyelids"] | model.regions["right_eyelids"])[triangles].any(axis=1)
    lips = model.regions["lips"][triangles].any(axis=1)
    for name, mask in turned.items():
        assert mask.sum() <= 0.01 * len(triangles), name
        assert not (mask & ~lids & ~lips).any(), name


def test_identities_stay_faces() -> None:
    # Within ±3 standard deviations of every coefficient, one at a time, no triangle of the skin turns over.
    model = open_face_model(level=0)
    assert model.surface is not None
    triangles = model.topology.triangles
    # Neither the eyeballs, nor the gap beside them, nor the mouth.
    added = model.surface(np.float32(model.surface.base >= N_OUTER)) > 0
    skin = ~added[triangles].any(axis=1)
    mean = model.shape(model.params())

    def normals(shape: np.ndarray) -> np.ndarray:
        a, b, c = (shape[triangles[skin][:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    turned = 0
    for k in range(model.n_identity):
        for sign in (-3, 3):
            identity = np.zeros(80)
            identity[k] = sign
            shape = model.shape(model.params(identity=identity))
            turned += int(((normals(shape) * normals(mean)).sum(axis=1) < 0).sum())
    assert turned <= 0.0005 * skin.sum() * 160


def test_a_neutral_face_keeps_the_person_and_the_pose() -> None:
    model = open_face_model(level=0)
    params = model.params(identity=people(1)[0], expression={"jawOpen": 1})
    neutral = model.neutral(params)
    assert not neutral.expression.any()
    np.testing.assert_array_equal(neutral.identity, params.identity)
    np.testing.assert_array_equal(neutral.camera, params.camera)


def test_a_frontal_face_looks_at_the_camera_at_the_same_place_and_size() -> None:
    model = open_face_model(level=0)
    R = head_rotation(HeadPose(50, 20, -10))
    params = model.params(scaled_camera(3.0, R, np.array([40.0, 60.0])))
    frontal = model.frontal(params)
    np.testing.assert_allclose(
        frontal.camera, scaled_camera(3.0, np.diag([1.0, -1, -1]), np.array([40.0, 60.0]))
    )


def test_blendshapes_are_the_same_whether_the_face_at_rest_is_known() -> None:
    model = open_face_model()
    identity = np.random.default_rng(2).normal(size=model.n_identity).astype(np.float32)
    neutral = model.shape(model.params(identity=identity))
    expected, found = model.blendshapes(identity), model.blendshapes(identity, neutral=neutral)
    for name, shape in expected.items():
        np.testing.assert_array_equal(found[name], shape)


def test_blendshapes_add_up_to_the_face_with_the_expression() -> None:
    model = open_face_model(level=0)
    identity = people(1)[0]
    shapes = model.blendshapes(identity)
    assert list(shapes) == ARKIT
    got = model.shape(model.params(identity=identity, expression={"jawOpen": 0.5, "mouthSmileLeft": 0.25}))
    neutral = model.shape(model.params(identity=identity))
    np.testing.assert_allclose(
        got, neutral + 0.5 * shapes["jawOpen"] + 0.25 * shapes["mouthSmileLeft"], atol=1e-3
    )


def test_a_model_is_shown_in_one_line() -> None:
    text = repr(open_face_model())
    assert text.startswith(
        "<MorphableModel 'open': 10881 vertices, 80 identity and 52 expression coefficients"
    )
    assert len(text) < 400
    assert repr(open_face_model().landmark_sets["jaw"]) == "<LandmarkSet: 17 points>"


def test_the_model_says_what_there_is() -> None:
    model = open_face_model()
    with pytest.raises(InputError, match=r"no expression named 'eyeBlink' .* nearest: eyeBlink"):
        model.params(expression={"eyeBlink": 1.0})
    with pytest.raises(InputError, match=r"no landmark set named 'dlib' .* there are: ibug68"):
        model.landmarks(model.params(), "dlib")
    with pytest.raises(InputError, match=r"identity has shape \(40,\); the model 'open' has 80"):
        model.params(identity=np.zeros(40))
    with pytest.raises(InputError, match="the weight of jawOpen: nan where finite numbers are needed"):
        model.params(expression={"jawOpen": np.nan})
    other = FaceParams(model.params().camera, np.zeros(40, np.float32), np.zeros(10, np.float32))
    for ask in (model.reconstruct, model.shape, model.landmarks):
        with pytest.raises(InputError, match="40 identity and 10 expression coefficients belong to another"):
            ask(other)
    with pytest.raises(InputError, match="level=3; it takes a whole number from 0 to 2"):
        open_face_model(level=3)
    with pytest.raises(InputError, match="no crop 'ears'; choose one of face, head, mannequin"):
        open_face_model(crop="ears")


def test_the_stored_surface_is_the_one_that_the_base_mesh_makes() -> None:
    built, stored = build_surface(read_arrays(), 1, "face"), unpack_surface(read_arrays(), "face-1")
    for name in ("base", "vertices", "cut_ends", "cut_shares", "triangles", "uv", "mirror"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(built, name), err_msg=name)
    values = np.random.default_rng(0).normal(size=(len(built.base), 4)).astype(np.float32)
    np.testing.assert_array_equal(stored(values), built(values))
    lit = rim_light(read_arrays(), built, 1)
    np.testing.assert_array_equal(read_arrays()[rim_light_key("face-1")], lit)
    assert (lit != np.arange(len(lit))).any()


def test_the_default_model_subdivides_nothing_when_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from tddfa.morphable import open_model

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the surface was built")

    monkeypatch.setattr(open_model, "build_surface", refuse)
    make = open_model._model.__wrapped__.__wrapped__  # without its lock and cache
    make(1, "face", True)
    with pytest.raises(AssertionError, match="built"):
        make(2, "face", True)


@pytest.mark.parametrize("level", [0, 1])
def test_without_its_mouth_the_face_is_the_same_skin(level: int) -> None:
    whole, closed = open_face_model(level=level), open_face_model(level=level, mouth=False)
    params = whole.params(identity=people(1)[0], expression={"jawOpen": 1, "eyeBlinkLeft": 0.5})
    np.testing.assert_array_equal(closed.landmarks(params), whole.landmarks(params))
    assert not any(closed.regions[name].any() for name in ("mouth", "teeth", "tongue"))
    # Copies of the lips' edge for the texture of the mouth are gone too.
    outer = ~np.any([whole.regions[name] for name in ("mouth", "teeth", "tongue")], axis=0)
    left, all_of_it = ({tuple(v) for v in m.shape(params).round(4).tolist()} for m in (closed, whole))
    assert left <= all_of_it
    assert len(left) >= 0.99 * len({tuple(v) for v in whole.shape(params)[outer].round(4).tolist()})


def test_former_names_work_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match="open_face_model"):
        assert MorphableModel.open(level=0) is open_face_model(level=0)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.warns(DeprecationWarning, match="indices"):
        assert open_face_model().landmark_sets["irises"].numbers is not None
