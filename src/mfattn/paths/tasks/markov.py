r"""Hidden Markov chains that a network with hand-made attention heads tells apart.

A sequence has states :math:`s_t = \pm 1`. The first is a fair coin, and each of the others stays as it was with a
probability that depends on the class of the sequence. What is seen of state :math:`s_t` is a vector of d features,

.. math:: x_t = v_{s_t} + \sigma_\Delta n_\Delta + \sigma_\Sigma n_\Sigma + \sigma_\perp n_\perp, \qquad
          v_+ = \sqrt 2\, (1, \dots, 1, 0, \dots, 0), \quad v_- = \sqrt 2\, (0, \dots, 0, 1, \dots, 1),

where a standard normal vector n is split into its parts along :math:`v_+ - v_-`, along :math:`v_+ + v_-`, and out of
their plane. A token of zeros is put before the sequence, and below the features of each token its position is written,
as one 1 among zeros.

A good head looks at the token before if it has the same state, and at the first token, of zeros, otherwise. So it
counts how often states stay, which is what the classes differ in.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), figures 1 and 2.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from mfattn.paths.attention import BilinearHead, Head, path_features, path_sizes, paths_through
from mfattn.paths.checks import Array, Integers, checked_choice, checked_integer, checked_number
from mfattn.paths.tasks.torch_stream import TorchStream

Seeding = Literal["modern", "torch"]
"""NumPy's streams, keyed by what is drawn; or one stream in the order of the published program."""

Attends = Literal["same_token", "different_token", "uniform_attention", "blank"]
CrossScale = Literal["own", "published"]

CLASSES = (1, -1)
"""In the order of the examples."""

GOOD, GOOD_AND_DENOISING = ((0,), (0,)), ((0, 1), (0,))
"""The heads of each layer of the published networks that make the good path, and the good and the denoising path."""


class Sequences(NamedTuple):
    """Sequences of both classes, those of class +1 first.

    Parameters
    ----------
    states : (P, states) array of ±1
    tokens : (P, N0, states + 1) array
        Columns are tokens; N0 is the number of features and of positions.
    labels : (P,) array of ±1
    """

    states: Integers
    tokens: Array
    labels: Array


