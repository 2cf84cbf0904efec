"""GLB: faces with texture, normals and blendshapes, still or moving.

The mesh of a face is its neutral shape in metres: x to the subject's left, y up, z out of the face. That is
the frame of glTF, so a face without its pose looks at the viewer. Expressions are morph targets, and the
head pose is the rotation and translation of the face's node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float64

from tddfa.errors import InputError
from tddfa.export.files import writer_of
from tddfa.export.gltf import GltfBuilder
from tddfa.export.upright import vertex_colors
from tddfa.geometry.camera import camera_rotation, camera_scale
from tddfa.geometry.triangles import vertex_normals
from tddfa.imaging.files import encode_image
from tddfa.types import Face, Image

Unit: TypeAlias = Literal["m", "px"]
"""Metres around the middle of the picture, or pixels from its lower left corner."""

_MM = np.float32(1e-3)  # metres
_TO_VIEWER = np.diag([1.0, -1.0, -1.0])  # the image frame with y up and z to the viewer


def glb_bytes(
    image: Image,
    faces: Sequence[Face],
    *,
    textures: Sequence[Image] | None = None,
    neutral: bool = False,
    frontal: bool = False,
    blendshapes: bool = True,
    unit: Unit = "m",
) -> bytes:
    """The faces of a picture as one GLB file, a node for each.

    Args:
        image: the photo, for its size and colours.
        faces: to write.
        textures: one per face in its texture layout, row 0 is v = 1; without them each vertex has the
            colour of its pixel.
        neutral: with all expression weights at 0; the blendshapes are still there.
        frontal: all looking at the viewer, at the origin of the scene.
        blendshapes: write the expressions as morph targets, their names in `extras.targetNames` and the
            weights of the photo set; without them the expression is part of the mesh.
        unit: of the scene.

    Raises:
        InputError: there are textures, but not one per face, or a model has no texture layout.
    """
    _check_textures(faces, textures)
    builder = GltfBuilder()
    placing = _Placing.of(image.shape[:2], faces, unit)
    for i, face in enumerate(faces):
        texture = None if textures is None else textures[i]
        shown = (
            replace(face.params, expression=np.zeros_like(face.params.expression)) if neutral else face.params
        )
        face = Face(face.detection, shown, face.landmarks, face.model)
        node = _face_node(builder, f"face_{i + 1}", image, face, texture, blendshapes)
        if not frontal:
            builder.document["nodes"][node] |= placing.transform(shown.camera)
    return builder.to_bytes()


write_glb = writer_of(glb_bytes)


def clip_glb_bytes(
    image: Image,
    times: Sequence[float],
    faces: Sequence[Face],
    *,
    texture: Image | None = None,
    visible: Sequence[bool] | None = None,
    unit: Unit = "m",
) -> bytes:
    """One face of a video as an animated GLB file: its node turns and moves, its weights change.

    Args:
        image: a frame of the video, for its size and for the colours of the first face.
        times: of the frames, s, growing.
        faces: the same person in each frame, of one model; the shape is that of the mean identity.
        texture: of the face, in its texture layout; without it each vertex has the colour of its pixel.
        visible: whether the face is seen in each frame; where not, it is shrunk to nothing, which players
            do not draw. Always, when not given.
        unit: of the scene.

    Raises:
        InputError: there are no frames, not one time per face, or times that do not grow.
    """
    if not faces or len(times) != len(faces):
        raise InputError(f"{len(faces)} faces at {len(times)} times; give one face per time, at least one")
    shown_at = np.ones(len(faces), bool) if visible is None else np.array(visible, bool)
    if len(shown_at) != len(faces):
        raise InputError(f"visible says {len(shown_at)} times whether a face is seen, of {len(faces)} faces")
    if not all(a < b for a, b in pairwise(times)):
        raise InputError("the times of an animation have to grow from frame to frame")
    _check_textures(faces[:1], None if texture is None else [texture])
    builder = GltfBuilder()
    first = faces[0]
    seen = [f for f, shown in zip(faces, shown_at, strict=True) if shown] or faces
    identity = np.mean([f.params.identity for f in seen], axis=0, dtype=np.float32)
    # The colours of vertices come from where they are in the first frame.
    shown = replace(first.params, identity=identity)
    person = Face(first.detection, shown, first.landmarks, first.model)
    node = _face_node(builder, "face_1", image, person, texture, True)
    placing = _Placing.of(image.shape[:2], seen, unit)
    builder.document["nodes"][node] |= placing.transform(shown.camera)
    transforms = [placing.transform(f.params.camera) for f in faces]
    tracks: dict[str, Float[np.ndarray, "n c"]] = {
        "rotation": _continuous(np.array([t["rotation"] for t in transforms])),
        "translation": np.array([t["translation"] for t in transforms]),
        "scale": np.array([t["scale"] for t in transforms]) * shown_at[:, None],
    }
    if first.model.expression_names:
        tracks["weights"] = np.stack([f.params.expression for f in faces]).reshape(-1, 1)
    clock = builder.samples((np.array(times) - times[0]).astype(np.float32)[:, None])
    # A face is there or not: one that grows from nothing within a frame would look odd in slow motion.
    steps = set[str]() if shown_at.all() else {"scale"}
    samplers = [
        {
            "input": clock,
            "output": builder.samples(track.astype(np.float32)),
            "interpolation": "STEP" if name in steps else "LINEAR",
        }
        for name, track in tracks.items()
    ]
    channels = [{"sampler": i, "target": {"node": node, "path": name}} for i, name in enumerate(tracks)]
    builder.add("animations", {"name": "clip", "samplers": samplers, "channels": channels})
    return builder.to_bytes()


@dataclass(frozen=True, slots=True)
class _Placing:
    """Where a face stands in the scene.

    Attributes:
        height: of the picture, px.
        center: of the picture, px.
        per_pixel: metres per px, the same for all faces so that they keep their places; None for px.
    """

    height: int
    center: tuple[float, float]
    per_pixel: float | None

    @classmethod
    def of(cls, size: tuple[int, int], faces: Sequence[Face], unit: Unit) -> _Placing:
        height, width = size
        scale = float(np.mean([camera_scale(f.params.camera) for f in faces])) if faces else 1.0
        return cls(height, ((width - 1) / 2, (height - 1) / 2), None if unit == "px" else 1e-3 / scale)

    def transform(self, camera: Float64[np.ndarray, "3 4"]) -> dict[str, list[float]]:
        x, y = camera[:2, 3]
        scale = 1.0
        if self.per_pixel is None:
            place = [x, self.height - y, 0.0]
            scale = 1e3 * camera_scale(camera)  # from metres
        else:
            place = [(x - self.center[0]) * self.per_pixel, (self.center[1] - y) * self.per_pixel, 0.0]
        return {
            "rotation": _quaternion(_TO_VIEWER @ camera_rotation(camera)).tolist(),
            "translation": [float(v) for v in place],
            "scale": [float(scale)] * 3,
        }


def _face_node(
    builder: GltfBuilder, name: str, image: Image, face: Face, texture: Image | None, blendshapes: bool
) -> int:
    params, model = face.params, face.model
    rest = replace(params, expression=np.zeros_like(params.expression)) if blendshapes else params
    vertices = model.shape(rest) * _MM
    triangles, uv = face.mesh.triangles, face.mesh.topology.uv
    normals = vertex_normals(vertices, triangles)
    normals[~normals.any(axis=1)] = (0, 0, 1)  # the format wants unit vectors, also where there is no area
    attributes = {"POSITION": builder.vertices(vertices), "NORMAL": builder.vertices(normals)}
    material: dict[str, Any] = {
        "name": name,
        "doubleSided": True,  # a mask: seen from behind, or through an open mouth, there is skin
        "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 0.9},
    }
    if texture is not None:
        assert uv is not None
        # The texture coordinates of glTF run downwards.
        attributes["TEXCOORD_0"] = builder.vertices(np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1))
        picture = builder.image(encode_image(texture, "jpg", quality=95), "image/jpeg")
        if "samplers" not in builder.document:
            # Linear with mipmaps, and no wrapping around the border.
            builder.add("samplers", {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071})
        number = builder.add("textures", {"source": picture, "sampler": 0})
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": number}
    else:
        attributes["COLOR_0"] = builder.vertices(_linear(vertex_colors(image, face.mesh)), normalized=True)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": builder.indices(triangles.ravel(), len(vertices)),
        "material": builder.add("materials", material),
    }
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if blendshapes and model.expression_names:
        shapes = model.blendshapes(params.identity)
        primitive["targets"] = [
            {"POSITION": builder.displacements(shapes[key] * _MM)} for key in model.expression_names
        ]
        mesh["weights"] = [float(w) for w in params.expression]
        mesh["extras"] = {"targetNames": list(model.expression_names)}
    node = builder.add("nodes", {"name": name, "mesh": builder.add("meshes", mesh)})
    builder.document["scenes"][0].setdefault("nodes", []).append(node)
    return node


def _check_textures(faces: Sequence[Face], textures: Sequence[Image] | None) -> None:
    if textures is None:
        return
    if len(textures) != len(faces):
        raise InputError(f"{len(textures)} textures for {len(faces)} faces; give one per face")
    if any(face.mesh.topology.uv is None for face in faces):
        raise InputError("this model has no texture layout (UV), so it cannot carry a texture")


def _linear(colors: np.ndarray) -> np.ndarray:
    """SRGB as linear light in 16 bits, with an alpha of 1: the colours of vertices in glTF.

    Source: IEC 61966-2-1.
    """
    levels = np.arange(256) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    table = np.rint(light * 65535).astype(np.uint16)
    return np.hstack([table[colors], np.full((len(colors), 1), 65535, np.uint16)])


def _quaternion(R: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "4"]:
    """The unit quaternion (x, y, z, w) of a rotation.

    Source: Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix", 2000: the
        eigenvector of the largest eigenvalue; exact also near half turns.
    """
    K = np.array(
        [
            [R[0, 0] - R[1, 1] - R[2, 2], R[1, 0] + R[0, 1], R[2, 0] + R[0, 2], R[2, 1] - R[1, 2]],
            [R[1, 0] + R[0, 1], R[1, 1] - R[0, 0] - R[2, 2], R[2, 1] + R[1, 2], R[0, 2] - R[2, 0]],
            [R[2, 0] + R[0, 2], R[2, 1] + R[1, 2], R[2, 2] - R[0, 0] - R[1, 1], R[1, 0] - R[0, 1]],
            [R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], R[0, 0] + R[1, 1] + R[2, 2]],
        ]
    )
    q = np.linalg.eigh(K)[1][:, -1]
    return q if q[3] >= 0 else -q


def _continuous(rotations: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """Quaternions with signs such that each is near the one before it: players take the short way."""
    signs = np.sign((rotations[1:] * rotations[:-1]).sum(axis=1))
    return rotations * np.concatenate([[1.0], np.cumprod(np.where(signs == 0, 1, signs))])[:, None]
