"""GLB: faces with texture, normals and blendshapes, still or moving.

The mesh of a face is its neutral shape in metres: x to the subject's left, y up, z out of the face. glTF
has the same frame, so a face without its pose looks at the viewer. Expressions are morph targets, and the
head pose is the rotation and translation of the face's node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, get_args

import numpy as np

from tddfa.errors import InputError
from tddfa.export.displacements import MM, displacements, stored_mesh
from tddfa.export.files import writer_of
from tddfa.export.gltf import GltfBuilder
from tddfa.export.placement import Placement, Unit, continuous
from tddfa.export.y_up import vertex_colors
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging.files import encode_image
from tddfa.shapes import Float, Float32, UInt16
from tddfa.types import Face, FaceParams, Image, Topology
from tddfa.types.arguments import (
    as_faces,
    as_list,
    as_texture,
    check_choice,
    check_flag,
    check_numbers,
    faces_of,
    per_face,
)
from tddfa.types.image import check_image


def glb_bytes(
    image: Image,
    faces: Iterable[Face],
    *,
    textures: Iterable[Image] | None = None,
    neutral: bool = False,
    frontal: bool = False,
    blendshapes: bool = True,
    full_mesh: bool = False,
    unit: Unit = "m",
) -> bytes:
    """Return the faces of an image as one GLB file, a node for each.

    Args:
        image: RGB; gives its size and the colours of vertices.
        faces: faces of the image.
        textures: one per face in its texture layout, row 0 is v = 1; without textures each vertex has the
            colour of its pixel.
        neutral: set all expression weights to 0; the blendshapes are still there.
        frontal: place every face at the origin of the scene, looking at the viewer.
        blendshapes: write the expressions as morph targets, with their names in `extras.targetNames` and the
            weights of the image set; without them the expression is part of the mesh.
        full_mesh: store all vertices. By default those of the open model are left out that lie within 0.5 mm
            of the mesh without them, in every expression, or inside the mouth: a third of the bytes.
        unit: unit of the scene: "m" or "px".

    Raises:
        InputError: an argument is not possible, or a model has no texture layout; the message says what is.
    """
    faces = faces_of(image, faces)
    images = _texture_images(faces, textures)
    flags = {"neutral": neutral, "frontal": frontal, "blendshapes": blendshapes, "full_mesh": full_mesh}
    for name, flag in flags.items():
        check_flag(name, flag)
    check_choice("unit", unit, get_args(Unit))
    builder = GltfBuilder()
    placement = Placement.of(image.shape[:2], [face.params for face in faces], unit)
    for i, face in enumerate(faces):
        params = _at_rest(face.params) if neutral else face.params
        # Colours come from where the vertices are in the image, whatever the expression in the file.
        skin = vertex_colors(image, face.mesh) if images is None else images[i]
        node = _add_face(
            builder, f"face_{i + 1}", face, params, skin, images is not None, blendshapes, full_mesh
        )
        if not frontal:
            builder.document["nodes"][node] |= placement.transform(params.camera)
    return builder.to_bytes()


write_glb = writer_of(glb_bytes)


def clip_glb_bytes(
    image: Image,
    times: Iterable[float],
    faces: Iterable[Face],
    *,
    texture: Image | None = None,
    visible: Iterable[bool] | None = None,
    full_mesh: bool = False,
    unit: Unit = "m",
) -> bytes:
    """Return one face of a video as an animated GLB file: its node turns and moves, its weights change.

    Args:
        image: the frame of the first visible face; gives the size of the frames and the colours of vertices.
        times: time of each frame, s, increasing.
        faces: the same person in each frame, of one model; the shape is that of the mean identity.
        texture: of the face, in its texture layout; without a texture each vertex has the colour of its
            pixel.
        visible: whether the face is visible in each frame; where not, it is scaled to nothing, which players
            do not draw. Visible everywhere when not given.
        full_mesh: as in `glb_bytes`.
        unit: unit of the scene: "m" or "px".

    Raises:
        InputError: there are no frames, not one time per face, or times that do not increase.
    """
    check_image(image)
    check_choice("unit", unit, get_args(Unit))
    check_flag("full_mesh", full_mesh)
    faces = as_faces(faces)
    times = as_list("times", times, "a list of seconds is needed, one per face")
    if not faces or len(times) != len(faces):
        raise InputError(f"{len(faces)} faces at {len(times)} times; give one face per time, at least one")
    check_numbers("times", times, len(faces))
    shown = np.ones(len(faces), bool) if visible is None else np.array(_flags(visible))
    if len(shown) != len(faces):
        raise InputError(f"visible has {len(shown)} values for {len(faces)} faces; give one per face")
    clock = clip_clock(times)
    if not (np.isfinite(clock).all() and (clock[1:] > clock[:-1]).all()):
        raise InputError(
            "the times of an animation have to grow from frame to frame, in single precision, as GLB has them"
        )
    for k, face in enumerate(faces):
        if _coefficients(face) != _coefficients(faces[0]):
            raise InputError(f"faces[{k}] is of another model than faces[0]; give faces of one model")
    images = _texture_images(faces[:1], None if texture is None else [texture])
    seen = [face for face, is_shown in zip(faces, shown, strict=True) if is_shown] or list(faces)
    shape = np.mean([face.params.shape for face in seen], axis=0, dtype=np.float32)
    params = replace(faces[0].params, identity=shape, corrective=None)
    skin = vertex_colors(image, seen[0].mesh) if images is None else images[0]

    builder = GltfBuilder()
    node = _add_face(builder, "face_1", seen[0], params, skin, images is not None, True, full_mesh)
    placement = Placement.of(image.shape[:2], [face.params for face in seen], unit)
    transforms = [placement.transform(face.params.camera) for face in faces]
    builder.document["nodes"][node] |= transforms[0]
    tracks: dict[str, Float[np.ndarray, "n c"]] = {
        "rotation": continuous(np.array([t["rotation"] for t in transforms])),
        "translation": np.array([t["translation"] for t in transforms]),
        "scale": np.array([t["scale"] for t in transforms]) * shown[:, None],
    }
    if seen[0].model.expression_names:
        tracks["weights"] = np.stack([face.params.expression for face in faces]).reshape(-1, 1)
    time = builder.samples(clock[:, None])
    # A face is there or not: one that grows from nothing within a frame would look odd in slow motion.
    steps = set[str]() if shown.all() else {"scale"}
    samplers = [
        {
            "input": time,
            "output": builder.samples(track.astype(np.float32)),
            "interpolation": "STEP" if name in steps else "LINEAR",
        }
        for name, track in tracks.items()
    ]
    channels = [{"sampler": i, "target": {"node": node, "path": name}} for i, name in enumerate(tracks)]
    builder.add("animations", {"name": "clip", "samplers": samplers, "channels": channels})
    return builder.to_bytes()


def clip_clock(times: Sequence[float]) -> Float32[np.ndarray, " n"]:
    """Return the times of an animation, s since its first frame, as its file has them."""
    with np.errstate(over="ignore"):  # infinity is refused
        return (np.array(times, np.float64) - float(times[0])).astype(np.float32)


def _coefficients(face: Face) -> tuple[int, tuple[str, ...]]:
    """Return how many coefficients a face has, and their names: those of other models differ."""
    return len(face.params.identity), face.model.expression_names


def _add_face(
    builder: GltfBuilder,
    name: str,
    face: Face,
    params: FaceParams,
    skin: np.ndarray,
    textured: bool,
    blendshapes: bool,
    full_mesh: bool,
) -> int:
    """Add a face and return its node.

    Args:
        builder: the file.
        name: name of node, mesh and material.
        face: gives the model.
        params: identity and expression in the file.
        skin: a texture, or the colour of each vertex.
        textured: whether `skin` is a texture.
        blendshapes: whether expressions are morph targets.
        full_mesh: whether all vertices are stored.
    """
    model, topology, stored = face.model, face.mesh.topology, stored_mesh(face.model, full=full_mesh)
    shape = model.shape(_at_rest(params) if blendshapes else params)
    whole = shape * MM
    # Normals of the whole mesh: the file's looks as smooth in the light.
    smooth = _joined(vertex_normals(whole, topology.triangles), topology)
    vertices, normals = stored.values(whole), stored.values(smooth)
    normals[~normals.any(axis=1)] = (0, 0, 1)  # the format requires unit vectors, also where there is no area
    triangles = topology.triangles if stored.part is None else stored.part.triangles
    attributes = {"POSITION": builder.vertices(vertices), "NORMAL": builder.vertices(normals)}
    surface: dict[str, Any] = {"metallicFactor": 0, "roughnessFactor": 0.9}
    if textured:
        assert topology.uv is not None  # checked with the textures
        # The v axis of glTF points down.
        u, v = stored.values(topology.uv).T
        attributes["TEXCOORD_0"] = builder.vertices(np.stack([u, 1 - v], axis=1))
        surface["baseColorTexture"] = {"index": _add_texture(builder, skin)}
    else:
        attributes["COLOR_0"] = builder.vertices(_linear(stored.values(skin)), normalized=True)
    # A mask: from behind, or through an open mouth, its inner side is visible.
    material = {"name": name, "doubleSided": True, "pbrMetallicRoughness": surface}
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": builder.indices(triangles.ravel(), len(vertices)),
        "material": builder.add("materials", material),
    }
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if blendshapes and model.expression_names:
        targets = displacements(model, params.shape, stored, shape)
        primitive["targets"] = [{"POSITION": builder.displacements(target)} for target in targets]
        mesh["weights"] = [float(w) for w in params.expression]
        mesh["extras"] = {"targetNames": list(model.expression_names)}
    node = builder.add("nodes", {"name": name, "mesh": builder.add("meshes", mesh)})
    builder.document["scenes"][0].setdefault("nodes", []).append(node)
    return node


def _joined(normals: Float[np.ndarray, "n 3"], topology: Topology) -> Float[np.ndarray, "n 3"]:
    """Return the normals with one for all vertices at the same point: a seam of the texture is no edge."""
    twins, first, ranks = _seams(topology)
    total = normals.copy()
    for at in ranks:
        total[first[at]] += normals[twins[at]]
    total[twins] = total[first]
    x, y, z = total.T
    length = np.sqrt(x * x + y * y + z * z)[
        :, None
    ]  # np.linalg.norm takes five times as long along short rows
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0)


@lru_cache(maxsize=4)
def _seams(topology: Topology) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the vertices that lie where an earlier one lies in every face, these earlier ones, and groups.

    The groups are indices of the vertices, in none of which an earlier one occurs twice.
    """
    # Points of a model have a code of their own.
    _, first, point = np.unique(topology.colors, axis=0, return_index=True, return_inverse=True)
    earlier = first[point.reshape(-1)]
    twins = np.flatnonzero(earlier != np.arange(len(earlier)))
    first = earlier[twins]
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first)) - np.searchsorted(first[order], first[order])
    return twins, first, [np.flatnonzero(rank == k) for k in range(rank.max(initial=-1) + 1)]


