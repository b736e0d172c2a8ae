r"""Training of the network by gradient descent, in torch: the extra ``mfattn[torch]``.

Queries, keys and values are learnt together, from the mean squared error on labels ±1, by Adam with a decay of the
weights. The output is linear in what the attention paths make of the input (see `trained`), and so is computed: values
of all heads are multiplied once for a step, not once for every token. The gradients are the same, and a step of the
published sizes takes a quarter of the time.

References
----------
Tiberi, Mignacco, Irie and Sompolinsky, NeurIPS 2024 (arXiv 2405.15926), figure 3; Kingma and Ba, ICLR 2015
(arXiv 1412.6980).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfattn.paths.attention import Readout
from mfattn.paths.checks import Array, checked_array, checked_choice, checked_integer, checked_number
from mfattn.paths.tasks.trained import TrainedNetwork

Precision = Literal["single", "double"]


class MissingExtra(ImportError):
    """Torch is not installed; one line says how it is."""


class Diverged(RuntimeError):
    """The loss of a training is no longer finite; one line says at which step."""


@dataclass(frozen=True)
class Descent:
    """How a network is trained.

    Parameters
    ----------
    heads : tuple of int
        Heads of the layers.
    key_size, width : int
        G of all heads, and N of all layers.
    readout : {'last_token', 'first_token', 'average_pooling'}
    rate, decay : float
        Learning rate, and the factor of the weights that is added to their gradients.
    seed : int
        Of the first weights.
    precision : {'single', 'double'}

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    heads: tuple[int, ...] = (4, 4)
    key_size: int = 128
    width: int = 512
    readout: Readout = "average_pooling"
    rate: float = 3e-4
    decay: float = 5e-5
    seed: int = 0
    precision: Precision = "single"

    def __post_init__(self) -> None:
        if not self.heads:
            raise ValueError("heads must be of at least one layer")
        for number in self.heads:
            checked_integer("heads", number, 1)
        for name in ("key_size", "width"):
            checked_integer(name, getattr(self, name), 1)
        checked_integer("seed", self.seed, 0, 2**63 - 1)
        checked_number("rate", self.rate, above=0.0)
        checked_number("decay", self.decay, least=0.0)
        checked_choice("readout", self.readout, Readout)
        checked_choice("precision", self.precision, Precision)


