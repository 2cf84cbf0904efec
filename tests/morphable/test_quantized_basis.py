"""Bases in 16 bits: exact enough, and the same from every vector unit and from NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tddfa import native
from tddfa.morphable import make_model
from tddfa.morphable.quantized_basis import QuantizedBasis
from tddfa.packs import ModelPack

CAMERA = np.array([[1.2, 0.1, -0.2, 310.5], [0.05, -1.1, 0.3, 200.25], [0.2, 0.25, -1.15, 3.0]])


def linear_model(n: int, counts: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """A mean of the size of a head, and bases of which each coefficient moves vertices less than the last."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-100, 100, (n, 3)).astype(np.float32)
    bases = [(rng.normal(size=(n, 3, k)) * 3 / (1 + np.arange(k))).astype(np.float32) for k in counts]
    bases[0] *= np.float32(1e-6)  # as the published one, whose coefficients are large
    return mean, bases


@pytest.mark.parametrize("n", [1, 64, 200])
def test_vertices_are_those_of_the_model_to_a_thousandth_of_a_millimetre(n: int) -> None:
    mean, bases = linear_model(n, (7, 5))
    model = QuantizedBasis.of(mean, bases)
    rng = np.random.default_rng(1)
    for _ in range(5):
        a, b = rng.normal(size=7) * 1e6, rng.normal(size=5)
        # The same model in double precision.
        exact = mean + bases[0].astype(float) @ a + bases[1].astype(float) @ b
        found = model.vertices(np.concatenate([a, b]), np.eye(3, 4))
        np.testing.assert_allclose(found, exact, atol=1e-3)
        seen = exact @ CAMERA[:, :3].T + CAMERA[:, 3]
        np.testing.assert_allclose(model.vertices(np.concatenate([a, b]), CAMERA), seen, atol=2e-3)


def test_the_first_coefficients_lose_nothing() -> None:
    mean, bases = linear_model(100, (2, 2))
    coefficients = np.array([3e6, -2e6, 4, -5], np.float32)
    exact = mean + bases[0].astype(float) @ coefficients[:2] + bases[1].astype(float) @ coefficients[2:]
    found = QuantizedBasis.of(mean, bases).vertices(coefficients, np.eye(3, 4))
    np.testing.assert_allclose(found, exact, atol=4e-5)  # the rounding of float32


@pytest.mark.skipif(native.kernel is None, reason="needs the native kernel, which is not built")
@pytest.mark.parametrize(("n", "counts"), [(1, (1,)), (64, (2, 1)), (333, (6, 4)), (128, (3, 0, 4))])
def test_every_vector_unit_and_numpy_give_the_same_bits(
    n: int, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mean, bases = linear_model(n, counts)
    bases[0][: n // 2] = 0
    model = QuantizedBasis.of(mean, bases)
    coefficients = np.random.default_rng(2).normal(size=sum(counts)) * 1e3
    found = [model.vertices(coefficients, CAMERA, widest=k) for k in (0, 1, 2)]
    monkeypatch.setattr(native, "kernel", None)
    plain = QuantizedBasis.of(mean, bases)
    np.testing.assert_array_equal(plain.words, model.words)
    np.testing.assert_array_equal(plain.scales, model.scales)
    for one in found:
        np.testing.assert_array_equal(one, plain.vertices(coefficients, CAMERA))


@pytest.mark.skipif(native.kernel is None, reason="needs the native kernel, which is not built")
def test_rows_that_do_not_fit_are_an_error_and_no_crash() -> None:
    basis, words, scales = (np.zeros(k, np.float32) for k in (3 * 64 * 2, 2 * 96, 2))
    with pytest.raises(ValueError, match="do not fit"):
        native.kernel.quantize(64, 2, 1, 2, 0, 2, basis, words, scales)
    with pytest.raises(ValueError, match="bytes"):
        native.kernel.quantize(65, 2, 0, 2, 0, 2, basis, words, scales)


def test_the_published_model_loses_less_than_a_third_of_a_thousandth_of_a_millimetre(
    published_pack: ModelPack, shared: Path
) -> None:
    model = make_model("published", published_pack.manifest.model, published_pack.arrays)
    golden = np.load(shared / "golden" / "emma_torch.npz")
    for p in golden["params"]:
        a, b = p[12:52].astype(float), p[52:].astype(float)
        exact = model.mean + model.identity_basis.astype(float) @ a + model.expression_basis.astype(float) @ b
        np.testing.assert_allclose(model.shape(model.params(None, a, b)), exact, atol=3e-4)
