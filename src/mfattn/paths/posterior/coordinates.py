r"""Coordinates of the order parameter at finite width, with their exact prior, for many points at once.

Every block is a product of factors that do not depend on each other,

.. math:: U_l = C_l C_l^T, \qquad C_l = \sigma_l (I_{H_l} \otimes C_{l+1}) A_l, \qquad C_{L+2} = 1.

:math:`\sqrt{N_l} A_l` are Gaussian weights, turned to a triangle where there are at least as many columns as rows:

.. math:: \sqrt{N_l} A_{l,ii} \sim \chi_{N_l - i + 1}, \qquad \sqrt{N_l} A_{l,ij} \sim \mathcal N(0, 1) \quad (j < i).

A layer that is narrower than its
rows gives a singular block. Its weights are kept as they are, a rectangle: a matrix would have walls where a
diagonal vanishes, which no sampler passes though the other side is as likely.

A diagonal is kept as its cube root, in which densities such as that of chi are closest to a Gaussian (Wilson and
Hilferty, 1931): importance sampling is worth twice what it is with logarithms.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), order parameters. Triangles are the factors of
Bartlett (1933).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import special

from mfattn.paths.checks import Array, Integers
from mfattn.paths.network import Network


class WishartCoordinates:
    """Vectors x that hold the matrices A_l, row by row and block after block, with cube roots of triangles' diagonals.

    Parameters
    ----------
    network : Network
        A width that is not an integer must exceed the rows of its block less one.

    Attributes
    ----------
    size : int
        Length d of x.
    shapes : list of (int, int)
        Rows and columns of every A_l: a square is a triangle.
    slices : list of slice
        Where every A_l is.
    diagonal : array of int
        Where the cube roots are. The density is zero unless all are positive.
    spreads : (d,) array
        Spread of every entry in the prior, for wide layers.
    is_singular : bool
        Whether a block is, as a layer is narrower than its rows.

    Raises
    ------
    ValueError
        If no random matrix has one of the widths as its degrees of freedom.

    Examples
    --------
    >>> WishartCoordinates(Network((2, 2), (3, 3, 3))).shapes
    [(4, 3), (2, 2), (1, 1)]
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.shapes = _shapes(network)
        self._places = [_places(*shape) for shape in self.shapes]
        lengths = [len(places) for places in self._places]
        ends = np.cumsum([0, *lengths])
        self.size = int(ends[-1])
        self.slices = [slice(start, stop) for start, stop in pairwise(ends)]
        self._widths = np.repeat(network.widths, lengths)
        triangles = [
            (start, rows, width)
            for start, (rows, columns), width in zip(ends[:-1], self.shapes, network.widths, strict=True)
            if rows == columns
        ]
        self.is_singular = len(triangles) < len(self.shapes)
        self.diagonal: Integers = np.concatenate(
            [
                np.zeros(0, dtype=np.int64),
                *(start + np.cumsum(np.arange(1, rows + 1)) - 1 for start, rows, _ in triangles),
            ]
        )
        self._freedom = np.concatenate([np.zeros(0), *(width - np.arange(rows) for _, rows, width in triangles)])
        self._scales = np.sqrt(network.variances[1:])
        self.spreads = 1 / np.sqrt(self._widths)
        self.spreads[self.diagonal] /= 3 * math.sqrt(2)
        self._log_normalisation = self._normalisation()

    def draw(self, random: np.random.Generator, number: int) -> Array:
        """Points (number, d) from the prior."""
        x = random.standard_normal((number, self.size)) / np.sqrt(self._widths)
        squares = random.chisquare(self._freedom, (number, len(self._freedom)))
        x[:, self.diagonal] = (squares / self._widths[self.diagonal]) ** (1 / 6)
        return x

    def log_prior(self, x: Array) -> Array:
        """Logarithm of the normalised density of points (n, d)."""
        entries, roots = self.entries(x), x[:, self.diagonal]
        logarithms = np.log(np.where(roots > 0, roots, 0.0))
        powers = logarithms @ (3 * self._freedom - 1)
        return self._log_normalisation + powers - 0.5 * (entries * entries) @ self._widths

    def log_prior_gradient(self, x: Array) -> Array:
        """Its gradient (n, d)."""
        roots = x[:, self.diagonal]
        gradient = -self._widths * self.entries(x)
        gradient[:, self.diagonal] *= 3 * roots**2
        gradient[:, self.diagonal] += (3 * self._freedom - 1) / roots
        return gradient

    def entries(self, x: Array) -> Array:
        """Points with the entries of the diagonals in the place of their cube roots."""
        entries = x.copy()
        entries[:, self.diagonal] **= 3
        return entries

    def from_matrices(self, matrices: Sequence[Array]) -> Array:
        """Points (n, d) of matrices (n, rows, columns) with positive diagonals."""
        x = self._joined(matrices)
        x[:, self.diagonal] = np.cbrt(x[:, self.diagonal])
        return x

    def matrices(self, x: Array) -> list[Array]:
        """A_l of points, (n, rows, columns) for every block."""
        found = []
        entries = self.entries(x)
        for part, places, shape in zip(self.slices, self._places, self.shapes, strict=True):
            flat = np.zeros((len(x), shape[0] * shape[1]))
            flat[:, places] = entries[:, part]
            found.append(flat.reshape(len(x), *shape))
        return found

    def factors(self, matrices: Sequence[Array]) -> list[Array]:
        """C_l of matrices, (n, p_l, columns) for every block."""
        found: list[Array] = []
        above = np.ones((1, 1, 1))
        for matrix, scale in zip(reversed(matrices), self._scales[::-1], strict=True):
            above = scale * below(above, matrix)
            found.insert(0, above)
        return found

    def order_parameters(self, x: Array) -> list[Array]:
        """Blocks U_1 ... U_L, U_a of points, each (n, p_l, p_l)."""
        return [factor @ factor.swapaxes(1, 2) for factor in self.factors(self.matrices(x))]

    def gradient(self, x: Array, matrices: Sequence[Array], factors: Sequence[Array], slopes: Array) -> Array:
        """Gradient by x of a function that has the symmetric gradients SLOPES (n, p_1, p_1) by U_1."""
        upper = [*factors[1:], np.ones((1, 1, 1))]
        moved = 2 * slopes @ factors[0]
        found = []
        for matrix, above, scale in zip(matrices, upper, self._scales, strict=True):
            blocks = moved.reshape(len(x), -1, *above.shape[1:2], moved.shape[2])
            found.append((scale * above.swapaxes(1, 2)[:, None] @ blocks).reshape(matrix.shape))
            own = matrix.reshape(len(x), -1, above.shape[2], matrix.shape[2])
            moved = scale * (blocks @ own.swapaxes(2, 3)).sum(axis=1)
        gradient = self._joined(found)
        gradient[:, self.diagonal] *= 3 * x[:, self.diagonal] ** 2
        return gradient

    def _joined(self, matrices: Sequence[Array]) -> Array:
        """Entries of matrices as vectors (n, d)."""
        flat = [matrix.reshape(len(matrix), -1) for matrix in matrices]
        return np.concatenate([part[:, places] for part, places in zip(flat, self._places, strict=True)], axis=1)

    def _normalisation(self) -> float:
        """What makes the integral of the density one."""
        freedom, widths = self._freedom, self._widths[self.diagonal]
        normal = np.delete(0.5 * np.log(self._widths / (2 * np.pi)), self.diagonal)
        chi = 0.5 * freedom * np.log(widths / 2) + np.log(6) - special.gammaln(0.5 * freedom)
        return float(normal.sum() + chi.sum())


def below(above: Array, entries: Array) -> Array:
    """Products (I ⊗ C) A of matrices (n, p, r) and (n, H r, c)."""
    rank = above.shape[2]
    split = entries.reshape(len(entries), -1, rank, entries.shape[2])
    return (above[:, None] @ split).reshape(len(entries), -1, entries.shape[2])


def _places(rows: int, columns: int) -> Integers:
    """Flat places of the entries, row by row: of the lower triangle in a square, else of all."""
    return np.flatnonzero(np.tri(rows)) if rows == columns else np.arange(rows * columns)


def _shapes(network: Network) -> list[tuple[int, int]]:
    """Rows and columns of all A_l, from l = 1 upwards."""
    shapes: list[tuple[int, int]] = []
    rank = 1
    for width, heads in zip(reversed(network.widths), reversed(network.branches), strict=True):
        rows = heads * rank
        if width <= rows - 1 and width != int(width):
            raise ValueError(
                f"a width below the {rows} rows of its block of the order parameter must be an integer, found {width:g}"
            )
        rank = rows if width > rows - 1 else int(width)
        shapes.insert(0, (rows, rank))
    return shapes