def _add_texture(builder: GltfBuilder, texture: Image) -> int:
    source = builder.image(encode_image(texture, "jpg", quality=92), "image/jpeg")
    if "samplers" not in builder.document:
        # Linear with mipmaps, and no wrapping around the border.
        builder.add("samplers", {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071})
    return builder.add("textures", {"source": source, "sampler": 0})


def _at_rest(params: FaceParams) -> FaceParams:
    return replace(params, expression=np.zeros_like(params.expression))


def _flags(visible: Iterable[bool]) -> list[bool]:
    flags = as_list("visible", visible, "a list of True and False is needed, one per face")
    for k, flag in enumerate(flags):
        check_flag(f"visible[{k}]", flag)
    return flags


def _texture_images(faces: Sequence[Face], textures: Iterable[Image] | None) -> list[Image] | None:
    """Return the images of textures, one per face.

    Raises:
        InputError: there are more or fewer, one is no texture, or a model has no texture layout.
    """
    if textures is None:
        return None
    each = per_face("textures", textures, faces)
    images = [as_texture(f"textures[{k}]", texture) for k, texture in enumerate(each)]
    if any(face.mesh.topology.uv is None for face in faces):
        raise InputError("this model has no texture layout (UV), so it cannot carry a texture")
    return images


def _linear(colors: np.ndarray) -> UInt16[np.ndarray, "n 4"]:
    """Return sRGB colours as linear light in 16 bits with an alpha of 1: the colours of vertices in glTF."""
    linear = np.full((len(colors), 4), 65535, np.uint16)
    linear[:, :3] = _light()[colors]
    return linear


@lru_cache(maxsize=1)
def _light() -> UInt16[np.ndarray, "256"]:
    """Linear light of each of the 256 levels of sRGB, in 16 bits.

    Source: IEC 61966-2-1.
    """
    levels = np.arange(256) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return np.rint(light * 65535).astype(np.uint16)
