r"""Caps of the unit sphere in n dimensions, and what two of them share: the geometry of continuous addresses.

A cap of half-angle :math:`\theta` stands for the Hamming ball of radius d with :math:`\cos\theta = 1 - 2d/n`. The two
hold different fractions of their spaces, so that "the same d" and "the same fraction" are different matches;
`matched_radius` is the second. All fractions are natural logarithms, which neither underflow nor lose digits, and
minus infinity where two caps share nothing.

References
----------
Lee and Kim, Korean Journal of Mathematics 22, 139 (2014): area of the intersection as a double integral; Bricken and
Pehlevan, NeurIPS 2021.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.sdm.checks import Array, checked_integer, checked_number
from mfattn.sdm.geometry import log_ball_fraction

PUBLISHED_EXCESS = 2.0 - math.log(2.0)
"""What the published program adds to every logarithm: it has 2 where log 2 belongs, a factor of e²/2 = 3.69."""

ORDER = 12
"""Points of the Gauss-Legendre rule of a panel."""

CELLS = 256
"""Panels of equal width, at least, which the integral is cut into."""

DROP = 2.0
"""Decay of the integrand, as a logarithm, over which there is one panel more."""

DEEP = 24
"""Panels of that kind, from every angle that is asked for; what comes after has fallen by exp(-48)."""

SMALLEST = -150.0
"""Logarithm of the narrowest angle that is looked for."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)


def checked_angle(theta: float) -> float:
    """The half-angle of a cap, above 0 and at most pi, or a ValueError.

    >>> checked_angle(1)
    1.0
    """
    angle = checked_number("theta", theta)
    if not 0 < angle <= math.pi:
        raise ValueError(f"theta must be above 0 and at most pi, found {theta!r}")
    return angle


def radius_to_angle(n: int, d: float) -> float:
    r"""Half-angle :math:`\arccos(1 - 2d/n)` of the cap that stands for a ball of radius d, which need not be whole.

    Raises
    ------
    ValueError
        Unless 0 < d <= n.

    Examples
    --------
    >>> round(radius_to_angle(64, 32) / math.pi, 12)
    0.5
    """
    n = checked_integer("n", n, 1)
    if not 0 < checked_number("d", d) <= n:
        raise ValueError(f"d must be above 0 and at most n = {n}, found {d!r}")
    # The half-angle formula keeps small radii, which 1 - 2d/n would round.
    return 2.0 * math.asin(math.sqrt(d / n))


def angle_to_radius(n: int, theta: float) -> float:
    """Radius n (1 - cos theta) / 2 of the ball that a cap stands for.

    >>> round(angle_to_radius(64, radius_to_angle(64, 11)), 12)
    11.0
    """
    return checked_integer("n", n, 1) * math.sin(0.5 * checked_angle(theta)) ** 2


def log_sphere_area(n: int) -> float:
    r"""Logarithm of the area :math:`2 \pi^{n/2} / \Gamma(n/2)` of the unit sphere in n dimensions.

    >>> round(math.exp(log_sphere_area(3)) / math.pi, 12)
    4.0
    """
    n = checked_integer("n", n, 1)
    return math.log(2.0) + 0.5 * n * math.log(math.pi) - math.lgamma(0.5 * n)


def log_ball_volume(n: int) -> float:
    r"""Logarithm of the volume :math:`\pi^{n/2} / \Gamma(n/2 + 1)` inside it; published with (n + 1)/2 for n/2 + 1.

    >>> round(math.exp(log_ball_volume(3)), 6)
    4.18879
    """
    n = checked_integer("n", n, 1)
    return 0.5 * n * math.log(math.pi) - math.lgamma(0.5 * n + 1.0)


# The integral, for caps of at most half the sphere.


def _log_base(theta: float, rest: Array) -> Array:
    r"""log(1 - cos² theta / cos²(t/2)) at t = 2 theta - rest, without cancellation at either end."""
    half = 0.5 * rest
    cosine = np.cos(theta - half)
    share = np.square(math.cos(theta) / cosine)
    with np.errstate(divide="ignore"):
        near_the_end = np.log(np.sin(half) * np.sin(2.0 * theta - half)) - 2.0 * np.log(cosine)
    return np.where(share < 0.5, np.log1p(-np.minimum(share, 0.5)), near_the_end)


