"""The chain in which a network learns to recognise images, before the theory looks at its heads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.experiments.paths.images_config import TRAINING_STREAM, OneShotConfig, TrainingConfig, stream_seed
from mfattn.paths.tasks.descent import Diverged, State, Trainer, network_of, torch_module, weight_shapes
from mfattn.paths.tasks.trained import TrainedNetwork
from mfattn.pipeline.errors import RunError
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Experiment


@dataclass(frozen=True, eq=False)
class TrainingChain:
    """A training, cut into links of some steps; see `mfattn.pipeline.experiment.Chain`.

    A link keeps the weights, the state of Adam and the steps after its last step, and the losses of all of its own. The
    episodes of a step depend on nothing but the step, so that a training that was stopped goes on to the same bits.

    Parameters
    ----------
    task : OneShotConfig
        One with a training.
    make : callable
        The experiment that looks at a trained network.
    """

    task: OneShotConfig
    make: Callable[[TrainedNetwork], Experiment]

    @cached_property
    def _training(self) -> TrainingConfig:
        assert self.task.training is not None
        return self.task.training

    @property
    def links(self) -> int:
        """Number of links."""
        return ceil(self._training.steps / self._training.link)

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return self._training.steps

    def stages(self, link: int) -> range:
        """Steps of LINK."""
        first = link * self._training.link
        return range(first, min(first + self._training.link, self._training.steps))

    def layout(self, link: int) -> dict[str, ArrayLayout]:
        """State of the training after LINK, and losses of its steps."""
        number = sum(map(prod, weight_shapes(self.task.input_width, self._training.descent)))
        precision = np.dtype(np.float32 if self._training.precision == "single" else np.float64)
        row = ArrayLayout((number,), precision)
        return {
            "weights": row,
            "gradient_mean": row,
            "gradient_square": row,
            "steps": ArrayLayout((1,), np.dtype(np.int64)),
            "loss": ArrayLayout((len(self.stages(link)),), np.dtype(np.float64)),
        }

    def walk(self, link: int, before: Mapping[str, NDArray[Any]] | None, advance: Advance) -> Arrays:
        """The steps of LINK.

        Raises
        ------
        RunError
            If the loss is no longer finite.
        """
        training, (seen, _) = self._training, self.task.encoded()
        with _threads(training.threads):
            trainer = Trainer(self.task.input_width, training.descent, None if before is None else _state_of(before))
            losses = []
            for step in self.stages(link):
                seed = stream_seed(training.seed, TRAINING_STREAM, step)
                try:
                    losses.append(trainer.step(*seen.episodes(training.batch // 2, seed)))
                except Diverged as error:
                    raise RunError(f"task.network: {error}") from None
                advance(1)
            weights, means, squares, steps = trainer.state
        return {
            "weights": weights,
            "gradient_mean": means,
            "gradient_square": squares,
            "steps": np.array([steps]),
            "loss": np.array(losses),
        }

    def experiment_from(self, links: Sequence[Mapping[str, NDArray[Any]]]) -> Experiment:
        """The experiment that looks at the network of the last of LINKS."""
        return self.make(network_of(links[-1]["weights"], self.task.input_width, self._training.descent))


def _state_of(link: Mapping[str, NDArray[Any]]) -> State:
    return State(link["weights"], link["gradient_mean"], link["gradient_square"], int(link["steps"][0]))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Torch computes with so many threads within the block."""
    torch = torch_module()
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
