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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

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
    check_every : int
        Steps after which the accuracy of the validation is taken.

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
    check_every: int = 100

    def __post_init__(self) -> None:
        if not self.heads:
            raise ValueError("heads must be of at least one layer")
        for number in self.heads:
            checked_integer("heads", number, 1)
        for name in ("key_size", "width", "check_every"):
            checked_integer(name, getattr(self, name), 1)
        checked_integer("seed", self.seed, 0, 2**63 - 1)
        checked_number("rate", self.rate, above=0.0)
        checked_number("decay", self.decay, least=0.0)
        checked_choice("readout", self.readout, Readout)
        checked_choice("precision", self.precision, Precision)


class Training(NamedTuple):
    """What became of a training.

    Parameters
    ----------
    network : TrainedNetwork
        At the end, or, if there is a validation, where its accuracy was best.
    losses : (steps,) array
        Mean squared errors of the batches before each step.
    accuracies : (checks,) array
        Of the validation, after every `Descent.check_every` steps and at the end.
    """

    network: TrainedNetwork
    losses: Array
    accuracies: Array


def epochs(
    tokens: Array, labels: Array, *, batch: int = 128, number: int = 10, seed: int = 0
) -> Iterator[tuple[Array, Array]]:
    """Batches of all examples in random order, again and again; the last of an epoch may be smaller.

    >>> [len(labels) for _, labels in epochs(np.zeros((5, 2, 3)), np.ones(5), batch=3, number=2)]
    [3, 2, 3, 2]
    """
    batch = checked_integer("batch", batch, 1)
    for epoch in range(checked_integer("number", number, 1)):
        order = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,))).permutation(len(labels))
        for start in range(0, len(labels), batch):
            chosen = order[start : start + batch]
            yield tokens[chosen], labels[chosen]


def train(
    batches: Iterable[tuple[Array, Array]], descent: Descent, validation: tuple[Array, Array] | None = None
) -> Training:
    """Train a network with batches, one step each.

    Results are the same for the same number of threads of torch.

    Parameters
    ----------
    batches : iterable of ((P, N0, T) array, (P,) array)
        Tokens and labels ±1, as `epochs` gives them.
    descent : Descent
    validation : ((P, N0, T) array, (P,) array), optional

    Returns
    -------
    Training

    Raises
    ------
    MissingExtra
        If torch is not installed.
    Diverged
        If the loss is not finite.
    ValueError
        If there is no batch, or its shapes do not agree.
    """
    network: _Network | None = None
    losses = []
    checks = _Checks(validation)
    step = 0
    for step, (tokens, labels) in enumerate(batches, start=1):
        if network is None:
            network = _Network(checked_array("tokens", tokens, ("P", "N0", "T")).shape[1], descent)
        losses.append(network.step(tokens, labels))
        if not math.isfinite(losses[-1]):
            raise Diverged(f"the loss is {losses[-1]} at step {step}; a smaller rate may help")
        if step % descent.check_every == 0:
            checks.look_at(network)
    if network is None:
        raise ValueError("there must be at least one batch")
    if step % descent.check_every:
        checks.look_at(network)
    return Training(checks.best or network.trained(), np.array(losses), np.array(checks.accuracies))


def torch_module() -> Any:
    """The module torch.

    MissingExtra if it is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra("gradient descent needs the extra mfattn[torch]: pip install 'mfattn[torch]'") from error
    return torch


class _Network:
    """A network in training: tensors of its weights, and the state of Adam."""

    def __init__(self, inputs: int, descent: Descent) -> None:
        torch = torch_module()
        self.descent, self.inputs = descent, inputs
        self.kind = torch.float32 if descent.precision == "single" else torch.float64
        self.generator = torch.Generator().manual_seed(descent.seed)
        size, width = descent.key_size, descent.width
        self.projection = self._uniform(inputs, width, inputs)
        self.queries = [self._uniform(inputs, heads, size, inputs) for heads in descent.heads]
        self.keys = [self._uniform(inputs, heads, size, inputs) for heads in descent.heads]
        self.values = [self._uniform(width, heads, width, width) for heads in descent.heads]
        self.read_out = self._uniform(width, width)
        tensors = [self.projection, *self.queries, *self.keys, *self.values, self.read_out]
        self.adam = torch.optim.Adam(tensors, lr=descent.rate, weight_decay=descent.decay)

    def _uniform(self, fan_in: int, *shape: int) -> Any:
        """First weights as torch has them for linear layers: uniform, up to the inverse root of the inputs."""
        numbers = torch_module().rand(*shape, generator=self.generator, dtype=self.kind)
        return ((2.0 * numbers - 1.0) / math.sqrt(fan_in)).requires_grad_()

    def step(self, tokens: Array, labels: Array) -> float:
        """One step; the loss before it."""
        inputs = checked_array("tokens", tokens, ("P", self.inputs, "T"))
        targets = checked_array("labels", labels, (len(inputs),))
        outputs = self.outputs(self._tensor(inputs.swapaxes(1, 2)))
        loss = ((outputs - self._tensor(targets)) ** 2).mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return float(loss.detach())

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

        def numbers(tensors: list[Any]) -> list[Array]:
            return [tensor.detach().double().numpy().copy() for tensor in tensors]

        projection, read_out = numbers([self.projection, self.read_out])
        queries, keys, values = map(numbers, (self.queries, self.keys, self.values))
        return TrainedNetwork(queries, keys, values, projection, read_out, self.descent.readout)


class _Checks:
    """Accuracies of the validation, if there is one, and the network that was the most accurate."""

    def __init__(self, validation: tuple[Array, Array] | None) -> None:
        self.validation = validation
        self.accuracies: list[float] = []
        self.best: TrainedNetwork | None = None

    def look_at(self, network: _Network) -> None:
        """Note the accuracy of a network as it is now."""
        if self.validation is None:
            return
        tokens, labels = self.validation
        trained = network.trained()
        accuracy = trained.accuracy(trained.features(tokens), labels)
        if accuracy > max(self.accuracies, default=-math.inf):
            self.best = trained
        self.accuracies.append(accuracy)
