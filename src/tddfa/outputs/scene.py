"""An image and its faces, with what several kinds of output have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

import tddfa.render as render
from tddfa.dataclass import dataclass
from tddfa.shapes import Bool, Float32, UInt8
from tddfa.types import Face, Image

_TEXTURE_SIZES = (256, 512, 1024)  # px; the smallest that is at least as fine as the image
_LARGEST_TEXTURE = 2048


@dataclass(frozen=True)
class Scene:
    """An image and its faces; depth and textures are computed when first used.

    Attributes:
        image: RGB.
        faces: faces of the image.
        whole: the scene that this one shows one face of.
        index: index of that face.
    """

    image: Image
    faces: Sequence[Face]
    whole: Scene | None = None
    index: int = 0

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Scene({width}×{height} px, faces: {len(self.faces)})"

    def of_face(self, index: int) -> Scene:
        """Return the scene with one of the faces; its texture is the one that it has among all."""
        return Scene(self.image, [self.faces[index]], self, index)

    def cropped(self, crop: str) -> Scene:
        """Return the scene with another part of each head; see `Face.cropped`.

        Args:
            crop: `face`, which is what the pack's model shows, or `head`.
        """
        return self if crop == "face" else self._heads

    @cached_property
    def _heads(self) -> Scene:
        if self.whole is not None:
            return self.whole._heads.of_face(self.index)
        return Scene(self.image, [face.cropped("head") for face in self.faces])

    @cached_property
    def vertex_colors(self) -> list[UInt8[np.ndarray, "n_vertices 3"]] | None:
        """The colour of each vertex of each face, from its texture; None without a texture layout."""
        if self.textures is None:
            return None
        return [render.texture_colors(*item) for item in zip(self.faces, self.textures, strict=True)]

    @cached_property
    def depth(self) -> tuple[Float32[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
        """Depth of the faces, px, NaN where there is no face, and the mask of where there is one."""
        return render.depth_map(self.image, self.faces)

    @cached_property
    def textures(self) -> list[Image] | None:
        """A texture for each face, about as fine as the image; None for a model without a texture layout."""
        if self.whole is not None:
            textures = self.whole.textures
            return None if textures is None else [textures[self.index]]
        if not self.faces or any(face.mesh.topology.uv is None for face in self.faces):
            return None
        widest = max(max(face.detection.box.width, face.detection.box.height) for face in self.faces)
        size = next((size for size in _TEXTURE_SIZES if size >= widest), _LARGEST_TEXTURE)
        return [texture.image for texture in render.face_textures(self.image, self.faces, size=size)]