def _levels(theta: float, power: float, rest: Array) -> Array:
    """Remaining angles at which the integrand has fallen by equal steps below each of those given."""
    highest = 2.0 * math.log(math.sin(theta))
    fallen = power * (highest - _log_base(theta, rest))
    steps = np.unique(np.floor(np.maximum(fallen[np.isfinite(fallen)], 0.0) / DROP))
    steps = np.unique((steps[:, np.newaxis] + np.arange(DEEP)).ravel())
    # Beside a right angle the integrand is flat and then ends abruptly: the small steps find where.
    depths = np.concatenate([4.0 ** np.arange(-12, 1), DROP * steps[steps > 0]])
    base = np.exp(highest - depths / power)
    wide = 2.0 * (theta - np.arccos(np.minimum(math.cos(theta) / np.sqrt(1.0 - base), 1.0)))
    return np.where(base < 1e-6, base / math.tan(theta), wide)


def _log_overlap(n: int, theta: float, rest: Array) -> Array:
    """log P at the angles tau = 2 theta - REST, for theta <= pi/2 and REST > 0: one cumulative pass for all of them.

    With t = 2 theta - s² the integrand is smooth to the end for odd n, too.
    """
    power = 0.5 * (n - 2)
    longest = math.sqrt(rest.max())
    edges = [np.sqrt(rest), np.linspace(0.0, longest, CELLS + 1)]
    if power > 0 and math.cos(theta) > 1e-15:
        edges.append(np.sqrt(np.clip(_levels(theta, power, rest), 0.0, longest**2)))
    nodes = np.unique(np.concatenate(edges))
    width = np.diff(nodes)[:, np.newaxis]
    s = nodes[:-1, np.newaxis] + width * (0.5 + 0.5 * _NODES)
    logs = np.log(s * (width * _WEIGHTS * (0.5 / np.pi)))
    if power > 0:
        logs += power * _log_base(theta, np.square(s))
    sums = np.logaddexp.accumulate(special.logsumexp(logs, axis=1))
    return np.asarray(sums[np.searchsorted(nodes, np.sqrt(rest)) - 1])


def _checked(n: int, theta: float, cosines: ArrayLike) -> tuple[int, float, Array]:
    """Dimension, half-angle, and the angles between the centres."""
    n, theta = checked_integer("n", n, 2), checked_angle(theta)
    values = np.asarray(cosines, dtype=np.float64)
    if values.size and not (np.abs(values) <= 1.0 + 1e-9).all():
        raise ValueError(f"cosines must be -1 to 1, found {values.min()} to {values.max()}")
    return n, theta, np.arccos(np.clip(values, -1.0, 1.0))


def log_double_cap(n: int, theta: float, cosines: ArrayLike) -> Array:
    r"""Logarithm of the fraction of the sphere in two caps whose centres have a given cosine.

    For :math:`\theta \le \pi/2` and centres an angle :math:`\tau` apart,

    .. math:: P(\tau) = \frac{1}{2\pi} \int_\tau^{2\theta}
              \Big(1 - \frac{\cos^2\theta}{\cos^2(t/2)}\Big)^{(n-2)/2} dt,

    and 0 from :math:`\tau = 2\theta` on: the derivative by :math:`\tau` of the two-dimensional integral over the plane
    of the centres leaves a single one. A wider cap is the complement of the one around the opposite point, so

    .. math:: P_\theta(\tau) = I_{\cos^2\theta}\big(\tfrac12, \tfrac{n-1}{2}\big) + P_{\pi-\theta}(\tau),

    with the regularised incomplete beta function, which is 1 less two caps.

    Parameters
    ----------
    n : int
        Dimension of the space, at least 2.
    theta : float
        Half-angle of the caps, above 0 and at most pi.
    cosines : array
        From -1 to 1, in any order and shape; one pass serves all.

    Returns
    -------
    array
        Like the cosines, with relative errors below 1e-12 of the logarithm.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    In three dimensions a cap of height 2/3 holds a third of the sphere, which two share at no distance:

    >>> np.exp(log_double_cap(3, radius_to_angle(3, 1), [1.0, 0.5, -1.0])).round(10).tolist()
    [0.3333333333, 0.1772128737, 0.0]
    """
    n, theta, tau = _checked(n, theta, cosines)
    narrow = min(theta, math.pi - theta)
    rest = 2.0 * narrow - tau
    logs = np.full(tau.shape, -np.inf)
    some = rest > 0
    if some.any():
        logs[some] = _log_overlap(n, narrow, rest[some])
    return logs if theta <= 0.5 * math.pi else np.logaddexp(logs, _log_beyond_two_caps(n, theta))


