r"""Learned projections: sparse distributed memory of images that lie close to each other, in a space where they do not.

Pixels x (n numbers) are projected to latents :math:`z = W x / |W x|` (l numbers, l < n), in which memories weight what
they have stored; what is read is an image again,

.. math:: x' = \sum_j a_j k_j, \qquad a = \mathrm{softmax}_j \log w(z_j \cdot z),

and is projected anew for the next update. W is learnt by gradient descent on the squared distance of one update of
attention, :math:`\log w = \beta z_j \cdot z`, from the image of which the query is a noisy copy.

References
----------
Bricken and Pehlevan, NeurIPS 2021 (arXiv 2111.05498), appendix on learnt projections; Kingma and Ba, Adam, ICLR 2015.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfattn.sdm.checks import Array, checked_integer
from mfattn.sdm.geometry import cosine_to_hamming, hamming_to_cosine, log_expected_neurons, log_of_neurons
from mfattn.sdm.memories.patterns import Counting, drawn_counts
from mfattn.sdm.perturb import turn_vectors
from mfattn.sdm.sphere import CapTable

LogWeights = Callable[[Array], Array]
"""Logarithms of weights, from cosines of queries and stored vectors, (Q, m)."""

ENTRIES = 2**22
"""Weights that are held at once."""

ROUNDS = 100
"""Steps of the iteration that finds principal components."""

CERTAIN = 600.0
"""Logarithm of a number of neurons that does not fluctuate."""


def product(left: Array, right: Array) -> Array:
    """A matrix product whose bits do not depend on threads or on the number of rows.

    >>> product(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    from mfattn.sdm import kernels

    out = np.empty((len(left), right.shape[1]))
    kernels.ordered_product(np.ascontiguousarray(left), np.ascontiguousarray(right), 0, len(left), out)
    return out


def unit_rows(vectors: Array) -> tuple[Array, Array]:
    """Rows divided by their lengths, and the lengths (m, 1); a row of zeros stays as it is.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))[0].tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return vectors / np.where(lengths > 0, lengths, 1.0), lengths


# Projections.


@dataclass(frozen=True)
class Projection:
    r"""From vectors to unit latents, :math:`z = W (x - c) / |W (x - c)|`.

    Parameters
    ----------
    matrix : (l, n) array, optional
        W; without it, the vectors themselves are the latents.
    offset : (n,) array, optional
        c; without it, 0.

    Examples
    --------
    >>> Projection(np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))(np.array([[3.0, 8.0, 5.0]])).tolist()
    [[0.6, 0.8]]
    """

    matrix: Array | None = None
    offset: Array | None = None

    def __call__(self, vectors: Array) -> Array:
        """Latents (m, l) of vectors (m, n)."""
        centred = vectors if self.offset is None else vectors - self.offset
        return unit_rows(centred if self.matrix is None else product(centred, self.matrix.T))[0]


def random_projection(latent: int, n: int, seed: int | np.random.SeedSequence) -> Projection:
    """A projection with independent standard normal entries.

    >>> random_projection(3, 5, seed=1).matrix.shape
    (3, 5)
    """
    latent, n = checked_integer("latent", latent, 1), checked_integer("n", n, 1)
    return Projection(np.random.default_rng(seed).standard_normal((latent, n)))


def centred_projection(vectors: Array) -> Projection:
    """Vectors less their mean.

    >>> centred_projection(np.array([[0.0, 1.0], [2.0, 1.0]])).offset.tolist()
    [1.0, 1.0]
    """
    return Projection(offset=vectors.mean(axis=0))


def whitened_projection(vectors: Array, latent: int) -> Projection:
    r"""The leading principal components, each scaled to variance 1: what is known without learning.

    They are found by subspace iteration, :math:`V \leftarrow \mathrm{orth}(C V)` with the covariance C. Where two
    variances are nearly equal it mixes their directions, which the same scale for both makes of no account.

    Parameters
    ----------
    vectors : (m, n) array
    latent : int
        Number of components, at least 1; those without variance are left out.

    Returns
    -------
    Projection

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> vectors = rng.standard_normal((500, 4)) * [4.0, 3.0, 0.1, 0.0] + 7.0
    >>> found = whitened_projection(vectors, 2)
    >>> np.cov((vectors - found.offset) @ found.matrix.T, rowvar=False, bias=True).round(9).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    offset = vectors.mean(axis=0)
    centred = vectors - offset
    covariance = product(centred.T, centred) / len(vectors)
    count = min(checked_integer("latent", latent, 1), *vectors.shape)
    directions = _orthonormal(np.random.default_rng(0).standard_normal((count, vectors.shape[1])))
    for _ in range(ROUNDS):
        directions = _orthonormal(product(directions, covariance))
    variances = (product(directions, covariance) * directions).sum(axis=1)
    kept = variances > 1e-12 * np.trace(covariance)
    return Projection(directions[kept] / np.sqrt(variances[kept, np.newaxis]), offset)


