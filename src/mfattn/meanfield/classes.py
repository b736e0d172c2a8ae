"""Column classes: the finite sum that every weight ensemble's mean fields reduce to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FIELDS = ("output", "value", "query", "key")
"""Order of the four kinds of weights wherever an array has an axis for them."""


@dataclass(frozen=True, eq=False)
class ColumnClasses:
    r"""Distinct columns of the output weights, and how the four kinds of weights couple to them.

    The semantic mean fields of a token drawn with output field :math:`A` are

    .. math:: E_i[W^\alpha_{a,i} \tanh(\beta W^o_{\cdot,i} \cdot A)] = \sum_j G^\alpha_{j,a} \tanh(\beta\, S_j \cdot A),

    exactly, for any number of features M: the expectation over columns is a sum over the J distinct ones, counted up
    to a global sign because tanh is odd.

    Parameters
    ----------
    signs : (J, M) array
        The columns :math:`S_j` inside the tanh. Entries are ±1 where they are columns of weights.
    couplings : (4, J, M) array
        :math:`G^\alpha_{j,a}`, in the order of `FIELDS`: output, value, query, key.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, there is no class or no feature, or an entry is not finite.

    References
    ----------
    Poc-López and Aguilera, arXiv 2406.07247; there the same expectation is expanded in pair and fourth-order
    correlations, which holds for M <= 3.
    """

    signs: NDArray[np.float64]
    couplings: NDArray[np.float64]

    def __post_init__(self) -> None:
        signs = np.array(self.signs, dtype=np.float64, order="C")
        couplings = np.array(self.couplings, dtype=np.float64, order="C")
        if signs.ndim != 2 or 0 in signs.shape:
            raise ValueError(f"signs must have shape (J, M) with J, M >= 1, found {signs.shape}")
        if couplings.shape != (len(FIELDS), *signs.shape):
            raise ValueError(f"couplings must have shape {(len(FIELDS), *signs.shape)}, found {couplings.shape}")
        if not (np.isfinite(signs).all() and np.isfinite(couplings).all()):
            raise ValueError("signs and couplings must be finite")
        object.__setattr__(self, "signs", signs)
        object.__setattr__(self, "couplings", couplings)

    @property
    def features(self) -> int:
        """Number of features M."""
        return self.signs.shape[1]

    @property
    def value_output_correlation(self) -> NDArray[np.float64]:
        r"""The (M, M) matrix :math:`C_{a,b} = E_i[W^v_a W^o_b] = \sum_j G^v_{j,a} S_{j,b}`.

        At epsilon = 0 it fixes the linear stability of the origin (`Model.jacobian` at A = 0).
        """
        value = self.couplings[FIELDS.index("value")]
        return value.T @ self.signs


@dataclass(frozen=True, eq=False)
class Columns:
    """The N columns of an instance of the semantic weights.

    Parameters
    ----------
    inside : (M, N) array
        What stands inside the tanh; the output weights, but for the published convention of assigned patterns.
    weights : (4, M, N) array of ±1
        The four kinds of weights, in the order of `FIELDS`.
    """

    inside: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def number(self) -> int:
        """Number N of columns."""
        return self.inside.shape[1]


def classes_from_columns(columns: ArrayLike, weights: ArrayLike) -> ColumnClasses:
    r"""Column classes of equally likely columns.

    .. math:: G^\alpha_{j,a} = \frac1N \sum_{i:\, c_i = \pm S_j} (\pm 1)\, W^\alpha_{a,i}

    Parameters
    ----------
    columns : (M, N) array
        As `Columns.inside`.
    weights : (4, M, N) array
        As `Columns.weights`.

    Returns
    -------
    ColumnClasses
        One class per distinct column up to sign, its first non-zero entry positive. Zero columns contribute nothing
        and are left out; if there is nothing else, a single class with zero couplings stands for them.

    Examples
    --------
    >>> import numpy as np
    >>> output = np.array([[1, -1, 1, 1], [1, -1, -1, 1]])
    >>> classes = classes_from_columns(output, [output] * 4)
    >>> classes.signs
    array([[ 1., -1.],
           [ 1.,  1.]])
    >>> classes.couplings[0]
    array([[ 0.25, -0.25],
           [ 0.75,  0.75]])
    """
    columns = np.asarray(columns, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    number = columns.shape[1]
    first = np.argmax(columns != 0, axis=0)
    orientation = np.sign(columns[first, np.arange(number)])
    oriented = orientation * columns
    nonzero = orientation != 0
    if not nonzero.any():
        return ColumnClasses(np.zeros((1, len(columns))), np.zeros((len(FIELDS), 1, len(columns))))
    signs, class_of = np.unique(oriented[:, nonzero].T, axis=0, return_inverse=True)
    totals = np.zeros((len(signs), len(FIELDS), len(columns)))
    np.add.at(totals, class_of.ravel(), np.moveaxis(weights * orientation, 2, 0)[nonzero])
    return ColumnClasses(signs, np.moveaxis(totals, 1, 0) / number)


def joint_classes(columns: Columns) -> tuple[ColumnClasses, NDArray[np.int64]]:
    r"""Classes of the columns of all weights together, and how many columns each holds.

    Bits whose columns inside the tanh and in all four weights agree, up to one sign for all of them, are exchangeable:
    a token's overlaps depend on the sum of such bits alone. The couplings are those of `ColumnClasses`,
    :math:`G^\alpha_{c,a} = (n_c / N) W^\alpha_{c,a}`, so that the mean field of these classes is that of the columns.

    Parameters
    ----------
    columns : Columns

    Returns
    -------
    classes : ColumnClasses
        In the order of their output weights, the first of which is +1.
    sizes : (number of classes,) array of int
        :math:`n_c`, whose sum is N.

    Examples
    --------
    >>> import numpy as np
    >>> output, other = np.array([[1.0, -1.0, 1.0]]), np.array([[1.0, -1.0, -1.0]])
    >>> classes, sizes = joint_classes(Columns(output, np.array([output, other, other, other])))
    >>> sizes
    array([1, 2])
    """
    features, number = columns.inside.shape
    together = np.concatenate([columns.weights.reshape(-1, number), columns.inside])
    together = together * np.sign(together[0])
    distinct, sizes = np.unique(together.T, axis=0, return_counts=True)
    weights = distinct[:, :-features].reshape(-1, len(FIELDS), features).swapaxes(0, 1)
    return ColumnClasses(distinct[:, -features:], weights * (sizes / number)[:, np.newaxis]), sizes


def sign_vectors(length: int) -> NDArray[np.float64]:
    """All (2^(length - 1), length) sign vectors whose first entry is +1."""
    rest = 1 - 2 * np.array(list(np.ndindex(*(2,) * (length - 1))), dtype=np.float64).reshape(2 ** (length - 1), -1)
    return np.hstack([np.ones((len(rest), 1)), rest])


def odd_characters(signs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Odd-order characters of sign vectors of length M <= 3: s_1 .. s_M and, for M = 3, s_1 s_2 s_3.

    Parameters
    ----------
    signs : (J, M) array

    Returns
    -------
    (number of characters, J) array
    """
    characters = list(signs.T)
    if signs.shape[1] == 3:
        characters.append(signs.prod(axis=1))
    return np.array(characters)


def classes_from_correlations(correlations: ArrayLike) -> ColumnClasses:
    r"""Column classes that have given correlations with the odd-order characters of the output column.

    .. math:: G^\alpha_{j,a} = 2^{-(M-1)} \sum_b \chi_b(S_j)\, C^\alpha_{b,a}

    Parameters
    ----------
    correlations : (4, number of characters, M) array
        :math:`C^\alpha_{b,a} = E_i[\chi_b(W^o_i) W^\alpha_{a,i}]`; M characters for M <= 2, four for M = 3.

    Raises
    ------
    ValueError
        For more than three features, whose higher characters these ensembles do not define.
    """
    correlations = np.asarray(correlations, dtype=np.float64)
    features = correlations.shape[-1]
    if features > 3:
        raise ValueError(f"correlations define the mean fields for at most 3 features, found {features}")
    signs = sign_vectors(features)
    characters = odd_characters(signs)
    # Added in a fixed order: `einsum` would leave it, and so the last bit, to the processor.
    terms = characters[:, np.newaxis, :, np.newaxis] * correlations.swapaxes(0, 1)[:, :, np.newaxis, :]
    return ColumnClasses(signs, sum(terms) / len(signs))
