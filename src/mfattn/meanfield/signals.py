"""Power spectra and autocorrelations of recorded signals."""

import numpy as np
from numpy.typing import ArrayLike

from mfattn.meanfield.model import Array


def power_spectrum(signal: ArrayLike) -> tuple[Array, Array]:
    r"""Power of a signal at the frequencies from 0 to one half.

    .. math:: S(f_k) = \frac{1}{T} \Big| \sum_{t=0}^{T-1} (x_t - \bar x)\, e^{-2 \pi i f_k t} \Big|^2,
              \qquad f_k = k / T, \quad k = 0, \dots, \lfloor T/2 \rfloor,

    with the mean :math:`\bar x` of the T steps, so that S(0) is 0 up to rounding. Frequencies above one half, whose
    power is that of 1 - f, are left out and not added: :math:`\sum_t (x_t - \bar x)^2` is the sum of S over the
    frequencies, those strictly between 0 and one half counted twice.

    Parameters
    ----------
    signal : (T,) or (T, M) array
        Values of one or M features, one row a step.

    Returns
    -------
    frequencies : (T // 2 + 1,) array
        In cycles per step.
    power : (T // 2 + 1,) or (T // 2 + 1, M) array
        Of each feature; a constant one has none.

    Raises
    ------
    ValueError
        For a signal of another shape, without steps or not finite.

    Examples
    --------
    >>> frequencies, power = power_spectrum([1.0, -1.0, 1.0, -1.0])
    >>> frequencies.tolist(), power.tolist()
    ([0.0, 0.25, 0.5], [0.0, 0.0, 4.0])
    """
    deviation = _deviation(signal)
    steps = len(deviation)
    return np.arange(steps // 2 + 1) / steps, np.abs(np.fft.rfft(deviation, axis=0)) ** 2 / steps


def autocorrelation(signal: ArrayLike, longest: int = 100) -> Array:
    r"""Correlation of a signal with itself some steps later.

    .. math:: \rho_\tau = \frac{\sum_{t=0}^{T-1-\tau} (x_t - \bar x)(x_{t+\tau} - \bar x)}
                               {\sum_{t=0}^{T-1} (x_t - \bar x)^2}.

    This is the biased estimate: both sums are divided by T, although the upper one has :math:`T - \tau` terms. So
    :math:`|\rho_\tau| \le 1`, and a periodic signal decays as :math:`1 - \tau/T`.

    Parameters
    ----------
    signal : (T,) or (T, M) array
        Values of one or M features, one row a step.
    longest : int
        Longest lag, at least 0; lags beyond T - 1 are left out.

    Returns
    -------
    (lags,) or (lags, M) array
        From lag 0, where it is 1, to the lesser of `longest` and T - 1; NaN for a feature that is constant.

    Raises
    ------
    ValueError
        For a signal of another shape, without steps or not finite, or a negative `longest`.

    Examples
    --------
    >>> autocorrelation([1.0, -1.0, 1.0, -1.0], longest=2).round(12).tolist()
    [1.0, -0.75, 0.5]
    """
    if longest < 0:
        raise ValueError(f"longest must be at least 0, found {longest}")
    deviation = _deviation(signal)
    # In units of the largest deviation no square underflows; a constant becomes NaN.
    largest = np.abs(deviation).max(axis=0)
    deviation = deviation / np.where(largest > 0, largest, np.nan)
    steps = len(deviation)
    lags = min(longest, steps - 1) + 1
    # So many zeros at the end that the circular correlation of the transform does not wrap around.
    padded = 1 << (steps + lags - 1).bit_length()
    power = np.abs(np.fft.rfft(deviation, padded, axis=0)) ** 2
    covariance = np.fft.irfft(power, padded, axis=0)[:lags]
    return covariance / covariance[0]


def _deviation(signal: ArrayLike) -> Array:
    """Steps less their mean; exactly 0 for a constant."""
    values = np.asarray(signal, dtype=np.float64)
    if values.ndim not in (1, 2) or len(values) == 0:
        raise ValueError(f"signal must have shape (steps,) or (steps, features), steps >= 1, found {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("signal must be finite")
    # Less the first step first: the mean of equal numbers may be off by a rounding.
    shifted = values - values[0]
    return shifted - shifted.mean(axis=0)
