"""Phong light on the vertices of a mesh.

brightness = ambient + directional · (n · l) + specular · highlight, each part clipped to [0, 1]; n is the
normal, l the direction to the lamp, r = 2 (n · l) n − l its mirror image. As in 3DDFA_V2 the highlight is the
sum of the powers (l_x r_x)^e + (l_y r_y)^e + (l_z r_z)^e, not the power of the sum: images stay comparable.

Source: Phong, "Illumination for computer generated pictures", 1975.
"""

from __future__ import annotations

import numpy as np

from tddfa.dataclass import dataclass
from tddfa.shapes import Float32
from tddfa.types.arguments import MAX_EXPONENT, check_count, check_kind, check_numbers


@dataclass(frozen=True, slots=True)
class Light:
    """A white lamp and how a surface reflects it.

    Attributes:
        ambient: brightness without the lamp.
        directional: brightness added where the surface faces the lamp.
        specular: brightness added where the surface mirrors the lamp to the viewer.
        exponent: sharpness of the highlight, 1 to 1024.
        position: position of lamp and viewer, in a frame where the mesh fills the unit cube around 0: x
            right, y down, z towards the viewer.

    Source: the defaults are those of 3DDFA_V2's `3d` overlay.
    """

    ambient: float = 0.3
    directional: float = 0.6
    specular: float = 0.1
    exponent: int = 5
    position: tuple[float, float, float] = (0.0, 0.0, 5.0)


def checked_light(light: Light | None) -> Light:
    """Return the light; that of 3DDFA_V2 for None.

    Raises:
        InputError: it is no light, or one of its numbers is not possible.
    """
    if light is None:
        return Light()
    check_kind("light", light, Light, "see tddfa.render.Light")
    parts = (light.ambient, light.directional, light.specular)
    check_numbers("ambient, directional and specular of the light", parts, 3)
    check_count("exponent of the light", light.exponent, MAX_EXPONENT)
    check_numbers("position of the light", light.position, 3)
    return light


@dataclass(frozen=True, slots=True)
class UnitCube:
    """The map of a mesh in the image frame into the unit cube around 0, with y down and z to the viewer.

    Attributes:
        low: smallest coordinates, z to the viewer.
        half: half the size of the mesh in the cube.
        scale: cube per px.
    """

    low: Float32[np.ndarray, "3"]
    half: Float32[np.ndarray, "3"]
    scale: np.float32

    @classmethod
    def around(cls, bounds: Float32[np.ndarray, "2 3"]) -> UnitCube:
        """Return the cube whose longest side a mesh with these smallest and largest coordinates fills."""
        low, high = bounds.copy()
        low[2], high[2] = -bounds[1, 2], -bounds[0, 2]
        side = (high - low).max()
        scale = np.float32(2) / side if side > 0 else np.float32(0)
        return cls(low, (high - low) * scale / np.float32(2), scale)

    def coordinate(self, vertices: Float32[np.ndarray, "n 3"], axis: int) -> Float32[np.ndarray, " n"]:
        """Return one coordinate of the vertices in the cube."""
        value = -vertices[:, 2] if axis == 2 else vertices[:, axis]
        return (value - self.low[axis]) * self.scale - self.half[axis]
