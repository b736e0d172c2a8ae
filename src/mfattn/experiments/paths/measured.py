"""What experiments measure of a network: of a solution, at an order parameter, and of the exact posterior."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.paths.config import PosteriorConfig
from mfattn.experiments.paths.exact import posterior_of
from mfattn.paths.action import Action
from mfattn.paths.attention import paths_through
from mfattn.paths.network import Network
from mfattn.paths.observables import head_scores, kernel_alignment, kernel_target_alignment
from mfattn.paths.predict import (
    Predictor,
    accuracy,
    brier_score,
    log_evidence,
    negative_log_likelihood,
    sampled_accuracy,
    squared_error,
)
from mfattn.paths.regression import NotPositiveDefinite
from mfattn.paths.solve import Solution
from mfattn.paths.tasks.problem import Problem

Array = NDArray[np.float64]

SAMPLERS = ("importance", "hamiltonian", "elliptical")

PREDICTED = (
    "accuracy",
    "sampled_accuracy",
    "negative_log_likelihood",
    "brier_score",
    "squared_bias",
    "mean_variance",
    "leave_one_out_accuracy",
    "diagonal_accuracy",
    "equal_diagonal_accuracy",
    "kernel_target_alignment",
)
"""Numbers of `at_order`."""

SOLVED = (
    "readout_order_parameter",
    "action",
    "energy",
    "entropy",
    "log_evidence",
    "gradient_norm",
    "residual",
    "rounding",
    "smallest_curvature",
    "largest_curvature",
    "spread",
)
"""Numbers of `of_solution` but counts."""

EXACT = (
    "exact_readout_order_parameter",
    "exact_readout_order_parameter_error",
    "exact_accuracy",
    "exact_accuracy_low",
    "exact_accuracy_high",
    "exact_sampled_accuracy",
    "exact_log_evidence",
    "exact_log_evidence_error",
    "order_parameter_deviation",
    "predictor_deviation",
    "effective_size",
    "r_hat",
)
"""Numbers of `of_posterior` but counts."""


def of_solution(action: Action, solution: Solution) -> dict[str, Any]:
    """U_1 and U_a, 2S as `action` with its two parts, the evidence, and the certificate."""
    certificate = solution.certificate
    return {
        "order_parameter": solution.U1,
        "readout_order_parameter": solution.Ua[0, 0],
        "action": solution.value,
        "energy": solution.energy,
        "entropy": solution.entropy,
        "log_evidence": log_evidence(action, solution.value),
        "gradient_norm": certificate.gradient_norm,
        "residual": certificate.residual,
        "rounding": certificate.rounding,
        "smallest_curvature": certificate.smallest_curvature,
        "largest_curvature": certificate.largest_curvature,
        "spread": certificate.spread,
        "starts": certificate.starts,
        "minima": len(certificate.minima),
    }


def order_of_heads(network: Network, kept: Sequence[Sequence[int]]) -> Array:
    """U_1 of infinite width for the network of some heads of each layer alone, among all paths of the whole.

    Its paths share what all paths had, and the others are zero.
    """
    chosen = paths_through(network.heads, kept)
    sizes = np.zeros(network.paths)
    sizes[chosen] = network.gaussian_process_scale * network.paths / len(chosen)
    return np.diag(sizes)


def of_limit(action: Action, order: Array) -> dict[str, Any]:
    """U_1 and U_a of infinite width, at which the evidence is that of a Gaussian process."""
    energy = action.energy(order)
    return {
        "order_parameter": order,
        "readout_order_parameter": action.network.variances[-1],
        "energy": energy,
        "log_evidence": -0.5 * (energy + action.labels.size * math.log(2 * math.pi)),
    }


def at_order(action: Action, order: Array, problem: Problem, components: int) -> dict[str, Any]:
    """Predictions for the test, the kernel of the first COMPONENTS, and scores of the heads, at an order parameter.

    The accuracies `diagonal_accuracy` and `equal_diagonal_accuracy` are at an order parameter that was altered after
    the solution: without overlaps of different paths, and with the size of the first path for all.
    """
    predictor = Predictor(action, order)
    prediction = predictor.predict(problem.test_features)
    of_test = prediction.mean, prediction.variance, problem.test_labels
    error = squared_error(*of_test)
    kernel = problem.kernels.kernel(order)
    alignment = kernel_alignment(kernel, problem.labels)
    equal = order.copy()
    np.fill_diagonal(equal, order[0, 0])
    return {
        "accuracy": accuracy(prediction.mean, problem.test_labels),
        "sampled_accuracy": sampled_accuracy(*of_test),
        "negative_log_likelihood": negative_log_likelihood(*of_test),
        "brier_score": brier_score(*of_test),
        "squared_bias": error.bias,
        "mean_variance": error.variance,
        "leave_one_out_accuracy": accuracy(problem.labels - predictor.leave_one_out(), problem.labels),
        "diagonal_accuracy": accuracy_at(action, np.diag(order.diagonal()), problem),
        "equal_diagonal_accuracy": accuracy_at(action, equal, problem),
        "kernel_target_alignment": kernel_target_alignment(kernel, problem.labels),
        "kernel_eigenvalue": alignment.eigenvalues[:components],
        "label_overlap": alignment.overlaps[:components],
        "head_score": np.concatenate(head_scores(order, problem.heads)),
    }


def accuracy_at(action: Action, order: Array, problem: Problem) -> float:
    """Accuracy of the mean predictor at an order parameter; NaN where K + T is not positive definite."""
    try:
        return accuracy(Predictor(action, order).mean(problem.test_features), problem.test_labels)
    except NotPositiveDefinite:
        return math.nan


def of_posterior(action: Action, order: Array, problem: Problem, config: PosteriorConfig) -> dict[str, Any]:
    """Means of the exact posterior with standard errors, and how far theory at ORDER is from them.

    The low and the high accuracy are where the mean of every output is wrong by one standard error to its disadvantage
    and to its advantage. The accuracy of one network takes outputs for Gaussian. Nothing, where no sampler works.
    """
    posterior = posterior_of(action, config)
    if posterior is None:
        return {}
    prediction = posterior.predict(problem.test_features)
    mean, variance, labels = prediction.mean.value, prediction.variance.value, problem.test_labels
    margin = labels * prediction.mean.error
    exact, readout = posterior.order_parameter(), posterior.order_parameter(action.network.depth + 1)
    theory = Predictor(action, order).mean(problem.test_features)
    return {
        "exact_order_parameter": exact.value,
        "exact_order_parameter_error": exact.error,
        "exact_readout_order_parameter": readout.value[0, 0],
        "exact_readout_order_parameter_error": readout.error[0, 0],
        "exact_accuracy": accuracy(mean, labels),
        "exact_accuracy_low": accuracy(mean - margin, labels),
        "exact_accuracy_high": accuracy(mean + margin, labels),
        "exact_sampled_accuracy": sampled_accuracy(mean, variance, labels),
        "exact_log_evidence": posterior.log_evidence.value,
        "exact_log_evidence_error": posterior.log_evidence.error,
        "order_parameter_deviation": _relative(order, exact.value),
        "predictor_deviation": _relative(theory, mean),
        "effective_size": posterior.effective_size,
        "r_hat": posterior.r_hat,
        "sampler": SAMPLERS.index(posterior.method),
    }


def _relative(found: Array, exact: Array) -> float:
    """Size of the difference over that of what is exact; NaN if that is zero."""
    size = float(np.linalg.norm(exact))
    return float(np.linalg.norm(found - exact)) / size if size else math.nan
