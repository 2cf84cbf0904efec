import numpy as np
import trimesh

import toys
from tddfa.geometry.triangles import triangle_normals, vertex_normals


def test_normals_of_a_sphere_are_its_points():
    sphere = trimesh.creation.icosphere(subdivisions=4)
    vertices, triangles = sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32)
    np.testing.assert_allclose(vertex_normals(vertices, triangles), vertices, atol=0.01)


def test_the_length_of_a_triangle_normal_is_twice_its_area():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    normals = triangle_normals(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32))
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 2 * sphere.area_faces, rtol=1e-4)


def test_a_vertex_without_triangles_has_no_normal():
    vertices, triangles, _ = toys.ellipsoid_grid()
    lonely = np.vstack([vertices, [[9, 9, 9]]]).astype(np.float32)
    assert (vertex_normals(lonely, triangles)[-1] == 0).all()
