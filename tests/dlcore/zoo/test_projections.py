"""Random projection and ITQ: bits are sides of planes, ITQ's come closer to the features, and both are a function of the seed."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dlcore.zoo.projections import Projection, itq, random_projection

Floats = NDArray[np.float64]


def clusters(rows: int = 400, features: int = 24) -> Floats:
    """Points about 12 centres far from the origin, some directions much longer than others."""
    random = np.random.default_rng(5)
    centres = random.standard_normal((12, features)) * np.linspace(4, 0.2, features)
    return 7 + centres[random.integers(0, 12, rows)] + 0.3 * random.standard_normal((rows, features))


def lost(projection: Projection, features: Floats) -> float:
    """What ITQ minimises: how far projections are from their signs, per row and bit."""
    projected = projection.project(features)
    return float(np.square(np.where(projected > 0, 1, -1) - projected).mean())


def test_bits_are_packed_sides_of_planes_through_the_mean() -> None:
    projection = Projection(np.array([1.0, 2.0]), np.array([[1.0] * 8, [0, 0, 0, 0, -1.0, -1, -9, -9]]))
    codes = projection(np.array([[2.0, 2.0], [2.0, 2.5], [1.0, 2.0], [0.0, 0.0]]))
    assert codes.dtype == np.uint8 and codes.tolist() == [[0b11111111], [0b11111100], [0], [0b00001111]]


@pytest.mark.parametrize("method", [itq, random_projection])
def test_codes_are_a_function_of_seed_and_halve_the_rows(method: Callable[..., Projection]) -> None:
    features = clusters()
    codes = [method(features, bits=16, seed=seed)(features) for seed in (1, 1, 2)]
    assert codes[0].shape == (400, 2)
    assert np.array_equal(codes[0], codes[1]) and not np.array_equal(codes[0], codes[2])
    assert 0.3 < np.unpackbits(codes[0], axis=1).mean() < 0.7


def test_itq_rotates_principal_components_closer_to_their_signs() -> None:
    features = clusters() / 2
    before, after = (itq(features, bits=8, seed=3, iterations=count) for count in (0, 50))
    assert lost(after, features) < lost(before, features)
    for found in (before, after):
        assert np.allclose(found.directions_DK.T @ found.directions_DK, np.eye(8)), "a rotation of orthonormal axes"
    centred = features - features.mean(axis=0)
    most = np.linalg.svd(centred, compute_uv=False)[:8]
    assert np.square(after.project(features)).sum() == pytest.approx(np.square(most).sum())


def test_bits_that_cannot_be_are_refused() -> None:
    for method in (itq, random_projection):
        with pytest.raises(ValueError, match="multiple of 8, got 12"):
            method(clusters(), bits=12, seed=1)
    with pytest.raises(ValueError, match="at most a bit a feature"):
        itq(clusters(), bits=32, seed=1)