def _orthonormal(rows: Array) -> Array:
    """Rows made orthonormal one after the other, twice against rounding; those that depend on others become 0."""
    basis = np.zeros_like(rows)
    for number, row in enumerate(rows):
        length = np.sqrt(np.square(row).sum())
        for _ in range(2):
            row = row - (basis[:number] * (basis[:number] * row).sum(axis=1, keepdims=True)).sum(axis=0)
        rest = np.sqrt(np.square(row).sum())
        if rest > 1e-12 * length:
            basis[number] = row / rest
    return basis


# Learning.


class Slopes(NamedTuple):
    """The loss of a batch and its derivatives: by the matrix (l, n) and by the inverse temperature."""

    loss: float
    matrix: Array
    beta: float


def loss_and_slopes(matrix: Array, beta: float, keys: Array, queries: Array, targets: Array) -> Slopes:
    r"""Squared distance of one update of attention from the targets, averaged over queries, and its derivatives.

    With unit latents :math:`z_j` of keys and :math:`y_b` of queries, cosines :math:`c_{bj} = y_b \cdot z_j`,
    attention :math:`a = \mathrm{softmax}(\beta c)`, reading :math:`q'_b = \sum_j a_{bj} k_j`, and
    :math:`g_b = \tfrac 2B (q'_b - t_b)`:

    .. math:: \frac{\partial L}{\partial c_{bj}} = \beta\, a_{bj} (g_b \cdot k_j - g_b \cdot q'_b), \qquad
              \frac{\partial L}{\partial \beta} = \sum_{bj} a_{bj} (g_b \cdot k_j - g_b \cdot q'_b)\, c_{bj},

    and from the cosines to W through the lengths, :math:`\partial z / \partial (W k) = (1 - z z^\top) / |W k|`.

    Parameters
    ----------
    matrix : (l, n) array
        W.
    beta : float
        Inverse temperature.
    keys : (m, n) array
    queries, targets : (B, n) array

    Returns
    -------
    Slopes

    Examples
    --------
    >>> eye = np.eye(2)
    >>> loss_and_slopes(eye, 100.0, eye, eye, eye).loss < 1e-80
    True
    """
    latents, lengths = unit_rows(product(keys, matrix.T))
    asked, asked_lengths = unit_rows(product(queries, matrix.T))
    cosines = product(asked, latents.T)
    attention = _softmax(beta * cosines)
    readings = product(attention, keys)
    errors = readings - targets
    slopes = 2.0 / len(queries) * errors
    by_score = attention * (product(slopes, keys.T) - (slopes * readings).sum(axis=1, keepdims=True))
    by_cosine = beta * by_score
    by_keys = _through_lengths(product(asked.T, by_cosine).T, latents, lengths)
    by_queries = _through_lengths(product(by_cosine, latents), asked, asked_lengths)
    return Slopes(
        loss=float(np.square(errors).sum() / len(queries)),
        matrix=product(by_keys.T, keys) + product(by_queries.T, queries),
        beta=float((by_score * cosines).sum()),
    )