@dataclass(frozen=True)
class MarkovTask:
    r"""What the sequences are like.

    Parameters
    ----------
    features : int
        d, even.
    length : int
        Number of states of a sequence.
    stay_positive, stay_negative : (float, float)
        Probabilities that state +1, and state -1, stays, in sequences of class +1 and of class -1.
    noise_along_difference, noise_along_sum, noise_out_of_plane : float
        :math:`\sigma_\Delta, \sigma_\Sigma, \sigma_\perp`. Of the symbols of the paper, :math:`\sigma_\parallel` is the
        first two and :math:`\sigma_\perp` the third.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> task = MarkovTask(features=4, length=3)
    >>> task.inputs, task.tokens
    (8, 4)
    >>> task.draw(2, seed=1).states.shape
    (4, 3)
    """

    features: int = 200
    length: int = 30
    stay_positive: tuple[float, float] = (0.7, 0.7)
    stay_negative: tuple[float, float] = (0.3, 0.3)
    noise_along_difference: float = 1.0
    noise_along_sum: float = 1.0
    noise_out_of_plane: float = 1.0

    def __post_init__(self) -> None:
        if checked_integer("features", self.features, 2) % 2:
            raise ValueError(f"features must be even, found {self.features}")
        checked_integer("length", self.length, 1)
        for name in ("stay_positive", "stay_negative"):
            probabilities = getattr(self, name)
            if len(probabilities) != 2 or not all(0 <= checked_number(name, one) <= 1 for one in probabilities):
                raise ValueError(f"{name} must be two probabilities, found {probabilities}")
        for name in ("noise_along_difference", "noise_along_sum", "noise_out_of_plane"):
            checked_number(name, getattr(self, name), least=0.0)

    @property
    def tokens(self) -> int:
        """Number of tokens, with the one that is put before."""
        return self.length + 1

    @property
    def inputs(self) -> int:
        """Width N0 of a token: features and positions."""
        return self.features + self.tokens

    @property
    def direction(self) -> Array:
        """q = 2 w / |w|² with w = v_+ - v_-, whose product with v_± is ±1."""
        half = np.full(self.features // 2, math.sqrt(2.0) / self.features)
        return np.concatenate([half, -half])

    def draw(self, per_class: int, seed: int, rng: Seeding = "modern") -> Sequences:
        """Draw sequences of both classes.

        With 'modern', the first sequences of a class are the same for any number of them, and the states the same for
        any noise. With 'torch' they are those of the published program.

        Parameters
        ----------
        per_class : int
            Sequences of each class, half of P.
        seed : int
        rng : {'modern', 'torch'}

        Raises
        ------
        ValueError
            If a number is out of range.
        """
        per_class = checked_integer("per_class", per_class, 1)
        checked_choice("rng", rng, Seeding)
        coins, noise = (self._torch_draws if rng == "torch" else self._modern_draws)(per_class, seed)
        states = self._states(coins)
        return Sequences(states, self._tokens(states, noise), np.repeat(np.array(CLASSES, dtype=np.float64), per_class))

    def _torch_draws(self, per_class: int, seed: int) -> tuple[Array, Array]:
        """Coins (P, length) and normal numbers (P, features, length)."""
        stream = TorchStream(seed)
        examples = 2 * per_class
        coins = stream.uniforms(examples * self.length).reshape(examples, self.length)
        return coins, stream.normals(examples, self.features, self.length)

    def _modern_draws(self, per_class: int, seed: int) -> tuple[Array, Array]:
        """The same of one stream for each class and purpose."""
        coins = [_stream(seed, 0, number).random((per_class, self.length)) for number in range(len(CLASSES))]
        shape = (per_class, self.features, self.length)
        noise = np.empty((len(CLASSES), *shape))
        for number in range(len(CLASSES)):
            _stream(seed, 1, number).standard_normal(out=noise[number])
        return np.concatenate(coins), noise.reshape(-1, *shape[1:])

    def _states(self, coins: Array) -> Integers:
        """States of the coins: at first heads of a half or more is +1, later a coin below the probability stays."""
        stay = np.repeat([self.stay_positive, self.stay_negative], len(coins) // 2, axis=0)
        states = np.empty(coins.shape, dtype=np.int64)
        states[:, 0] = np.where(coins[:, 0] >= 0.5, 1, -1)
        for number in range(1, self.length):
            before = states[:, number - 1]
            stays = coins[:, number] < np.where(before > 0, stay[:, 0], stay[:, 1])
            states[:, number] = np.where(stays, before, -before)
        return states

    def _tokens(self, states: Integers, noise: Array) -> Array:
        """Tokens of states and normal numbers, which become noise in their place."""
        half = self.features // 2
        tokens = np.zeros((len(states), self.inputs, self.tokens))
        tokens[:, self.features + np.arange(self.tokens), np.arange(self.tokens)] = 1.0
        seen = tokens[:, : self.features, 1:]
        np.multiply(noise, self.noise_out_of_plane, out=seen)
        # In the plane of v_+ and v_- the noise is the same in all features of a half.
        first, second = noise[:, :half].mean(axis=1), noise[:, half:].mean(axis=1)
        of_sum = (self.noise_along_sum - self.noise_out_of_plane) * 0.5 * (first + second)
        of_difference = (self.noise_along_difference - self.noise_out_of_plane) * 0.5 * (first - second)
        seen[:, :half] += (of_sum + of_difference + math.sqrt(2.0) * (states > 0))[:, np.newaxis]
        seen[:, half:] += (of_sum - of_difference + math.sqrt(2.0) * (states < 0))[:, np.newaxis]
        return tokens


@dataclass(frozen=True)
class Perturbation:
    """Random numbers that are added to the weights of a head.

    Parameters
    ----------
    features, positions, cross : float
        Strengths between features, between positions, and between the two; normal numbers over d, as they are, and
        over the root of d.
    cross_scale : {'own', 'published'}
        The published program multiplies the cross part by the strength of the features instead of its own, which only
        switches it on.

    Raises
    ------
    ValueError
        If a strength is negative or not finite.
    """

    features: float = 0.0
    positions: float = 0.0
    cross: float = 0.0
    cross_scale: CrossScale = "own"

    def __post_init__(self) -> None:
        for name in ("features", "positions", "cross"):
            checked_number(name, getattr(self, name), least=0.0)
        checked_choice("cross_scale", self.cross_scale, CrossScale)

    def draw(self, task: MarkovTask, seed: int, rng: Seeding = "modern") -> Array:
        """The numbers (N0, N0) to be added."""
        checked_choice("rng", rng, Seeding)
        shapes = {
            "features": (task.features, task.features),
            "positions": (task.tokens, task.tokens),
            "cross": (task.inputs, task.inputs),
        }
        if rng == "torch":
            stream = TorchStream(seed)
            skipped = {name for name in ("features", "cross") if not getattr(self, name)}
            drawn = {
                name: np.zeros(()) if name in skipped else stream.normals(*shape) for name, shape in shapes.items()
            }
        else:
            drawn = {
                name: _stream(seed, 2, number).standard_normal(shape)
                for number, (name, shape) in enumerate(shapes.items())
            }
        cross = self.cross if self.cross_scale == "own" else self.features * (self.cross > 0)
        weights = np.broadcast_to(cross / math.sqrt(task.features) * drawn["cross"], shapes["cross"]).copy()
        weights[: task.features, : task.features] = self.features / task.features * drawn["features"]
        weights[task.features :, task.features :] = self.positions * drawn["positions"]
        return weights


NONE, PUBLISHED = Perturbation(), Perturbation(1.0, 1.0, 1.0, "published")
"""No perturbation, and that of the random heads of the published network of four paths."""


def markov_head(
    attends: Attends,
    task: MarkovTask,
    *,
    beta: float = 10.0,
    perturbation: Perturbation = NONE,
    seed: int = 0,
    rng: Seeding = "modern",
) -> BilinearHead:
    r"""A head for sequences.

    The weights are :math:`\beta (q q^T \oplus A)` and a perturbation, where A is between positions:

    * 'same_token' looks at the token before if that has the same state (logit 2β), otherwise at the token of zeros that
      stands first (3β/2, halfway to other tokens of the same state);
    * 'different_token', with :math:`-q q^T`, looks at it if that has the other state;
    * 'uniform_attention' has the same logit for all tokens;
    * 'blank' is the perturbation alone.

    Parameters
    ----------
    attends : {'same_token', 'different_token', 'uniform_attention', 'blank'}
    task : MarkovTask
    beta : float
        Inverse temperature, which the perturbation is multiplied by as well; at least 0.
    perturbation : Perturbation
    seed, rng
        Of the perturbation.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> head = markov_head("same_token", MarkovTask(features=2, length=2), beta=2)
    >>> head.weights.round(6) + 0.0
    array([[ 1., -1.,  0.,  0.,  0.],
           [-1.,  1.,  0.,  0.,  0.],
           [ 0.,  0.,  0.,  3.,  3.],
           [ 0.,  0.,  0.,  0.,  2.],
           [ 0.,  0.,  0.,  0.,  0.]])
    """
    checked_choice("attends", attends, Attends)
    beta = checked_number("beta", beta, least=0.0)
    weights = np.zeros((task.inputs, task.inputs))
    positions = weights[task.features :, task.features :]
    if attends == "uniform_attention":
        positions[:] = 1.0
    elif attends != "blank":
        sign = 1.0 if attends == "same_token" else -1.0
        weights[: task.features, : task.features] = sign * np.outer(task.direction, task.direction)
        positions[:] = np.eye(task.tokens, k=1)
        positions[0, 1:] = 1.5
    if perturbation != NONE:
        weights += perturbation.draw(task, seed, rng)
    return BilinearHead(beta * weights)


@dataclass(frozen=True, eq=False)
class MarkovInstance:
    """A network of heads with the sequences that it learns from, and those that it is tested with.

    Parameters
    ----------
    task : MarkovTask
    layers : tuple of tuples of heads
    training, test : Sequences
    """

    task: MarkovTask
    layers: tuple[tuple[Head, ...], ...]
    training: Sequences
    test: Sequences

    @property
    def heads(self) -> tuple[int, ...]:
        """Numbers of heads of the layers."""
        return path_sizes(self.layers)

    def features(self, sigma0: float = 1.0) -> tuple[Array, Array]:
        """Features (P, N0, paths) of the last token, of the training sequences and of the test."""
        training, test = (path_features(some.tokens, self.layers, sigma0=sigma0) for some in (self.training, self.test))
        return training, test

    def sub_network(self, kept: tuple[tuple[int, ...], ...]) -> "MarkovInstance":
        """The network that has some of the heads of each layer alone, such as `GOOD` or `GOOD_AND_DENOISING`."""
        paths_through(self.heads, kept)
        layers = zip(self.layers, kept, strict=True)
        return replace(self, layers=tuple(tuple(heads[number] for number in chosen) for heads, chosen in layers))


def four_paths(
    *,
    per_class: int = 50,
    test_per_class: int = 500,
    seeds: tuple[int, int, int, int] = (27, 59, 147, 247),
    rng: Seeding = "torch",
) -> MarkovInstance:
    """The published network of four paths: good, adversarial, denoising, adversarial.

    The first layer has the good head and a random one, the second the uniform head and a random one. The good path is
    good and then uniform, the denoising path random and then uniform.

    Parameters
    ----------
    per_class, test_per_class : int
        Sequences of each class for training and test.
    seeds : (int, int, int, int)
        Of the training sequences, the test, and the random heads of the two layers.
    rng : {'torch', 'modern'}
        With the defaults and 'torch' it is the published instance, draw by draw.

    Examples
    --------
    >>> instance = four_paths(per_class=1, test_per_class=1)
    >>> instance.heads, instance.training.tokens.shape
    ((2, 2), (2, 231, 31))
    """
    training, test, *of_heads = seeds
    task = MarkovTask()
    first, second = (markov_head("blank", task, perturbation=PUBLISHED, seed=seed, rng=rng) for seed in of_heads)
    layers = ((markov_head("same_token", task), first), (markov_head("uniform_attention", task), second))
    return MarkovInstance(task, layers, task.draw(per_class, training, rng), task.draw(test_per_class, test, rng))


def two_paths(
    *, per_class: int = 50, test_per_class: int = 500, seeds: tuple[int, int] = (27, 59), rng: Seeding = "torch"
) -> MarkovInstance:
    """The published network of two paths, good and denoising, for the noisier sequences.

    The heads of the first layer are the good one and one without weights, which is uniform; the second has the uniform
    one. So the denoising path is the mean of all tokens.

    Parameters
    ----------
    per_class, test_per_class : int
        Sequences of each class for training and test.
    seeds : (int, int)
        Of the training sequences and the test.
    rng : {'torch', 'modern'}
        With the defaults and 'torch' it is the published instance, draw by draw.

    Examples
    --------
    >>> two_paths(per_class=1, test_per_class=1).heads
    (2, 1)
    """
    training, test = seeds
    task = MarkovTask(noise_out_of_plane=5.0)
    layers = ((markov_head("same_token", task), markov_head("blank", task)), (markov_head("uniform_attention", task),))
    return MarkovInstance(task, layers, task.draw(per_class, training, rng), task.draw(test_per_class, test, rng))


def _stream(seed: int, purpose: int, part: int) -> np.random.Generator:
    seed = checked_integer("seed", seed, 0)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, part)))
