"""What a result on images says: the best temperatures, agreement with the trained network, doubts, and tables."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline.experiment import Arrays, Table

Array = NDArray[np.float64]
Results = Mapping[str, NDArray[Any]]

CHOICES = {
    "evidence_choice": "log_evidence",
    "leave_one_out_choice": "leave_one_out_error",
    "test_choice": "accuracy",
}
"""Places of the temperature that is best by the evidence, by what is left out, and by the test."""

FEW_DRAWS, LARGEST_R_HAT = 100, 1.05
"""What makes a posterior doubtful."""

MOST_CASES = 4
"""Cases that a warning names."""


def choices(arrays: Results) -> Arrays:
    """Places of the best temperature of every width."""
    return {
        name: best_place(-arrays[criterion] if criterion == "leave_one_out_error" else arrays[criterion])
        for name, criterion in CHOICES.items()
    }


def agreement(arrays: Results) -> Arrays:
    """Correlations of theory with the trained network, of order parameters and of scores with lost accuracies."""
    overlap, orders = arrays["trained_overlap"], arrays["order_parameter"]
    drop = arrays["trained_accuracy"][:, None] - arrays["trained_dropped_accuracy"]
    grid = arrays["accuracy"].shape
    overlaps, scores = np.full(grid, np.nan), np.full(grid, np.nan)
    for place in np.ndindex(grid):
        overlaps[place] = correlation(orders[place].ravel(), overlap[place[0]].ravel())
        scores[place] = rank_correlation(arrays["head_score"][place], drop[place[0]])
    return {"overlap_correlation": overlaps, "score_drop_correlation": scores}


def best_place(values: Array) -> NDArray[np.int64]:
    """Place of the largest number of every row; -1 for rows of NaN."""
    known = np.isfinite(values)
    return np.where(known.any(axis=1), np.where(known, values, -np.inf).argmax(axis=1), -1)


def correlation(first: Array, second: Array) -> float:
    """Correlation of numbers; NaN where some are missing, or all are the same."""
    if not (np.isfinite(first) & np.isfinite(second)).all() or np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return float(np.corrcoef(first, second)[0, 1])


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's correlation of the numbers that are known in both; NaN where less than two are."""
    from scipy.stats import rankdata

    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < 2:
        return np.nan
    return correlation(rankdata(first[known]), rankdata(second[known]))


def doubtful_solutions(arrays: Results) -> Iterator[str]:
    """Widths and temperatures without a solution, or with several minima."""
    for words, group in (
        ("nothing could be computed", np.isnan(arrays["accuracy"])),
        ("several minima of the action, of which the least is taken", arrays["minima"] > 1),
    ):
        cases = [
            f"N = {arrays['width'][row]:g}, T = {arrays['temperature'][place]:g}" for row, place in np.argwhere(group)
        ]
        if cases:
            more = f"; {len(cases)} in all" if len(cases) > MOST_CASES else ""
            yield f"{words}: {'; '.join(cases[:MOST_CASES])}{more}"


def narrow_networks(arrays: Results) -> Iterator[str]:
    """Widths below the number of paths."""
    paths = len(arrays["path"])
    narrow = arrays["width"][arrays["width"] < paths]
    if len(narrow):
        widths = ", ".join(f"{width:g}" for width in narrow)
        yield f"below the {paths} paths, where order parameters are singular and theory is approximate: N = {widths}"


def doubtful_pruning(arrays: Results, row: int) -> Iterator[str]:
    """Networks without heads that have no solution, or several minima."""
    if np.isnan(arrays["pruned_accuracy"][row]).any():
        yield "some networks without heads could not be solved"
    minima = np.concatenate([arrays[name][row].ravel() for name in ("dropped_minima", "pruned_minima")])
    several = int((minima > 1).sum())
    if several:
        yield f"several minima of networks without heads, of which the least is taken: {several} of {len(minima)}"


def doubtful_posterior(arrays: Results, row: int) -> Iterator[str]:
    """An exact posterior of no, or of few draws, or of chains that disagree."""
    size, r_hat = arrays["effective_size"][row], arrays["r_hat"][row]
    case = f"N = {arrays['width'][row]:g}"
    if np.isnan(size):
        if np.isfinite(arrays["accuracy"][row]).any():
            yield f"no draws of the exact posterior: {case}"
    elif size < FEW_DRAWS or r_hat > LARGEST_R_HAT:
        yield f"the exact posterior is uncertain: {case}, {size:.0f} effective draws, R-hat {r_hat:.3f}"


def findings_of(arrays: Results) -> list[tuple[str, str]]:
    """Accuracies at the temperatures that the evidence chooses, and agreement with the trained network."""
    lines = []
    trained = arrays.get("trained_accuracy", np.array([]))
    known = trained[np.isfinite(trained)]
    if len(known):
        lines.append(("trained network", f"accuracy {known[0]:.3f} on unseen alphabets"))
    temperatures = arrays["temperature"]
    for row, width in enumerate(arrays["width"].tolist()):
        place, best = arrays["evidence_choice"][row], arrays["test_choice"][row]
        if place < 0:
            continue
        words = (
            f"accuracy {arrays['accuracy'][row, place]:.3f} at T = {temperatures[place]:g} (evidence), "
            f"{arrays['accuracy'][row, best]:.3f} at T = {temperatures[best]:g} (best in the test)"
        )
        if "overlap_correlation" in arrays and isfinite(width):
            words += f", correlation with trained paths {arrays['overlap_correlation'][row, place]:.3f}"
            words += f", of scores with drops {arrays['score_drop_correlation'][row, place]:.2f}"
        lines.append((f"N = {width:g}" if isfinite(width) else "N infinite", words))
    return lines or [("points", "none computed")]


def accuracy_table(arrays: Results) -> Table:
    """A row for every width and temperature, of all numbers that are one for each."""
    grid = arrays["accuracy"].shape
    numbers = [name for name in arrays if arrays[name].shape == grid and arrays[name].dtype.kind in "fi"]
    rows = (
        [*_case(arrays, row, place), *(arrays[name][row, place].item() for name in numbers)]
        for row, place in np.ndindex(grid)
    )
    return Table(["width", "temperature", *numbers], rows)


def head_table(arrays: Results) -> Table:
    """A row for every width, temperature and head."""
    at_each = ("head_score", "scaled_head_score", "silenced_accuracy")
    of_width = [name for name in ("dropped_accuracy", "trained_dropped_accuracy") if name in arrays]
    rows = (
        [
            *_case(arrays, row, place),
            *(arrays[name][head].item() for name in ("head_layer", "head")),
            *(arrays[name][row, place, head].item() for name in at_each),
            *(arrays[name][row, head].item() for name in of_width),
        ]
        for row, place, head in np.ndindex(arrays["head_score"].shape)
    )
    return Table(["width", "temperature", "layer", "head", *at_each, *of_width], rows)


def pruning_table(arrays: Results, point: int) -> Table:
    """A row for every order and number of heads that are dropped, at one width."""
    names = [name for name in ("pruned_accuracy", "trained_pruned_accuracy") if name in arrays]
    rows = (
        [
            arrays["pruning_order"][order].item(),
            dropped,
            *(arrays[name][point, order, dropped].item() for name in names),
        ]
        for order, dropped in np.ndindex(arrays["pruned_accuracy"].shape[1:])
    )
    return Table(["order", "dropped", *names], rows)


def _case(arrays: Results, row: int, place: int) -> tuple[float, float]:
    """Width and temperature."""
    return arrays["width"][row].item(), arrays["temperature"][place].item()
