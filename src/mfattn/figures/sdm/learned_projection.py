"""Recall of images in a learned space and in others, the course of learning, and what is recalled of one image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogFormatter, MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, house_style, scientific

SPACE_STYLES = {
    "learned": (VERMILION, "o", "learned projection"),
    "random": (BLUE, "s", "random projection, untrained"),
    "pixels": (PURPLE, "v", "pixels"),
    "centred": (GREEN, "^", "centred pixels"),
    "whitened": (ORANGE, "D", "whitened principal components"),
}
"""Colour, marker and name of each space."""

MEMORY_STYLES = {
    "attention_trained": (VERMILION, "o", r"attention, as trained"),
    "attention_balls": (BLUE, "s", r"attention, $\beta$ of balls"),
    "attention_caps": (SKY, "^", r"attention, $\beta$ of caps"),
    "caps": (GREEN, "D", "caps"),
    "balls": (PURPLE, "v", "balls"),
}
"""Colour, marker and name of each memory of infinitely many neurons."""

FINITE_LINES = {"caps": "--", "balls": ":"}
"""Line of the memories of finitely many."""


def draw_projections(arrays: Mapping[str, NDArray[Any]], shown: int, learnt: bool, caption: str) -> Figure:
    """Mean cosine of what is recalled over the noise, a column for every radius, and losses below.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `radius` (P,), `flips` and `query_cosine` (F,), `space` (S,), `memory` (M,),
        `mean_cosine` and `cosine_deviation` (P, images, S, M, F), `loss` (P, E), `beta` (P, E + 1).
    shown : int
        Which images are shown.
    learnt : bool
        Whether the inverse temperature was learnt, and is drawn.
    caption : str
    """
    radii = list(dict.fromkeys(arrays["radius"].tolist()))
    width = max(2.5 * len(radii), 5.0) + 2.4
    with house_style():
        figure = Figure(figsize=(width, 7.6), layout="constrained")
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        recalls, courses = np.asarray(figure.subfigures(2, 1, height_ratios=(2.1, 1.0)))
        panels = recalls.subplots(2, len(radii), squeeze=False, sharex=True, sharey=True)
        for column, radius in enumerate(radii):
            _draw_recalls(panels[:, column], arrays, arrays["radius"] == radius, shown)
            panels[0, column].set_title(f"$d = {radius}$", loc="left")
        _label(recalls, panels, arrays["memory"][0])
        _draw_courses(courses, arrays, radii, learnt)
        return figure


def _draw_recalls(panels: Sequence[Axes], arrays: Mapping[str, NDArray[Any]], mine: NDArray[Any], shown: int) -> None:
    """Above, the first memory in every space; below, every memory in the learned space."""
    spaces, memories = panels
    cosine = _mean(arrays["mean_cosine"][mine, shown])
    flips = arrays["flips"]
    for number, space in enumerate(arrays["space"]):
        colour, marker, label = SPACE_STYLES[space]
        spaces.plot(flips, cosine[number, 0], color=colour, marker=marker, markersize=3, linewidth=1.1, label=label)
    deviation = _mean(arrays["cosine_deviation"][mine, shown])[0, 0]
    low, high = cosine[0, 0] - deviation, np.minimum(cosine[0, 0] + deviation, 1.0)
    spaces.fill_between(flips, low, high, color=SPACE_STYLES["learned"][0], alpha=0.15, linewidth=0)
    for number, memory in enumerate(arrays["memory"]):
        memories.plot(flips, cosine[0, number], **_style_of(memory, arrays["memory"]))
    for axes in panels:
        axes.plot(flips, arrays["query_cosine"], color="0.4", linewidth=0.8, linestyle=(0, (1, 1.5)), label="the query")


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the initialisations that are there; NaN if there is none."""
    there = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
    return there.mean(axis=0) if len(there) else np.full(values.shape[1:], np.nan)


def _style_of(memory: str, names: NDArray[np.str_]) -> dict[str, Any]:
    """How the line of a memory looks."""
    if memory in MEMORY_STYLES:
        colour, marker, label = MEMORY_STYLES[memory]
        return {"color": colour, "marker": marker, "markersize": 3, "linewidth": 1.1, "label": label}
    kind, neurons = memory.split("_")
    same = [name for name in names if name.startswith(f"{kind}_")]
    shade = colormaps["viridis"](0.9 * same.index(memory) / max(len(same) - 1, 1))
    label = f"{kind}, $r = {scientific(float(neurons), 3)}$"
    return {"color": shade, "linestyle": FINITE_LINES[kind], "linewidth": 1.1, "label": label}


def _label(figure: SubFigure, panels: NDArray[Any], first: str) -> None:
    """Axes and legends of the recalls."""
    titles = (f"{MEMORY_STYLES[first][2]}\n(band: standard deviation)", "in the learned space")
    for axes, title in zip(panels[:, -1], titles, strict=True):
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title=title, title_fontsize=8, alignment="left")
    figure.supylabel("cosine of the recalled and the true image", fontsize=10)
    figure.supxlabel("noise $k$ (flips; the query's cosine is $1 - 2k/n$)", fontsize=10)


def _draw_courses(figure: SubFigure, arrays: Mapping[str, NDArray[Any]], radii: Sequence[int], learnt: bool) -> None:
    """Loss, and where it is learnt the inverse temperature, over the epochs."""
    panels = figure.subplots(1, 2 if learnt else 1, squeeze=False)[0]
    colours = colormaps["viridis"](np.linspace(0, 0.88, len(radii)))
    names = {"loss": (r"loss $|x' - x|^2$", 1), "beta": (r"inverse temperature $\beta$", 0)}
    for axes, (name, (label, first)) in zip(panels, names.items(), strict=False):
        for radius, colour in zip(radii, colours, strict=True):
            for number, course in enumerate(arrays[name][arrays["radius"] == radius]):
                words = None if number else f"$d = {radius}$"
                axes.plot(np.arange(len(course)) + first, course, color=colour, linewidth=1.0, label=words)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        # A temperature may be learnt below 0.
        if np.nanmin(arrays[name], initial=np.inf) > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.0, 0.4)))
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def draw_examples(arrays: Mapping[str, NDArray[Any]], point: int, size: tuple[int, int], caption: str) -> Figure:
    """The query, and what every memory recalls in the learned space, in a row for every noise.

    Parameters
    ----------
    arrays : mapping
        Result of the experiment: `example_query` (P, F, n), `example_recalled` (P, M, F, n), `flips` (F,), `memory`.
    point : int
        Whose examples are shown.
    size : (int, int)
        Rows and columns of an image.
    caption : str
    """
    columns = [arrays["example_query"][point], *arrays["example_recalled"][point]]
    names = ["query", *(_style_of(memory, arrays["memory"])["label"] for memory in arrays["memory"])]
    with house_style():
        figure = Figure(figsize=(1.05 * len(columns) + 0.6, 1.05 * len(arrays["flips"]) + 0.9), layout="constrained")
        panels = figure.subplots(len(arrays["flips"]), len(columns), squeeze=False)
        for column, (name, images) in enumerate(zip(names, columns, strict=True)):
            panels[0, column].set_title(name.replace(", ", ",\n"), fontsize=8)
            for axes, image in zip(panels[:, column], images, strict=True):
                axes.imshow(image.reshape(size), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axes.set(xticks=[], yticks=[])
        for axes, flips in zip(panels[:, 0], arrays["flips"], strict=True):
            axes.set_ylabel(f"$k = {flips}$")
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        return figure
