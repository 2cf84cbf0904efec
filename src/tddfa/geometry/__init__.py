"""Pure maths on arrays: boxes, rotations, cameras, triangles."""
