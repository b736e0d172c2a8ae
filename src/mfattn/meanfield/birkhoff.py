"""Weighted Birkhoff averages: fast on quasi-periodic orbits, slow on chaotic ones, which tells them apart."""

import numpy as np

from mfattn.meanfield.model import Array

HOLLOW = 0.05
"""Least distance from the centre, as a share of the largest, of a curve whose turns are counted."""


def weighted_birkhoff_average(values: Array) -> Array:
    r"""Average over time with the weights :math:`w(t) \propto \exp(-1/(s(1 - s)))`, s = (t + 1)/(T + 1).

    On a quasi-periodic orbit it converges faster than any power of T, on a chaotic one as :math:`T^{-1/2}`.

    Parameters
    ----------
    values : (T, ...) array
        T >= 1 values along an orbit.

    References
    ----------
    Das, Saiki, Sander and Yorke, Nonlinearity 30, 4111 (2017).

    Examples
    --------
    >>> turns = 2 * np.pi * (np.sqrt(5) - 1) / 2 * np.arange(1000)
    >>> bool(abs(weighted_birkhoff_average(np.cos(turns))) < 1e-12)
    True
    """
    steps = len(values)
    s = np.arange(1, steps + 1) / (steps + 1)
    weights = np.exp(-1.0 / (s * (1.0 - s)))
    return np.tensordot(weights / weights.sum(), values, axes=1)


def converged_digits(orbit: Array) -> float:
    r"""Digits to which the averages of the two halves of an orbit agree, the least over its components.

    .. math:: -\log_{10} \max_a |W_{T/2}(x_a) - W'_{T/2}(x_a)| / \sigma_a

    Some 2 on a chaotic orbit of a few thousand steps, and many more on a quasi-periodic or periodic one.

    Parameters
    ----------
    orbit : (T, M) array

    Returns
    -------
    float
        16 at most; components that do not move count as converged. NaN for less than 4 steps.

    References
    ----------
    Sander and Meiss, Physica D 411, 132569 (2020).
    """
    half = len(orbit) // 2
    if half < 2:
        return float("nan")
    scale = orbit.std(axis=0)
    moving = scale > 1e-12
    difference = np.abs(weighted_birkhoff_average(orbit[:half]) - weighted_birkhoff_average(orbit[-half:]))
    worst = (difference[moving] / scale[moving]).max(initial=0.0)
    return float(-np.log10(max(worst, 1e-16)))


def rotation_number(orbit: Array) -> float:
    r"""Rotation number of an orbit on a closed curve, in turns a step, from 0 to 1/2.

    The orbit, joined with its own next step, is projected on its two principal components, and the weighted Birkhoff
    average of the angle's increments is taken. The orientation of the plane is arbitrary, so :math:`\rho` and
    :math:`1 - \rho` are one.

    Parameters
    ----------
    orbit : (T, M) array
        Of an autonomous map: where the position enters, one state a positional period.

    Returns
    -------
    float
        NaN where the projection does not go around its centre, as on a fixed point, a folded curve or in chaos.

    Examples
    --------
    >>> turns = 2 * np.pi * 0.3819660113 * np.arange(2000)
    >>> round(rotation_number(np.stack([np.cos(turns), 0.3 * np.sin(turns) + 0.1 * np.cos(turns)], axis=1)), 8)
    0.38196601
    """
    if len(orbit) < 16:
        return float("nan")
    joined = np.hstack([orbit[:-1], orbit[1:]])
    joined = joined - joined.mean(axis=0)
    _, directions = np.linalg.eigh(joined.T @ joined)
    plane = joined @ directions[:, :-3:-1]
    extent = plane.std(axis=0)
    if not extent.min() > 1e-9:
        return float("nan")
    radii = np.hypot(*(plane / extent).T)
    if radii.min() < HOLLOW * radii.max():
        return float("nan")
    turns = np.diff(np.arctan2(*(plane / extent).T)) / (2 * np.pi)
    centre = np.angle(np.exp(2j * np.pi * turns).mean()) / (2 * np.pi)
    increments = centre + (turns - centre + 0.5) % 1.0 - 0.5
    rotation = float(weighted_birkhoff_average(increments)) % 1.0
    return min(rotation, 1.0 - rotation)