def _softmax(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _through_lengths(slopes: Array, units: Array, lengths: Array) -> Array:
    """Derivatives by vectors, from those by their unit vectors; 0 for a vector of zeros, which has no direction."""
    along = (slopes * units).sum(axis=1, keepdims=True)
    return np.asarray(np.where(lengths > 0, (slopes - along * units) / np.where(lengths > 0, lengths, 1.0), 0.0))


@dataclass
class Adam:
    """Adam's moments of one parameter, and its steps.

    Examples
    --------
    >>> Adam(np.zeros(2), rate=0.1).stepped(np.array([4.0, -0.5])).round(6).tolist()
    [-0.1, 0.1]
    """

    value: Array
    rate: float
    decay: tuple[float, float] = (0.9, 0.999)
    steps: int = 0

    def __post_init__(self) -> None:
        self._mean, self._square = np.zeros_like(self.value), np.zeros_like(self.value)

    def stepped(self, slope: Array) -> Array:
        """The value after a step against its SLOPE."""
        first, second = self.decay
        self.steps += 1
        self._mean = first * self._mean + (1.0 - first) * slope
        self._square = second * self._square + (1.0 - second) * np.square(slope)
        mean, square = self._mean / (1.0 - first**self.steps), self._square / (1.0 - second**self.steps)
        self.value = self.value - self.rate * mean / (np.sqrt(square) + 1e-8)
        return self.value


class Learner:
    r"""A projection that is learnt from images, step by step.

    Parameters
    ----------
    keys : (m, n) array
        The images, none of them all 0.
    matrix : (l, n) array
        W at first.
    beta : float
        Inverse temperature at first.
    seed : SeedSequence
        Of batches and noise.
    rate : float
        Learning rate of Adam.
    batch : int
        Images of a step, the targets; their noisy copies are the queries.
    flips : (float, float)
        Between which the noise of an image is drawn, uniformly: flips k stand for the cosine 1 - 2k/n.
    keys_per_step : int, optional
        Images that a step compares its queries with: those of the batch, and others drawn for it; all if left out.
    learn_beta : bool
        Whether the inverse temperature is learnt, too.

    Examples
    --------
    >>> keys = np.random.default_rng(1).random((30, 8))
    >>> start = random_projection(4, 8, seed=1).matrix
    >>> learner = Learner(keys, start, 10.0, seed=np.random.SeedSequence(1), rate=0.01, batch=10, flips=(0, 1))
    >>> losses = [np.mean(list(learner.epoch())) for _ in range(20)]
    >>> bool(losses[-1] < losses[0])
    True
    """

    def __init__(
        self,
        keys: Array,
        matrix: Array,
        beta: float,
        *,
        seed: np.random.SeedSequence,
        rate: float,
        batch: int,
        flips: tuple[float, float],
        keys_per_step: int | None = None,
        learn_beta: bool = False,
    ) -> None:
        self.keys, self.flips, self.learn_beta = keys, flips, learn_beta
        self.batch = min(checked_integer("batch", batch, 1), len(keys))
        self.keys_per_step = min(keys_per_step or len(keys), len(keys))
        if self.keys_per_step < self.batch:
            raise ValueError(f"keys_per_step must be at least the batch ({self.batch}), found {self.keys_per_step}")
        self._generator = np.random.default_rng(seed)
        self._matrix, self._beta = Adam(matrix, rate), Adam(np.array(beta), rate)

    @property
    def matrix(self) -> Array:
        """W."""
        return self._matrix.value

    @property
    def beta(self) -> float:
        """The inverse temperature."""
        return float(self._beta.value)

    def epoch(self) -> Iterator[float]:
        """Every image once as a target, in random order; the loss of each step, after which W is another one."""
        order = self._generator.permutation(len(self.keys))
        for start in range(0, len(order), self.batch):
            yield self._step(order[start : start + self.batch], order)

    def _step(self, chosen: NDArray[np.int64], order: NDArray[np.int64]) -> float:
        targets, n = self.keys[chosen], self.keys.shape[1]
        flips = self._generator.uniform(*self.flips, len(chosen))
        queries = turn_vectors(targets, 1.0 - 2.0 * flips / n, seed=self._generator)
        found = loss_and_slopes(self.matrix, self.beta, self._compared(chosen, order), queries, targets)
        self._matrix.stepped(found.matrix)
        if self.learn_beta:
            self._beta.stepped(np.array(found.beta))
        return found.loss

    def _compared(self, chosen: NDArray[np.int64], order: NDArray[np.int64]) -> Array:
        """Keys of a step: those of its targets, and as many others as are asked for."""
        if self.keys_per_step == len(self.keys):
            return self.keys
        others = np.setdiff1d(order, chosen, assume_unique=True)
        drawn = self._generator.choice(others, self.keys_per_step - len(chosen), replace=False)
        return self.keys[np.concatenate([chosen, drawn])]


# Weights, and reading with them.


def attention_weights(beta: float) -> LogWeights:
    """Exponential in the cosine.

    >>> attention_weights(10.0)(np.array([[1.0, 0.5]])).tolist()
    [[10.0, 5.0]]
    """
    return lambda cosines: beta * cosines


def cap_weights(latent: int, d: float) -> LogWeights:
    """Fractions of the sphere in two caps.

    >>> cap_weights(64, 11)(np.array([[1.0, 0.5]])).round(3).tolist()
    [[-20.336, -31.584]]
    """
    table = CapTable(latent, d)
    return lambda cosines: table(np.clip(cosines, -1.0, 1.0))


def ball_weights(latent: int, d: int) -> LogWeights:
    """Intersections of two balls of bits, at the nearest Hamming distance.

    >>> ball_weights(64, 11)(np.array([[1.0, 0.5]])).round(3).tolist()
    [[-16.805, -24.964]]
    """
    logs = log_expected_neurons(latent, d)
    return lambda cosines: logs[cosine_to_hamming(latent, cosines)]


def finite_weights(
    log_weights: LogWeights, latent: int, neurons: float, stored: int, counting: Counting, seed: np.random.SeedSequence
) -> LogWeights:
    r"""Weights of a memory with a finite number r of neurons, as fractions of the space, fluctuating as counts do.

    A weight w is multiplied by N / (r w), where the count N is drawn once for every stored vector and every Hamming
    distance, at which r w is its mean; of a cosine the nearest distance counts. So readings are repeatable, and for
    many neurons the weights are those of infinitely many.

    Parameters
    ----------
    log_weights : callable
        Of infinitely many neurons.
    latent : int
        Dimension l of the latents.
    neurons : float
        r, above 0.
    stored : int
        Number m of stored vectors.
    counting : {'poisson', 'rounded'}
        As of `FiniteSDM`.
    seed : SeedSequence

    Examples
    --------
    >>> weights = finite_weights(cap_weights(64, 11), 64, 1e30, 2, "poisson", np.random.SeedSequence(1))
    >>> weights(np.array([[1.0, 0.5]])).round(3).tolist()
    [[-20.336, -31.584]]
    """
    means = log_of_neurons(neurons) + log_weights(hamming_to_cosine(latent, np.arange(latent + 1))[np.newaxis])
    certain = np.exp(np.minimum(np.broadcast_to(means, (stored, latent + 1)), CERTAIN))
    counts = drawn_counts(certain, counting, np.random.default_rng(seed))
    with np.errstate(divide="ignore"):
        noise = np.log(np.divide(counts, certain, out=np.zeros_like(counts), where=certain > 0))
    vectors = np.arange(stored)
    return lambda cosines: log_weights(cosines) + noise[vectors, cosine_to_hamming(latent, cosines)]


@dataclass(frozen=True)
class Recall:
    """What was read, again and again.

    Parameters
    ----------
    states : (Q, n) array
        The last reading of each query; a query that shares no neuron with anything stored stays what it was.
    updates : (Q,) array of int
        Updates that moved it.
    empty : (Q,) array of bool
        Whether it ended where nothing is shared.
    """

    states: Array
    updates: NDArray[np.int64]
    empty: NDArray[np.bool_]


def recall(
    projection: Projection,
    log_weights: LogWeights,
    stored: Array,
    queries: Array,
    *,
    updates: int = 10,
    tolerance: float = 1e-3,
) -> Recall:
    """Read at the queries, and at what is read, projected anew, until it rests.

    Parameters
    ----------
    projection : Projection
    log_weights : callable
        As `attention_weights`, `cap_weights`, `ball_weights` and `finite_weights` make them.
    stored : (m, n) array
        Images of the memory.
    queries : (Q, n) array
    updates : int
        Largest number of updates, at least 1.
    tolerance : float
        Change of a state, relative to its length, up to which it rests.

    Returns
    -------
    Recall

    Examples
    --------
    >>> stored = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> found = recall(Projection(), attention_weights(100.0), stored, np.array([[2.0, 0.1]]))
    >>> found.states.round(6).tolist(), found.updates.tolist()
    ([[1.0, 0.0]], [1])
    """
    updates = checked_integer("updates", updates, 1)
    latents = np.ascontiguousarray(projection(stored).T)
    states, done = queries.copy(), np.zeros(len(queries), dtype=np.int64)
    empty = np.zeros(len(queries), dtype=np.bool_)
    step = max(1, ENTRIES // len(stored))
    for first in range(0, len(queries), step):
        active = np.arange(first, min(first + step, len(queries)))
        for _ in range(updates):
            logs = log_weights(product(projection(states[active]), latents))
            empty[active] = np.isneginf(logs).all(axis=1)
            logs, active = logs[~empty[active]], active[~empty[active]]
            if len(active) == 0:
                break
            readings = product(_softmax(logs), stored)
            moved = unit_rows(readings - states[active])[1] > tolerance * unit_rows(states[active])[1]
            states[active] = readings
            done[active] += moved[:, 0]
            active = active[moved[:, 0]]
    return Recall(states, done, empty)