def _log_beyond_two_caps(n: int, theta: float) -> float:
    """Logarithm of what two opposite caps of pi - theta < pi/2 leave of the sphere."""
    cosine, sine = math.cos(theta) ** 2, math.sin(theta) ** 2
    # The smaller of the two squares has the digits.
    if cosine < sine:
        return float(np.log(special.betainc(0.5, 0.5 * (n - 1), cosine)))
    return float(np.log(special.betaincc(0.5 * (n - 1), 0.5, sine)))


def log_cap_fraction(n: int, theta: float) -> float:
    r"""Logarithm of the fraction of the sphere in one cap, :math:`\tfrac12 I_{\sin^2\theta}(\tfrac{n-1}2, \tfrac12)`.

    It is the intersection of two that coincide, and computed as that, which the smallest of caps do not underflow.

    Examples
    --------
    >>> round(math.exp(log_cap_fraction(3, math.pi / 3)), 12)
    0.25
    """
    return float(log_double_cap(n, theta, 1.0))


def double_cap_slope(n: int, theta: float, cosines: ArrayLike) -> Array:
    r"""Derivative of `log_double_cap` by the cosine, which is the local inverse temperature of a continuous memory.

    .. math:: \frac{d \log P}{d \cos\tau} = \frac{1}{2 \pi P \sin\tau}
              \Big(1 - \frac{\cos^2\theta}{\cos^2(\tau/2)}\Big)^{(n-2)/2}

    Returns
    -------
    array
        Infinite at cosine 1, where P falls as the angle does; NaN where the caps share nothing.

    Examples
    --------
    >>> double_cap_slope(64, radius_to_angle(64, 11), [0.9, 0.5]).round(3).tolist()
    [18.038, 30.608]
    """
    n, theta, tau = _checked(n, theta, cosines)
    overlap = log_double_cap(n, theta, cosines)
    rest = 2.0 * min(theta, math.pi - theta) - tau
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        base = np.where(rest > 0, _log_base(min(theta, math.pi - theta), np.maximum(rest, 0.0)), -np.inf)
        slope = np.exp(0.5 * (n - 2) * base - math.log(2.0 * math.pi) - overlap) / np.sin(tau)
    return np.where(tau == 0, np.inf, slope)


# Matching of caps and balls.


def angle_for_log_fraction(n: int, log_p: float) -> float:
    """Half-angle of the cap that holds a fraction of the sphere, given as its logarithm.

    Raises
    ------
    ValueError
        Unless the fraction is above 0 and below 1, and the angle above exp(-150).

    Examples
    --------
    >>> round(angle_for_log_fraction(3, math.log(0.25)) / math.pi, 12)
    0.333333333333
    """
    # It takes a while to import, and only inversions need it.
    from scipy import optimize

    n = checked_integer("n", n, 2)
    log_p = checked_number("log_p", log_p)
    if not -math.inf < log_p < 0:
        raise ValueError(f"a fraction of the sphere must be above 0 and below 1, found exp({log_p})")
    if log_p > -math.log(2.0):
        return math.pi - angle_for_log_fraction(n, math.log(-math.expm1(log_p)))

    def excess(log_angle: float) -> float:
        return log_cap_fraction(n, math.exp(log_angle)) - log_p

    # A cap holds less than half of sin(theta)^(n - 1), and its logarithm is nearly linear in that of the angle.
    lowest, highest = (log_p + math.log(2.0)) / (n - 1), math.log(0.5 * math.pi)
    if lowest < SMALLEST:
        raise ValueError(f"the cap that holds exp({log_p}) of the sphere is narrower than exp({SMALLEST})")
    # Where sin(theta) is theta but for rounding, or the cap is half the sphere, the root is at an end.
    for end, sign in ((lowest, 1.0), (highest, -1.0)):
        if sign * excess(end) >= 0:
            return math.exp(end)
    return math.exp(optimize.brentq(excess, lowest, highest, xtol=1e-14, rtol=1e-14))


def angle_for_fraction(n: int, p: float) -> float:
    """Half-angle of the cap that holds a fraction p of the sphere.

    >>> round(angle_for_fraction(64, 0.5) / math.pi, 12)
    0.5
    """
    if not 0 < checked_number("p", p) < 1:
        raise ValueError(f"p must be above 0 and below 1, found {p!r}")
    return angle_for_log_fraction(n, math.log(p))


