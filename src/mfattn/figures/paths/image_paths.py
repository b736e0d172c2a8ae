"""One-shot images: accuracies, components of the kernel, order parameters, scores of heads, and curves of pruning."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.paths.labels import draw_order_parameter, largest_size, width_axis
from mfattn.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, grouped, house_style

Arrays = Mapping[str, NDArray[Any]]

THEORY: dict[str, Any] = {"color": VERMILION, "marker": "x", "markersize": 5, "linewidth": 1.2}
EXACT: dict[str, Any] = {"color": "0.1", "marker": "o", "markersize": 4, "linestyle": ""}
LIMIT: dict[str, Any] = {"color": BLUE, "linestyle": "--", "linewidth": 1.1}
TRAINED: dict[str, Any] = {"color": "0.35", "linestyle": ":", "linewidth": 1.2}

ABOVE: dict[str, Any] = {"fontsize": 7, "loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 2}
"""Of legends that no panel has room for."""

CHANCE: dict[str, Any] = {"color": "0.8", "linewidth": 0.8, "zorder": 0}

LEAST_RANGE = 0.05
"""Of an axis of accuracies."""

ORDERS = {"score": VERMILION, "magnitude": GREEN, "random": "0.55"}
"""Colours of the orders in which heads are dropped."""

WORDS = {"score": "lowest score first", "magnitude": "smallest values first", "random": "random, mean and range"}


def draw_images(arrays: Arrays, row: int, exact: int | None, pruned: int | None, caption: str) -> Figure:
    """Three rows of panels; those of which nothing is in the result are left out.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment.
    row : int
        Point whose components and scores are drawn, and whose order parameter, if there is no exact one.
    exact : int or None
        Point with the exact posterior.
    pruned : int or None
        Point whose heads are dropped.
    caption : str
    """
    with house_style():
        figure = Figure(figsize=(11.2, 10.4 if pruned is not None else 9.6), layout="constrained")
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        above, middle, below = np.asarray(figure.subfigures(3, 1, height_ratios=(1.0, 1.05, 1.0), hspace=0.03))
        _draw_accuracies(above, arrays, row)
        _draw_orders(middle, arrays, row if exact is None else exact, exact is not None)
        _draw_heads(below, arrays, row if pruned is None else pruned, pruned is not None)
        return figure


def _chosen(arrays: Arrays, name: str, choice: str = "evidence_choice") -> NDArray[np.float64]:
    """Values (points, ...) at the temperatures of a choice; NaN where there is none."""
    places = arrays[choice]
    values = np.array(arrays[name][np.arange(len(places)), np.maximum(places, 0)], dtype=float)
    values[places < 0] = np.nan
    return values


def _draw_accuracies(figure: SubFigure, arrays: Arrays, row: int) -> None:
    """Accuracy over the width on unseen alphabets, and on images of other kinds; overlaps of components."""
    tests = arrays.get("transfer", np.array([]))
    panels = figure.subplots(1, 3 if len(tests) else 2)
    _draw_accuracy(panels[0], arrays)
    if len(tests):
        _draw_transfer(panels[1], arrays)
    _draw_components(panels[-1], arrays, row)


def _draw_accuracy(axes: Axes, arrays: Arrays) -> None:
    """Of the mean predictor at two choices of the temperature, of one network, and of the trained one."""
    finite = np.isfinite(arrays["width"])
    widths = arrays["width"][finite]
    if "trained_accuracy" in arrays:
        axes.axhline(_first(arrays["trained_accuracy"]), **TRAINED, label="gradient descent")
    curves: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        (
            "accuracy",
            "test_choice",
            {"color": ORANGE, "marker": "^", "markersize": 4, "linewidth": 0.9},
            "theory, best $T$ of the test",
        ),
        (
            "sampled_accuracy",
            "evidence_choice",
            {"color": SKY, "marker": "s", "markersize": 3},
            "one network, $T$ by evidence",
        ),
        ("accuracy", "evidence_choice", THEORY, "theory, $T$ by evidence"),
    )
    for name, choice, style, label in curves:
        axes.plot(widths, _chosen(arrays, name, choice)[finite], **style, label=label)
    axes.axhline(_chosen(arrays, "accuracy")[~finite][0], **LIMIT, label=r"$N \to \infty$, $T$ by evidence")
    if "exact_accuracy" in arrays:
        axes.plot(widths, arrays["exact_accuracy"][finite], **EXACT, label="exact posterior")
    axes.set_ylabel("accuracy on unseen alphabets")
    _widened(axes)
    width_axis(axes, widths)
    axes.legend(fontsize=7)


def _draw_transfer(axes: Axes, arrays: Arrays) -> None:
    """Of the mean predictor on images of other kinds: theory, infinite width (dashed), and gradient descent (dots)."""
    finite = np.isfinite(arrays["width"])
    widths, accuracy = arrays["width"][finite], _chosen(arrays, "transfer_accuracy")
    colours = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
    for number, (name, colour) in enumerate(zip(arrays["transfer"], colours, strict=False)):
        axes.plot(widths, accuracy[finite, number], color=colour, marker="x", markersize=5, linewidth=1.2, label=name)
        axes.axhline(accuracy[~finite, number][0], color=colour, linestyle="--", linewidth=1.0)
        if "trained_transfer_accuracy" in arrays:
            trained = _first(arrays["trained_transfer_accuracy"][:, number])
            axes.axhline(trained, color=colour, linestyle=":", linewidth=1.2)
    axes.axhline(0.5, **CHANCE)
    axes.plot([], [], color="0.4", linestyle="--", linewidth=1.0, label=r"$N \to \infty$")
    if "trained_transfer_accuracy" in arrays:
        axes.plot([], [], color="0.4", linestyle=":", linewidth=1.2, label="gradient descent")
    axes.set_ylabel("accuracy on other images")
    _widened(axes)
    width_axis(axes, widths)
    axes.legend(fontsize=7)


def _draw_components(axes: Axes, arrays: Arrays, row: int) -> None:
    """Overlaps of the labels with the principal components of two kernels."""
    overlaps = _chosen(arrays, "label_overlap")
    style: dict[str, Any] = {"markersize": 3, "linewidth": 0.9}
    axes.plot(arrays["component"], overlaps[-1], color=BLUE, marker="s", **style, label=r"$N \to \infty$")
    label = f"$N = {_width(arrays, row)}$"
    axes.plot(arrays["component"], overlaps[row], color=VERMILION, marker="x", **style, label=label)
    axes.set(xlabel="principal component of the kernel", ylabel=r"overlap with the labels $|v_k \cdot Y| / |Y|$")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def _draw_orders(figure: SubFigure, arrays: Arrays, row: int, exact: bool) -> None:
    """The order parameter by theory and exactly, on one scale, and the overlaps of the paths of the trained network."""
    width = f"$N = {_width(arrays, row)}$"
    orders = {f"theory, {width}{_temperature(arrays, row)}": _chosen(arrays, "order_parameter")[row]}
    if exact:
        orders[f"exact posterior, {width}"] = arrays["exact_order_parameter"][row]
    limits = [largest_size(*orders.values())] * len(orders)
    if "trained_overlap" in arrays:
        present = np.isfinite(arrays["trained_overlap"][:, 0, 0]).argmax()
        orders["gradient descent, in units of its own"] = arrays["trained_overlap"][present]
        limits.append(largest_size(arrays["trained_overlap"][present]))
    # One map alone would be larger than the panels around it.
    panels = figure.subplots(1, max(len(orders), 2))
    names = [f"({','.join(path)})" if path.isdigit() else path for path in arrays["path"].tolist()]
    for axes, (title, order), limit in zip(panels, orders.items(), limits, strict=False):
        image = draw_order_parameter(axes, order, limit, names)
        axes.tick_params(labelsize=6)
        axes.set_title(title, loc="left")
        figure.colorbar(image, ax=axes, shrink=0.75, aspect=18, pad=0.02)
    for axes in panels[len(orders) :]:
        axes.axis("off")
    panels[0].set_ylabel(r"order parameter $U^{\pi\pi'}$, paths by heads")


def _draw_heads(figure: SubFigure, arrays: Arrays, row: int, pruned: bool) -> None:
    """Scores of heads beside what they are worth, and accuracies of networks that lose them."""
    several = "trained_pruned_accuracy" in arrays
    panels = figure.subplots(1, (3 if several else 2) if pruned else 1, squeeze=False)[0]
    _draw_scores(panels[0], arrays, row, pruned)
    if pruned:
        _draw_curves(panels[1], arrays, row, "pruned_accuracy", "accuracy, theory solved anew")
    if pruned and several:
        _draw_curves(panels[2], arrays, row, "trained_pruned_accuracy", "accuracy, gradient descent")


def _draw_scores(axes: Axes, arrays: Arrays, row: int, pruned: bool) -> None:
    """Bars for every head, in the order of the scores: its score, and accuracy that is lost without it."""
    score = _chosen(arrays, "head_score")[row]
    whole = _chosen(arrays, "accuracy")[row]
    losses = {"silenced in theory": (whole - _chosen(arrays, "silenced_accuracy")[row], SKY)}
    if pruned:
        losses["solved anew without it"] = (whole - arrays["dropped_accuracy"][row], GREEN)
    if "trained_dropped_accuracy" in arrays:
        loss = arrays["trained_accuracy"][row] - arrays["trained_dropped_accuracy"][row]
        losses["dropped, gradient descent"] = (loss, "0.35")
    shown = np.argsort(score, kind="stable")
    places, width = np.arange(len(score)), 0.8 / (len(losses) + 1)
    axes.bar(places - 0.4 + width / 2, score[shown], width, color=VERMILION, label="score")
    beside = axes.twinx()
    for number, (label, (loss, colour)) in enumerate(losses.items(), start=1):
        beside.bar(places - 0.4 + width * (number + 0.5), 100 * loss[shown], width, color=colour, label=label)
    names = [f"{layer}.{head}" for layer, head in zip(arrays["head_layer"], arrays["head"], strict=True)]
    axes.set_xticks(places, [names[place] for place in shown])
    axes.set(xlabel=f"layer.head, $N = {_width(arrays, row)}${_temperature(arrays, row)}", ylabel="score of the head")
    beside.set_ylabel("lost accuracy (points)")
    # Both axes have their zero in one place.
    lost = np.nan_to_num(np.concatenate([[0.0], *(100 * loss for loss, _ in losses.values())]))
    most = 1.05 * max(lost.max(), 1.0)
    beside.set_ylim(lost.min(), most)
    axes.set_ylim(1.05 * lost.min() / most, 1.05)
    handles = [*axes.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
    beside.legend(handles=handles, **ABOVE)


def _draw_curves(axes: Axes, arrays: Arrays, row: int, name: str, label: str) -> None:
    """Accuracy over the number of dropped heads, for every order; of random ones the mean and the range."""
    values = arrays[name][row]
    kinds = np.array([order.split()[0] for order in arrays["pruning_order"]])
    dropped = np.arange(values.shape[1])
    for kind, colour in ORDERS.items():
        some = values[kinds == kind]
        if not len(some):
            continue
        if kind == "random":
            axes.fill_between(dropped, some.min(axis=0), some.max(axis=0), color=colour, alpha=0.25, linewidth=0)
        marker = {"score": "x", "magnitude": "s", "random": "o"}[kind]
        axes.plot(
            dropped, some.mean(axis=0), color=colour, marker=marker, markersize=4, linewidth=1.2, label=WORDS[kind]
        )
    axes.axhline(0.5, **CHANCE)
    axes.set(xlabel="dropped heads", ylabel=label)
    _widened(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(**ABOVE)


def _widened(axes: Axes) -> None:
    """Accuracies that hardly differ look so."""
    low, high = axes.get_ylim()
    room = max(LEAST_RANGE - (high - low), 0.0) / 2
    axes.set_ylim(low - room, high + room)


def _first(values: NDArray[Any]) -> float:
    """The first number that is there."""
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else float("nan")


def _width(arrays: Arrays, row: int) -> str:
    return grouped(round(arrays["width"][row]))


def _temperature(arrays: Arrays, row: int) -> str:
    """The temperature of the evidence, as a part of a label."""
    place = arrays["evidence_choice"][row]
    return "" if place < 0 else f", $T = {arrays['temperature'][place]:g}$"