def torch_module(purpose: str = "gradient descent") -> Any:
    """The module torch.

    MissingExtra, which says for which purpose it is needed, if it is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{purpose} needs the extra mfattn[torch]: pip install 'mfattn[torch]'") from error
    return torch


class State(NamedTuple):
    """Where a training stands: all that a step depends on, and changes.

    Parameters
    ----------
    weights, means, squares : (n,) arrays
        All weights in one row, in the precision of the training, and the running means of their gradients and of the
        squares of these.
    steps : int
        Steps so far.
    """

    weights: NDArray[np.floating]
    means: NDArray[np.floating]
    squares: NDArray[np.floating]
    steps: int


def weight_shapes(inputs: int, descent: Descent) -> list[tuple[int, ...]]:
    """Shapes of all weights: projection, queries, keys and values of every layer, read-out.

    >>> weight_shapes(5, Descent(heads=(2,), key_size=3, width=6))
    [(6, 5), (2, 3, 5), (2, 3, 5), (2, 6, 6), (6,)]
    """
    size, width = descent.key_size, descent.width
    queries = [(heads, size, inputs) for heads in descent.heads]
    return [(width, inputs), *queries, *queries, *((heads, width, width) for heads in descent.heads), (width,)]


def network_of(weights: NDArray[np.floating], inputs: int, descent: Descent) -> TrainedNetwork:
    """The network of the weights of a `State`."""
    shapes = weight_shapes(inputs, descent)
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if weights.shape != (ends[-1],):
        raise ValueError(f"weights must be {ends[-1]} numbers, found {weights.shape}")
    parts = np.split(weights.astype(np.float64), ends[:-1])
    projection, *heads, read_out = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    depth = len(descent.heads)
    return TrainedNetwork(
        heads[:depth], heads[depth : 2 * depth], heads[2 * depth :], projection, read_out, descent.readout
    )


class Trainer:
    """A network in training, which can be taken up where it was left: with the same threads, to the bit.

    Parameters
    ----------
    inputs : int
        N0.
    descent : Descent
    state : State, optional
        Where to go on; without it, first weights are drawn.

    Raises
    ------
    MissingExtra
        If torch is not installed.
    """

    def __init__(self, inputs: int, descent: Descent, state: State | None = None) -> None:
        torch = torch_module()
        self.descent, self.inputs, self.steps = descent, inputs, 0
        self.kind = torch.float32 if descent.precision == "single" else torch.float64
        shapes = weight_shapes(inputs, descent)
        if state is None:
            generator = torch.Generator().manual_seed(descent.seed)
            self.tensors = [self._uniform(shape, generator) for shape in shapes]
        else:
            self.tensors = [tensor.requires_grad_() for tensor in self._split(state.weights)]
        depth = len(descent.heads)
        self.projection, *heads, self.read_out = self.tensors
        self.queries, self.keys, self.values = heads[:depth], heads[depth : 2 * depth], heads[2 * depth :]
        self.adam = torch.optim.Adam(self.tensors, lr=descent.rate, weight_decay=descent.decay)
        if state is not None:
            self.steps = state.steps
            moments = zip(self.tensors, self._split(state.means), self._split(state.squares), strict=True)
            for tensor, mean, square in moments:
                step = torch.tensor(float(state.steps))
                self.adam.state[tensor] = {"step": step, "exp_avg": mean, "exp_avg_sq": square}

    def _uniform(self, shape: tuple[int, ...], generator: Any) -> Any:
        """First weights as torch has them for linear layers: uniform, up to the inverse root of the inputs."""
        numbers = torch_module().rand(*shape, generator=generator, dtype=self.kind)
        return ((2.0 * numbers - 1.0) / math.sqrt(shape[-1])).requires_grad_()

    def _split(self, row: NDArray[np.floating]) -> list[Any]:
        """Tensors of their own with the numbers of a row."""
        shapes = weight_shapes(self.inputs, self.descent)
        sizes = [math.prod(shape) for shape in shapes]
        parts = torch_module().tensor(row, dtype=self.kind).split(sizes)
        return [part.reshape(shape).clone() for part, shape in zip(parts, shapes, strict=True)]

    @property
    def state(self) -> State:
        """Where the training stands after at least one step."""
        moments = [self.adam.state[tensor] for tensor in self.tensors]
        weights, means, squares = (
            torch_module().cat([tensor.detach().flatten() for tensor in tensors]).numpy()
            for tensors in (
                self.tensors,
                [moment["exp_avg"] for moment in moments],
                [moment["exp_avg_sq"] for moment in moments],
            )
        )
        return State(weights, means, squares, self.steps)

    def step(self, tokens: Array, labels: Array) -> float:
        """One step; the loss before it.

        Diverged if it is not finite.
        """
        inputs = checked_array("tokens", tokens, ("P", self.inputs, "T"))
        targets = checked_array("labels", labels, (len(inputs),))
        outputs = self.outputs(self._tensor(inputs.swapaxes(1, 2)))
        loss = ((outputs - self._tensor(targets)) ** 2).mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.steps += 1
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"the loss is {value} at step {self.steps}; a smaller rate may help")
        return value

    def _tensor(self, values: Array) -> Any:
        return torch_module().as_tensor(np.ascontiguousarray(values), dtype=self.kind)

    def outputs(self, rows: Any) -> Any:
        """Outputs (p,) for tokens (p, T, N0)."""
        weights, vectors = self._read(rows), self.read_out
        for values in reversed(self.values):
            vectors = (vectors @ values.transpose(1, 2)).reshape(-1, values.shape[1])
        for queries, keys in reversed([*zip(self.queries[:-1], self.keys[:-1], strict=True)]):
            before = self._attention(rows, rows, queries, keys)
            weights = torch_module().einsum("pqt,phts->phqs", weights, before).flatten(1, 2)
        paths = (weights @ rows) @ self.projection.T
        return torch_module().einsum("pqn,qn->p", paths, vectors) / math.sqrt(len(vectors))

    def _read(self, rows: Any) -> Any:
        """Weights (p, heads, T) of the tokens in what the last layer's heads read out."""
        queried = {"last_token": rows[:, -1:], "first_token": rows[:, :1], "average_pooling": rows}
        asking = queried[self.descent.readout]
        return self._attention(asking, rows, self.queries[-1], self.keys[-1]).mean(dim=2)

    def _attention(self, asking: Any, rows: Any, queries: Any, keys: Any) -> Any:
        """Weights (p, heads, queries, T)."""
        torch = torch_module()
        asked = torch.einsum("ptn,hgn->phtg", asking, queries) / math.sqrt(queries.shape[1])
        return torch.softmax(asked @ torch.einsum("psn,hgn->phgs", rows, keys), dim=-1)

    def trained(self) -> TrainedNetwork:
        """The weights as they are now."""
        row = torch_module().cat([tensor.detach().flatten() for tensor in self.tensors])
        return network_of(row.numpy(), self.inputs, self.descent)
