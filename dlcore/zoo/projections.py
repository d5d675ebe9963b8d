"""Binary codes by a linear projection that is found without training: random (LSH), and iterative quantisation (ITQ).

Both give a ``Projection``: a bit says on which side of a plane through the mean of the features a row lies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Projection:
    """Features [N, D] to codes [N, K/8]: a bit is 1 where (features - ``mean_D``) @ ``directions_DK`` is above 0, the first one highest."""

    mean_D: Floats
    directions_DK: Floats

    def __call__(self, features_ND: Floats) -> Codes:
        return np.packbits(self.project(features_ND) > 0, axis=1)

    def project(self, features_ND: Floats) -> Floats:
        """The numbers [N, K] whose signs are the bits."""
        return (features_ND - self.mean_D) @ self.directions_DK


def random_projection(features_ND: Floats, *, bits: int, seed: int) -> Projection:
    """Planes in random directions (Charikar, 2002, doi:10.1145/509907.509965), here through the mean of the features."""
    refuse_bits(bits)
    directions_DK = np.random.default_rng(seed).standard_normal((features_ND.shape[1], bits))
    return Projection(features_ND.mean(axis=0), directions_DK)


def itq(features_ND: Floats, *, bits: int, seed: int, iterations: int = 50) -> Projection:
    """Iterative quantisation (Gong and Lazebnik, CVPR 2011, doi:10.1109/CVPR.2011.5995432).

    The first ``bits`` principal components, turned from a random rotation on so that they come closer to their signs: signs and the best
    rotation onto them (orthogonal Procrustes) in turn. There are no more bits than features.
    """
    refuse_bits(bits)
    if bits > min(features_ND.shape):
        raise ValueError(f"ITQ has at most a bit a feature and a row, got {bits} bits of features {features_ND.shape}")
    mean_D = features_ND.mean(axis=0)
    components_DK = _components(features_ND - mean_D, bits)
    projected_NK = (features_ND - mean_D) @ components_DK
    rotation_KK, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))
    for _ in range(iterations):
        signs_NK = np.where(projected_NK @ rotation_KK > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(projected_NK.T @ signs_NK)
        rotation_KK = left @ right
    return Projection(mean_D, components_DK @ rotation_KK)


def _components(centred_ND: Floats, count: int) -> Floats:
    """[D, count]: the directions of most variance, the first has the most."""
    covariance_DD = centred_ND.T @ centred_ND
    _, vectors_DD = np.linalg.eigh(covariance_DD)
    found: Floats = vectors_DD[:, ::-1][:, :count]
    return found


def refuse_bits(bits: int) -> None:
    """A ValueError where bits do not fill bytes."""
    if bits < 8 or bits % 8:
        raise ValueError(f"a code has whole bytes, so bits must be a multiple of 8, got {bits}")
