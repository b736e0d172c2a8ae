r"""A learning problem as the theory sees it: features of paths, and labels; and random ones.

A teacher labels random features of the paths by

.. math:: y_\mu = \mathrm{sign} \sum_{\pi} b_\pi \, v \cdot Z^\pi_\mu,

whose weights are those of a network of width 1: one direction v in all paths, with factors b.
"""

from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from mfattn.paths.checks import Array, checked_array, checked_choice, checked_integer
from mfattn.paths.kernels import PathKernels

Labels = Literal["teacher", "random"]


class Problem:
    """Training and test examples of a network with some heads.

    Parameters
    ----------
    heads : tuple of int
        Numbers of heads of the layers.
    features : (P, D, paths) array
        Features of the paths at the examples, with the factor σ_0 / sqrt(N0 Π).
    labels : (P,) or (P, C) array
    test_features : (Q, D, paths) array
    test_labels : (Q,) or (Q, C) array

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    """

    def __init__(
        self, heads: tuple[int, ...], features: Array, labels: Array, test_features: Array, test_labels: Array
    ) -> None:
        self.heads, paths = heads, int(np.prod(heads))
        self.features = checked_array("features", features, ("P", "D", paths))
        self.labels = np.asarray(labels, dtype=float)
        self.test_features = checked_array("test_features", test_features, ("Q", self.features.shape[1], paths))
        self.test_labels = np.asarray(test_labels, dtype=float)
        for name, labelled, given in (
            ("labels", self.labels, self.features),
            ("test_labels", self.test_labels, self.test_features),
        ):
            if len(labelled) != len(given):
                raise ValueError(f"{name} must be {len(given)}, found {len(labelled)}")

    @cached_property
    def kernels(self) -> PathKernels:
        """Kernels of the training examples, packed once."""
        return PathKernels(self.features)


class RandomFeatures(NamedTuple):
    """Random features, whose labels a teacher gives, or chance.

    Parameters
    ----------
    heads : tuple of int
        Numbers of heads of the layers.
    inputs : int
        Width D of the features.
    labels : {'teacher', 'random'}
    """

    heads: tuple[int, ...]
    inputs: int
    labels: Labels = "teacher"

    def draw(self, examples: int, test: int, seed: int) -> Problem:
        """Draw a problem; its first examples are the same for any number of them.

        Parameters
        ----------
        examples, test : int
            Examples for training, and for the test.
        seed : int

        Raises
        ------
        ValueError
            If a number is out of range.

        Examples
        --------
        >>> problem = RandomFeatures((2, 2), inputs=5).draw(6, 3, seed=1)
        >>> problem.features.shape, problem.test_labels.shape
        ((6, 5, 4), (3,))
        """
        checked_choice("labels", self.labels, Labels)
        checked_integer("inputs", self.inputs, 1)
        for number in self.heads:
            checked_integer("heads", number, 1)
        rng = _stream(seed, 0)
        direction, factors = rng.standard_normal(self.inputs), rng.standard_normal(int(np.prod(self.heads)))
        training, training_labels = self._examples(examples, _stream(seed, 1), direction, factors)
        tested, test_labels = self._examples(test, _stream(seed, 2), direction, factors)
        return Problem(self.heads, training, training_labels, tested, test_labels)

    def _examples(self, number: int, rng: np.random.Generator, direction: Array, factors: Array) -> tuple[Array, Array]:
        """Features and labels."""
        paths = len(factors)
        drawn = rng.standard_normal((checked_integer("examples", number, 1), self.inputs * paths + 1))
        features = drawn[:, :-1].reshape(number, self.inputs, paths) / np.sqrt(self.inputs * paths)
        output = drawn[:, -1] if self.labels == "random" else np.einsum("mip,i,p->m", features, direction, factors)
        return features, np.where(output >= 0, 1.0, -1.0)


def _stream(seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(checked_integer("seed", seed, 0), spawn_key=(part,)))
