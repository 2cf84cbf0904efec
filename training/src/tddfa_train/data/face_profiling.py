"""Face profiling: the head of a photo turned further, so that frontal photos give large poses.

The image itself becomes a mesh, one vertex every few pixels, bent over the fitted head;
turned and drawn again, it shows hair and background as well as the face.

Source: Zhu et al., "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016, section 4.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from tddfa.render.rasterizer import rasterize
from tddfa.types import Mesh, Topology


@dataclass(frozen=True, slots=True, eq=False)
class BentImage:
    """A photo with a depth for every grid point.

    Attributes:
        image: RGB.
        points: grid points, image frame, px; x and y are also where their colour lies.
        pivot: what a turn leaves in place, image frame: the middle of the head.
        topology: triangles of the grid.
    """

    image: UInt8[np.ndarray, "h w 3"]
    points: Float32[np.ndarray, "n 3"]
    pivot: Float32[np.ndarray, "3"]
    topology: Topology


def image_depth(
    head: Mesh, height: int, width: int, *, slope: float = 0.5
) -> Float32[np.ndarray, "height width"]:
    """A depth for every pixel of a photo: of the head where it is, falling back slowly around it.

    Args:
        head: the fitted head, image frame.
        height: of the photo, px.
        width: of the photo, px.
        slope: px of depth a px of distance from the head.
    """
    fragments = rasterize([head], height, width)
    depth = np.full((height, width), np.inf, np.float32)
    depth[fragments.region] = fragments.depth
    outside = ~np.isfinite(depth)
    if outside.all():
        raise ValueError("the head does not touch the image")
    distance, nearest = cv2.distanceTransformWithLabels(
        outside.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label = np.asarray(nearest, np.int64)
    inside_depth = np.zeros(label.max() + 1, np.float32)
    inside_depth[label[~outside]] = depth[~outside]
    spread = inside_depth[label] + slope * distance
    blurred = cv2.GaussianBlur(spread, (0, 0), width / 25)
    depth = np.where(outside, blurred, depth)
    # A jump between head and surroundings would tear hair off: soften the seam.
    seam = cv2.GaussianBlur(depth, (0, 0), width / 80)
    near_edge = cv2.dilate(outside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(near_edge, seam, depth)


def head_middle(head: Mesh) -> Float32[np.ndarray, "3"]:
    """Middle of the head's box, image frame: what a turn leaves in place."""
    return ((head.vertices.min(0) + head.vertices.max(0)) / 2).astype(np.float32)


def bend_image(image: UInt8[np.ndarray, "h w 3"], head: Mesh, *, step: int = 2) -> BentImage:
    """The photo laid over the head.

    Args:
        image: RGB.
        head: the fitted head, image frame.
        step: grid spacing, px.
    """
    height, width = image.shape[:2]
    depth = image_depth(head, height, width)
    columns, rows = np.arange(0, width + step - 1, step), np.arange(0, height + step - 1, step)
    columns, rows = np.minimum(columns, width - 1), np.minimum(rows, height - 1)
    x, y = np.meshgrid(columns, rows)
    points = np.stack([x, y, depth[y, x]], -1).reshape(-1, 3).astype(np.float32)
    n = len(columns)
    corner = (np.arange(len(rows) - 1)[:, None] * n + np.arange(n - 1)).ravel()
    lower = np.stack([corner, corner + n, corner + 1], 1)
    upper = np.stack([corner + 1, corner + n, corner + n + 1], 1)
    triangles = np.concatenate([lower, upper]).astype(np.int32)
    topology = Topology(triangles, None, np.zeros((len(points), 3), np.float32))
    return BentImage(image, points, head_middle(head), topology)


def turn_image(
    bent: BentImage, rotation: Float[np.ndarray, "3 3"], backdrop: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The photo as it would look with the head turned.

    Args:
        bent: the photo as a mesh.
        rotation: of the image frame, about the pivot.
        backdrop: seen where the turned photo has nothing to show.
    """
    height, width = bent.image.shape[:2]
    turned = turn_points(bent.points, bent.pivot, rotation)
    fragments = rasterize([Mesh(turned, bent.topology)], height, width)
    source = np.zeros((fragments.triangle.size, 2), np.float32)
    weights = fragments.barycentric.reshape(-1, 3)[fragments.covered]
    source[fragments.covered] = (bent.points[fragments.corners, :2] * weights[..., None]).sum(1)
    source = source.reshape(*fragments.triangle.shape, 2)
    colours = cv2.remap(bent.image, source[..., 0], source[..., 1], cv2.INTER_LINEAR)
    out = backdrop.copy()
    out[fragments.region] = np.where(fragments.mask[..., None], colours, backdrop[fragments.region])
    return out


def turn_points(
    points: Float[np.ndarray, "n 3"], pivot: Float[np.ndarray, "3"], rotation: Float[np.ndarray, "3 3"]
) -> Float32[np.ndarray, "n 3"]:
    """Points of the image frame after the turn."""
    return ((points - pivot) @ rotation.T + pivot).astype(np.float32)


def rotation_about(axis: Float[np.ndarray, "3"], angle_deg: float) -> Float[np.ndarray, "3 3"]:
    """The rotation about an axis by an angle, right-handed."""
    unit = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    return cv2.Rodrigues(unit * np.deg2rad(angle_deg))[0]
