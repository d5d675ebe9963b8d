"""Platt's calibration of log-odds: a slope and an intercept, fitted on validation rows."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize


def platt(log_odds_N: NDArray[np.float64], label_N: NDArray[np.int64]) -> tuple[float, float]:
    """Return slope and intercept that make ``sigmoid(slope * log_odds + intercept)`` the likeliest; the slope is positive.

    The targets are Platt's, (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), so that rows which the log-odds part perfectly give finite
    parameters ("Probabilistic outputs for support vector machines", 1999).
    """
    positives = int(label_N.sum())
    negatives = len(label_N) - positives
    if not positives or not negatives:
        raise ValueError(f"calibration needs positives and negatives, got {positives} and {negatives}")
    target_N = np.where(label_N == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Mean cross-entropy and its gradient by (log slope, intercept)."""
        slope, intercept = np.exp(parameters[0]), parameters[1]
        score_N = slope * log_odds_N + intercept
        error_N = 1 / (1 + np.exp(-score_N)) - target_N
        entropy = np.logaddexp(0, score_N) - target_N * score_N
        return float(entropy.mean()), np.array([(error_N * log_odds_N).mean() * slope, error_N.mean()])

    found = minimize(
        loss,
        np.zeros(2),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-5, 5), (-30, 30)],
        options={"ftol": 1e-14, "gtol": 1e-10},
    )
    return float(np.exp(found.x[0])), float(found.x[1])
