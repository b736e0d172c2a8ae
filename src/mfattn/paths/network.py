r"""The network: heads, widths and prior variances of deep attention with linear values.

.. math::

    z^0_t = N_0^{-1/2} V_0 x_t, \qquad
    z^l_t = (H_l N_l)^{-1/2} \sum_h \sum_s V_l^h z^{l-1}_s \Omega^{l,h}_{st}, \qquad
    f_c(x) = N_a^{-1/2} a_c \cdot z^L_{t^*}

with attention :math:`\Omega` that is fixed, and Gaussian priors of variances :math:`\sigma_0^2, ..., \sigma_L^2` and
:math:`\sigma_a^2`. A path is one head of every layer, :math:`\pi = (h_1, ..., h_L)`, with :math:`h_1` slowest.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfattn.paths.checks import checked_integer, checked_number


@dataclass(frozen=True, init=False)
class Network:
    """Sizes and priors of a network.

    Parameters
    ----------
    heads : sequence of int
        H_1 ... H_L, those of every layer of attention.
    widths : sequence of float
        N_1 ... N_L, N_a, above 0: the widths that enter the layers, and that of the read-out.
    variances : float or sequence of float
        Prior variances of V_0, V_1 ... V_L and a, above 0; one number stands for all.
    outputs : int
        Outputs C of the network.

    Raises
    ------
    ValueError
        If a number of them is wrong, or one of them out of range.

    Examples
    --------
    >>> network = Network(heads=(2, 3), widths=(10, 10, 10))
    >>> network.paths, network.sizes
    (6, (6, 3, 1))
    """

    heads: tuple[int, ...]
    widths: tuple[float, ...]
    variances: tuple[float, ...]
    outputs: int

    def __init__(
        self, heads: Sequence[int], widths: Sequence[float], variances: float | Sequence[float] = 1.0, outputs: int = 1
    ) -> None:
        for name, numbers in (("heads", heads), ("widths", widths)):
            if not isinstance(numbers, Sequence | np.ndarray):
                raise ValueError(f"{name} must be a list of numbers, found {numbers!r}")
        if len(heads) == 0:
            raise ValueError("heads must name those of at least one layer, found none")
        given = _as_many(variances, len(heads) + 2)
        for name, values, wanted in (("widths", widths, len(heads) + 1), ("variances", given, len(heads) + 2)):
            if len(values) != wanted:
                raise ValueError(f"{name} must be {wanted} numbers for {len(heads)} layers, found {len(values)}")
        checked: dict[str, object] = {
            "heads": tuple(checked_integer("heads", number, 1) for number in heads),
            "widths": tuple(checked_number("widths", number, above=0) for number in widths),
            "variances": tuple(checked_number("variances", number, above=0) for number in given),
            "outputs": checked_integer("outputs", outputs, 1),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def depth(self) -> int:
        """Layers of attention L."""
        return len(self.heads)

    @property
    def paths(self) -> int:
        """Attention paths."""
        return math.prod(self.heads)

    @property
    def branches(self) -> tuple[int, ...]:
        """By how much every block of the order parameter is larger than the next: H_1 ... H_L, C."""
        return (*self.heads, self.outputs)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes p_1 ... p_L, p_{L+1} of the blocks U_1 ... U_L, U_a: outputs times the heads from a layer upwards."""
        return tuple(math.prod(self.branches[layer:]) for layer in range(len(self.branches)))

    @property
    def gaussian_process_scale(self) -> float:
        """Order parameter of infinite width, a multiple of the identity: the product of all variances but the first."""
        return math.prod(self.variances[1:])

    def with_widths(self, widths: float | Sequence[float]) -> "Network":
        """The same network at other widths; one number stands for all of them.

        >>> Network((2, 2), (10, 10, 10)).with_widths(30).widths
        (30.0, 30.0, 30.0)
        """
        return Network(self.heads, _as_many(widths, len(self.widths)), self.variances, self.outputs)


def _as_many(values: float | Sequence[float], number: int) -> list[float]:
    """VALUES as a list, or NUMBER times a single one."""
    return [values] * number if isinstance(values, int | float | np.number) else list(values)
