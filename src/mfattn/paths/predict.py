r"""Predictions of a network at one order parameter, and how good they are.

Given :math:`U_1` the network is a Gaussian process, so at a new input :math:`x^*`

.. math::

    m(x^*) = k^T (K + T)^{-1} Y, \qquad s^2(x^*) = \kappa - k^T (K + T)^{-1} k, \qquad k_\mu = K(x_\mu, x^*),
    \quad \kappa = K(x^*, x^*),

where the variance is that of the output without noise. The same follows from Bayesian regression on the features
:math:`\phi = Z C` with :math:`U_1 = C C^T`, which loses no digits where the variance is small.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), predictor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mfattn.paths.action import Action
from mfattn.paths.checks import Array, checked_array, checked_choice, checked_number, checked_real
from mfattn.paths.symmetric import checked_symmetric, solution

Form = Literal["dual", "primal"]

AT_ONCE = 2**24
"""Entries of a kernel between examples and new inputs that are held together."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Mean and variance of the outputs without noise, (Q,) for one output and else (Q, C)."""

    mean: Array
    variance: Array


class Predictor:
    """Predictions at an order parameter, which may be any symmetric one that leaves K + T positive definite.

    Parameters
    ----------
    action : Action
        Network, examples, labels and temperature.
    order : (p_1, p_1) array
        U_1; that of a solution, of the limit of infinite width, or with heads silenced.
    form : {'dual', 'primal'}
        From the kernel, or from features, of which there should not be many.

    Raises
    ------
    ValueError
        If K + T is not positive definite, or for features U_1 has negative eigenvalues.

    Examples
    --------
    >>> from mfattn.paths.kernels import PathKernels
    >>> from mfattn.paths.network import Network
    >>> action = Action(Network((1,), (10, 10)), PathKernels([[[1.0]], [[-1.0]]]), [1.0, -1.0], 0.5)
    >>> prediction = Predictor(action, np.eye(1)).predict([[[2.0]]])
    >>> prediction.mean, prediction.variance
    (array([1.6]), array([0.8]))
    """

    def __init__(self, action: Action, order: ArrayLike, form: Form = "dual") -> None:
        checked_choice("form", form, Form)
        self.action, self.form = action, form
        size = action.network.sizes[0]
        self.order = checked_symmetric("order", order, size)
        self.regression = action.regression(self.order)
        self._basis = action.kernels.compressed[0]

    def predict(self, features: ArrayLike) -> Prediction:
        """Mean and variance at features (Q, D, paths)."""
        return Prediction(self.mean(features), self.variance(features))

    def mean(self, features: ArrayLike) -> Array:
        """Mean of the outputs at features (Q, D, paths)."""
        other = self._checked(features)
        if self.form == "primal":
            return self._shaped(self._mapped(other) @ self._primal_mean)
        return self._shaped(other.reshape(len(other), -1) @ self._weights)

    def variance(self, features: ArrayLike) -> Array:
        """Variance of every output without noise at features (Q, D, paths)."""
        other = self._checked(features)
        rows = len(self.action.labels) * self.action.network.outputs**2
        parts = np.array_split(other, math.ceil(len(other) * rows / AT_ONCE))
        variance = self._primal_variance if self.form == "primal" else self._dual_variance
        return self._shaped(np.concatenate([variance(part) for part in parts if len(part)]))

    def residuals(self) -> Array:
        """Labels less the mean at the examples, T α."""
        return self._shaped(self.action.temperature * self._alpha)

    def leave_one_out(self) -> Array:
        r"""Labels less what is predicted from all other examples, at this order parameter.

        It is :math:`\alpha_\mu / (\tilde K^{-1})_{\mu\mu}`, in which a division by a matrix stands for several outputs.
        """
        outputs = self.action.network.outputs
        inverse = self.regression.inverse.reshape(-1, outputs, len(self.regression.labels) // outputs, outputs)
        if self._basis is None:
            blocks = inverse.diagonal(axis1=0, axis2=2).transpose(2, 0, 1)
        else:
            blocks = np.einsum("mr,rcsd,ms->mcd", self._basis, inverse, self._basis, optimize=True)
            unreached = (1 - (self._basis**2).sum(axis=1)) / self.action.temperature
            blocks = blocks + unreached[:, None, None] * np.eye(outputs)
        return self._shaped(solution(blocks, self._alpha[..., None])[..., 0])

    @cached_property
    def _alpha(self) -> Array:
        """Inverse of K + T times the labels, (P, C), in the order of the examples."""
        alpha = self.regression.alpha.reshape(-1, self.action.network.outputs)
        if self._basis is None:
            return alpha
        unreached = self.action.labels - self._basis @ (self._basis.T @ self.action.labels)
        return self._basis @ alpha + unreached / self.action.temperature

    @cached_property
    def _weights(self) -> Array:
        """Weights (D paths, C) that give the mean from features."""
        kernels, outputs = self.action.kernels, self.action.network.outputs
        pulled = np.tensordot(kernels.features, self._alpha, axes=(0, 0))
        order = self.order.reshape(kernels.paths, outputs, kernels.paths, outputs)
        weights = np.tensordot(pulled, order, axes=((1, 2), (0, 1)))
        return weights.reshape(kernels.inputs * kernels.paths, outputs)

    def _dual_variance(self, other: Array) -> Array:
        """Variance from the kernel, in which rounding may leave no less than some 1e-15 of the prior variance."""
        kernels = self.action.kernels
        cross = kernels.cross(self.order, other)
        if self._basis is not None:
            outputs = self.action.network.outputs
            cross = np.tensordot(self._basis.T, cross.reshape(kernels.examples, outputs, -1), axes=1)
            cross = cross.reshape(len(self.regression.labels), -1)
        explained = (self.regression.whitened(cross) ** 2).sum(axis=0)
        return np.maximum(kernels.diagonal(self.order, other) - explained, 0.0)

    def _primal_variance(self, other: Array) -> Array:
        """Variance from features."""
        mapped = self._mapped(other).T
        return self.action.temperature * (mapped * self._primal_solution(mapped)).sum(axis=0)

    @cached_property
    def _root(self) -> Array:
        """A square root of the order parameter."""
        values, vectors = np.linalg.eigh(self.order)
        if values[0] < -1e-10 * np.abs(values).max():
            raise ValueError(f"order must have no negative eigenvalue for features, found {values[0]:.3g}")
        return vectors * np.sqrt(np.maximum(values, 0.0))

    def _mapped(self, features: Array) -> Array:
        """Features φ, (Q C, D p_1), of covariance K."""
        root = self._root.reshape(self.action.network.paths, self.action.network.outputs, -1)
        mapped = np.tensordot(features, root, axes=(2, 0)).transpose(0, 2, 1, 3)
        return mapped.reshape(len(features) * self.action.network.outputs, -1)

    @cached_property
    def _primal_solution(self) -> Callable[[Array], Array]:
        """Inverse of φ^T φ + T."""
        from scipy import linalg

        mapped = self._mapped(self.action.kernels.features)
        factor = linalg.cho_factor(mapped.T @ mapped + self.action.temperature * np.eye(mapped.shape[1]))
        return partial(linalg.cho_solve, factor)

    @cached_property
    def _primal_mean(self) -> Array:
        """Mean of the weights of the features φ."""
        mapped = self._mapped(self.action.kernels.features)
        return self._primal_solution(mapped.T @ self.action.labels.ravel())

    def _checked(self, features: ArrayLike) -> Array:
        """Features of new inputs, with the inputs and paths of the examples."""
        kernels = self.action.kernels
        return np.ascontiguousarray(checked_array("features", features, ("Q", kernels.inputs, kernels.paths)))

    def _shaped(self, values: Array) -> Array:
        """One value per input for one output, else one row."""
        outputs = self.action.network.outputs
        return values.reshape(-1) if outputs == 1 else values.reshape(-1, outputs)


def log_evidence(action: Action, value: float) -> float:
    r"""Logarithm of the probability of the labels, from the least action.

    .. math:: \log p(Y) \approx -\tfrac{1}{2} (2S - \textstyle\sum_l N_l p_l (1 - \log \sigma_l^2))
              - \tfrac{P C}{2} \log 2\pi

    where the sum is the least entropy. Terms of order log N are left out; they change little with the temperature, the
    widths and the heads that one wants to compare.

    Parameters
    ----------
    action : Action
    value : float
        2S at its minimum, or any other value of it.

    Examples
    --------
    >>> from mfattn.paths.kernels import PathKernels
    >>> from mfattn.paths.network import Network
    >>> action = Action(Network((1,), (1e6, 1e6)), PathKernels([[[1.0]]]), [1.0], 1.0)
    >>> round(log_evidence(action, action.value(np.eye(1))), 4)
    -1.5155
    """
    network = action.network
    least = sum(
        width * size * (1 - math.log(variance))
        for width, size, variance in zip(network.widths, network.sizes, network.variances[1:], strict=True)
    )
    return -0.5 * (value - least) - 0.5 * action.labels.size * math.log(2 * math.pi)


def accuracy(mean: ArrayLike, labels: ArrayLike) -> float:
    """Fraction of inputs of which the mean predictor finds the class.

    Parameters
    ----------
    mean : (Q,) or (Q, C) array
    labels : (Q,) or (Q, C) array
        Labels of ±1, for which the class is the sign of the mean, and a mean of exactly 0 counts half; or for several
        outputs rows that are largest at the class, of which a tie gets its share.

    Raises
    ------
    ValueError
        If the shapes differ, or labels of one output are not ±1.

    Examples
    --------
    >>> accuracy([0.3, -2.0, 0.0], [1, 1, -1])
    0.5
    """
    means = _checked_means(mean)
    if means.ndim == 2:
        if means.shape[1] == 1:
            raise ValueError(f"mean of one output must have shape (Q,), found {means.shape}")
        wanted = checked_array("labels", labels, means.shape).argmax(axis=1)
        largest = means == means.max(axis=1, keepdims=True)
        return float((largest[np.arange(len(means)), wanted] / largest.sum(axis=1)).mean())
    return float((0.5 + 0.5 * np.sign(means * checked_signs(labels, len(means)))).mean())


def sampled_accuracy(mean: ArrayLike, variance: ArrayLike, labels: ArrayLike) -> float:
    """Accuracy expected of a network that is drawn from the posterior, the mean of Φ(y m / s).

    >>> round(sampled_accuracy([1.0, -0.5], [1.0, 0.25], [1, 1]), 4)
    0.5
    """
    return float(special.ndtr(_margins(mean, variance, labels)).mean())


def negative_log_likelihood(mean: ArrayLike, variance: ArrayLike, labels: ArrayLike) -> float:
    """Mean of -log Φ(y m / s): how surprised a network drawn from the posterior is by the classes.

    >>> round(negative_log_likelihood([0.0], [1.0], [1]), 4)
    0.6931
    """
    return -float(special.log_ndtr(_margins(mean, variance, labels)).mean())


def brier_score(mean: ArrayLike, variance: ArrayLike, labels: ArrayLike) -> float:
    """Mean square of 1 - Φ(y m / s), the probability of the wrong class.

    >>> brier_score([0.0], [1.0], [1])
    0.25
    """
    return float((special.ndtr(-_margins(mean, variance, labels)) ** 2).mean())


def negative_log_density(mean: ArrayLike, variance: ArrayLike, targets: ArrayLike, temperature: float) -> float:
    """Mean of -log of the density of real targets, which carry noise of variance T.

    >>> round(negative_log_density([0.0], [0.5], [1.0], 0.5), 4)
    1.4189
    """
    means = _checked_means(mean)
    total = _checked_variance(variance, means) + checked_number("temperature", temperature, least=0)
    if total.min() <= 0:
        raise ValueError("variance and temperature must not both be 0")
    squares = (checked_array("targets", targets, means.shape) - means) ** 2
    return float(0.5 * (np.log(2 * np.pi * total) + squares / total).mean())


@dataclass(frozen=True)
class SquaredError:
    """Mean square error of a network drawn from the posterior: that of the mean, and the variance about it."""

    bias: float
    variance: float

    @property
    def total(self) -> float:
        """Sum of the two."""
        return self.bias + self.variance


def squared_error(mean: ArrayLike, variance: ArrayLike, targets: ArrayLike) -> SquaredError:
    """Mean square error at targets, in two parts.

    >>> squared_error([1.0, 0.0], [0.1, 0.3], [1.0, 1.0])
    SquaredError(bias=0.5, variance=0.2)
    """
    means = _checked_means(mean)
    return SquaredError(
        float(((means - checked_array("targets", targets, means.shape)) ** 2).mean()),
        float(_checked_variance(variance, means).mean()),
    )


def checked_signs(labels: ArrayLike, length: int) -> Array:
    """Labels as floats, or a ValueError unless all are 1 or -1."""
    signs = checked_array("labels", labels, (length,))
    if not (np.abs(signs) == 1).all():
        raise ValueError(f"labels of two classes must be 1 or -1, found {signs[np.abs(signs) != 1][0]:g}")
    return signs


def _checked_means(mean: ArrayLike) -> Array:
    """Means of one output or of several, or a ValueError."""
    means = checked_real("mean", mean)
    return checked_array("mean", means, ("Q", "C") if means.ndim == 2 else ("Q",))


def _checked_variance(variance: ArrayLike, means: Array) -> Array:
    """Variances of these means, or a ValueError."""
    variances = checked_array("variance", variance, means.shape)
    if variances.min() < 0:
        raise ValueError(f"variance must not be negative, found {variances.min():g}")
    return variances


def _margins(mean: ArrayLike, variance: ArrayLike, labels: ArrayLike) -> Array:
    """y m / s, where 0 / 0 is 0."""
    means = checked_array("mean", mean, ("Q",))
    margins = means * checked_signs(labels, len(means))
    deviations = np.sqrt(_checked_variance(variance, means))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(margins == 0, 0.0, margins / deviations)
