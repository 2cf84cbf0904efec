"""The logarithm and exponential of rotations, against SciPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tddfa.geometry.rotation import rotation_about, rotation_vector

numbers = st.floats(-1, 1)
vectors = st.tuples(numbers, numbers, numbers).map(np.array)


@given(vectors)
def test_both_agree_with_scipy(vector):
    R = rotation_about(vector)
    assert np.allclose(R, Rotation.from_rotvec(vector).as_matrix(), atol=1e-12)
    assert np.allclose(rotation_vector(R), vector, atol=1e-9)


@given(vectors.filter(lambda v: np.linalg.norm(v) > 1e-3), st.floats(-1e-9, 1e-9))
def test_half_a_turn_keeps_its_axis(axis, beyond):
    axis = axis / np.linalg.norm(axis)
    R = Rotation.from_rotvec((np.pi + beyond) * axis).as_matrix()
    assert np.allclose(rotation_about(rotation_vector(R)), R, atol=1e-6)
