"""Instances of a task: the same kind of problem with other seeds, and with sizes that the experiment gives."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from mfattn.experiments.paths.task_config import FourPathsConfig, MarkovConfig, RandomConfig, TaskConfig, TwoPathsConfig
from mfattn.pipeline.yaml_text import KeyPath

Task = TypeVar("Task", bound=TaskConfig)


def instance_of(task: Task, number: int, *, examples: int | None = None, inputs: int | None = None) -> Task:
    """Instance NUMBER of a task, of which number 0 has the seeds of the config.

    Parameters
    ----------
    task : TaskConfig
    number : int
        From 0; each has examples of its own, and the same heads.
    examples : int, optional
        Training examples, an even number where there are two classes of sequences.
    inputs : int, optional
        Width of random features, or features of a token, an even number.
    """
    changes: dict[str, object] = {}
    if isinstance(task, FourPathsConfig | TwoPathsConfig | MarkovConfig):
        changes["seeds"] = (*(_seed(seed, number) for seed in task.seeds[:2]), *task.seeds[2:])
        if examples is not None:
            changes["per_class"] = examples // 2
        if inputs is not None:
            changes["features"] = inputs
    elif isinstance(task, RandomConfig):
        changes["seed"] = _seed(task.seed, number)
        if examples is not None:
            changes["examples"] = examples
        if inputs is not None:
            changes["inputs"] = inputs
    return task.model_copy(update=changes)


def _seed(seed: int, number: int) -> int:
    """A seed of an instance."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])


def given_size_mistakes(task: TaskConfig, *, inputs: bool = False) -> Iterator[tuple[KeyPath, str]]:
    """Keys of a task that hold sizes which the experiment gives: training examples, and perhaps inputs."""
    names = {"per_class", "examples"} | ({"features", "inputs"} if inputs else set())
    for name in sorted(names & task.model_fields_set):
        yield (name,), "left out here, where the widths give it"
