"""Solutions as experiments keep them: one that fails leaves its point empty. Also words and paths of figures."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.paths.config import SolverConfig
from mfattn.experiments.paths.task_config import MOST_PATHS
from mfattn.experiments.sections import distinct_mistakes
from mfattn.paths.action import Action
from mfattn.paths.solve import SeveralMinima, Solution, SolveError, solve
from mfattn.pipeline.config import Tuple
from mfattn.pipeline.experiment import ArrayLayout, Arrays, missing_value
from mfattn.pipeline.yaml_text import KeyPath

STARTS = 10
"""Usual number of starts of a solution, for estimates."""

MOST_WRITTEN = 12
"""Widths that are written out."""


PathOrder = Annotated[Tuple[Annotated[int, Field(ge=1, le=MOST_PATHS)]], Field(min_length=1, max_length=MOST_PATHS)]
"""Paths of a figure, in their order, counted from 1."""


def order_mistakes(order: Sequence[int] | None, paths: int) -> Iterator[tuple[KeyPath, str]]:
    """Paths of a figure that the network does not have, or more than once."""
    yield from distinct_mistakes(("figure", "order"), order)
    if order is not None and max(order) > paths:
        yield ("figure", "order"), f"paths from 1 to {paths}, found {max(order)}"


def solution_of(
    action: Action, solver: SolverConfig, starts: Sequence[NDArray[np.float64]] | None = None
) -> Solution | None:
    """The minimum of the action, None where none is certain; its certificate tells of several.

    The matrices U_1 to start from may be given; without them, the solver's are taken.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeveralMinima)
        try:
            return solve(
                action,
                method=solver.method,
                starts=solver.starts if starts is None else starts,
                random_starts=solver.random_starts,
                seed=solver.seed,
            )
        except SolveError:
            return None


def blank(layout: Mapping[str, ArrayLayout]) -> Arrays:
    """Arrays of a layout of which nothing is known."""
    return {name: np.full(shape, missing_value(dtype), dtype) for name, (shape, dtype) in layout.items()}


def widths_in_words(widths: Sequence[int]) -> str:
    """Widths for a line that tells a user what is computed.

    >>> widths_in_words([10, 1000])
    'N = 10, 1,000'
    """
    written = [f"{width:,}" for width in widths[:MOST_WRITTEN]]
    return f"N = {', '.join(written)}" + (", ..." if len(widths) > MOST_WRITTEN else "")