def matched_radius(n: int, d: int) -> float:
    """Radius whose cap holds the fraction of the sphere that the ball of radius d holds of the binary space.

    Raises
    ------
    ValueError
        Unless 0 <= d < n.

    Examples
    --------
    >>> round(matched_radius(64, 11), 3), round(matched_radius(1000, 451), 3)
    (12.675, 451.544)
    """
    n = checked_integer("n", n, 2)
    d = checked_integer("d", d, 0, n - 1)
    return angle_to_radius(n, angle_for_log_fraction(n, float(log_ball_fraction(n, d))))


class CapTable:
    r"""Fractions in two caps at any cosine, from a table: for the many similarities of an associative memory.

    Interpolated is :math:`\log P(\tau) - \log g(\tau) - \log(2\theta - \tau)`, with the integrand g, which is smooth
    up to the angle where P vanishes; so a cubic through four nodes is enough, and no cosine needs a special case.
    Beside half the sphere it changes over an angle of some :math:`\cos\theta`: the nodes are at equal steps of w, with
    :math:`2\theta - \tau = 2 \cos\theta \sinh w`.

    Parameters
    ----------
    n : int
        Dimension of the space, at least 2.
    d : float
        Radius, above 0 and at most n; from `matched_radius` to match by fraction.
    resolution : int
        Nodes, at least 8.

    Attributes
    ----------
    error_bound : float
        Largest error of a logarithm: twice the largest that is found in the middle of all intervals, where that of a
        cubic is largest, and what rounding adds.

    Examples
    --------
    >>> table = CapTable(64, 11, resolution=500)
    >>> table([1.0, 0.5, -0.5]).round(6).tolist()
    [-20.33615, -31.583999, -inf]
    >>> table.error_bound < 1e-6
    True
    """

    def __init__(self, n: int, d: float, resolution: int = 4096) -> None:
        self.n = checked_integer("n", n, 2)
        self.theta = radius_to_angle(n, d)
        self.resolution = checked_integer("resolution", resolution, 8)
        self._narrow = min(self.theta, math.pi - self.theta)
        self._beyond = -math.inf if self.theta <= 0.5 * math.pi else _log_beyond_two_caps(self.n, self.theta)
        if self._narrow == 0:
            self._nodes, self.error_bound = np.zeros(0), 0.0
            return
        self._scale = 2.0 * max(math.cos(self._narrow), 1e-4)
        self._longest = math.asinh(2.0 * self._narrow / self._scale)
        # Every other one is the middle of an interval, where the table is compared with the integral.
        rest = self._scale * np.sinh(np.linspace(0.0, self._longest, 2 * self.resolution - 1)[1:])
        smooth = _log_overlap(self.n, self._narrow, rest) - self._log_end(rest)
        # At the end P is the integrand times the remaining angle over pi n; for half the sphere the integrand is 1.
        limit = -math.log(math.pi * (self.n if math.cos(self._narrow) > 1e-15 else 2))
        self._nodes = np.concatenate([[limit], smooth[1::2]])
        error = np.abs(self._interpolated(rest[::2]) - smooth[::2]).max()
        self.error_bound = 2.0 * float(error) + 1e-14 * self.n

    def _log_end(self, rest: Array) -> Array:
        """Logarithm of the integrand times the remaining angle, which holds all that is steep."""
        return np.asarray(0.5 * (self.n - 2) * _log_base(self._narrow, rest) + np.log(rest))

    def _interpolated(self, rest: Array) -> Array:
        """The cubic through the four nodes around each remaining angle."""
        position = np.arcsinh(rest / self._scale) * ((self.resolution - 1) / self._longest)
        first = np.clip(position.astype(np.int64) - 1, 0, self.resolution - 4)
        x = position - first
        nodes = self._nodes
        outer = nodes[first + 3] * (x * (x - 1) * (x - 2)) - nodes[first] * ((x - 1) * (x - 2) * (x - 3))
        inner = nodes[first + 1] * (x * (x - 2) * (x - 3)) - nodes[first + 2] * (x * (x - 1) * (x - 3))
        return np.asarray(outer / 6 + inner / 2)

    def __call__(self, cosines: ArrayLike) -> Array:
        """Logarithms of the fractions at cosines from -1 to 1, as `log_double_cap` gives them but for `error_bound`."""
        _, _, tau = _checked(self.n, self.theta, cosines)
        rest = 2.0 * self._narrow - tau
        logs = np.full(tau.shape, -np.inf)
        some = rest > 0
        if some.any():
            logs[some] = self._log_end(rest[some]) + self._interpolated(rest[some])
        return logs if self.theta <= 0.5 * math.pi else np.logaddexp(logs, self._beyond)
