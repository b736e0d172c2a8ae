"""Trajectories: a page of time series, planes, spectra and Lyapunov exponents of the orbit at one parameter point."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from mfattn.figures.style import CYCLE, FEATURE_SYMBOLS, feature_symbol, house_style

DRAWN_FEATURES = 3
"""The first so many features are drawn."""

FIRST_WINDOW, LAST_WINDOW, LONG_WINDOW = 250, 350, 5000
"""Steps of the time series: from the start of the record, up to its end, and from the start again."""

CELLS = 360
"""Cells of a plane in each direction, about the pixels of a saved figure."""

SPECTRUM_COLUMNS = 400
"""Frequencies of a drawn spectrum, each the highest of its neighbours, so that lines stand and noise is a curve."""

POWER_DECADES = 12
"""Depth of the logarithmic spectrum below its highest line."""

LINEAR_EXPONENTS = 0.01
"""Size up to which exponents are drawn on a linear scale, beyond on a logarithmic one."""

# Inches.
_WIDTH, _LEFT, _RIGHT, _HEAD, _FOOT = 7.2, 0.66, 0.14, 0.5, 0.42
_COLUMN_GAP, _ROW_GAP, _STRIP_GAP, _LABEL_OFFSET = 0.7, 0.6, 0.08, 0.45
_SERIES_HEIGHT, _STRIP_HEIGHT, _PLANE_SIZE, _GROWTH_HEIGHT = 0.9, 0.38, 1.7, 1.75

_INK = LinearSegmentedColormap.from_list("ink", [(0.75, 0.75, 0.75), (0.4, 0.4, 0.4), (0.0, 0.0, 0.0)])

_OVERLAP, _ATTENTION = "overlap_o_semantic", "attention"

_DASHES: tuple[Any, ...] = ("-", (0, (3, 3)), (0, (1, 5)))

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GrowthTrace:
    """Growth of tangent vectors along an orbit, and the exponents that it gives.

    `sums` holds the logarithm of the growth up to each of `steps`. An exponent that is not `resolved` is an upper
    bound. -inf is a value.
    """

    steps: NDArray[np.integer[Any]]  # (n,), from 1 on
    sums: Array  # (n, k)
    exponents: Array  # (k,)
    errors: Array  # (k,) standard errors, NaN where unknown
    resolved: NDArray[np.bool_]  # (k,)


@dataclass(frozen=True, eq=False)
class Signals:
    """Power spectrum and autocorrelation of the drawn features of the semantic overlap."""

    frequencies: Array  # (n,) in cycles per step
    power: Array  # (n, features) |F|^2 / T
    autocorrelation: Array  # (lags, features), NaN where the feature is constant


@dataclass(frozen=True)
class _Panel:
    """What is drawn at a place of a block, in inches from the block's upper left corner."""

    title: str
    left: float
    top: float
    width: float
    height: float
    draw: Callable[[Axes], None]


@dataclass(frozen=True)
class _Block:
    """Panels over the whole width of the page."""

    height: float
    panels: Sequence[_Panel]


def draw_trajectory(
    recorded: Mapping[str, Array], signals: Signals, caption: str, growth: GrowthTrace | None = None
) -> Figure:
    """Page with the views of the orbit at one parameter point.

    Time series, power spectrum and autocorrelation are those of the semantic overlap. Of a spectrum with more
    frequencies than columns, each column shows the highest. In the planes a cell is the darker the more steps fall in
    it, on a logarithmic scale. Exponents that are upper bounds are dotted, or triangles; errors are standard errors.

    Parameters
    ----------
    recorded : mapping
        Arrays 'attention' and 'overlap_o_semantic', (steps, M). The first three features are drawn; planes need two.
    signals : Signals
    caption : str
        Line above the panels.
    growth : GrowthTrace
        Without it the page ends above its panels.
    """
    overlap, attention = recorded[_OVERLAP][:, :DRAWN_FEATURES], recorded[_ATTENTION][:, :DRAWN_FEATURES]
    blocks = [_series_block(overlap), _attractor_block(overlap, attention, signals)]
    if growth is not None:
        blocks.append(_growth_block(growth))
    with house_style():
        figure = _make_page(blocks)
        _add_head(figure, caption, overlap.shape[1])
    return figure


def _make_page(blocks: Sequence[_Block]) -> Figure:
    """Panels placed by hand, which takes no trial drawing; those with a title are lettered in their order."""
    height = _HEAD + sum(block.height for block in blocks) + _ROW_GAP * (len(blocks) - 1) + _FOOT
    figure = Figure(figsize=(_WIDTH, height))
    letters, top = iter(ascii_lowercase), _HEAD
    for block in blocks:
        for panel in block.panels:
            bottom = height - top - panel.top - panel.height
            place = (panel.left / _WIDTH, bottom / height, panel.width / _WIDTH, panel.height / height)
            axes = figure.add_axes(place)
            if panel.title:
                axes.set_title(f"({next(letters)}) {panel.title}", loc="left", pad=4)
            axes.tick_params(labelsize=8, length=2.5, pad=2)
            axes.yaxis.set_label_coords(-_LABEL_OFFSET / panel.width, 0.5)
            panel.draw(axes)
        top += block.height + _ROW_GAP
    return figure


def _add_head(figure: Figure, caption: str, features: int) -> None:
    """Caption at the left, the features' colours at the right."""
    y = 1 - 0.1 / figure.get_size_inches()[1]
    figure.text(0.1 / _WIDTH, y, caption, va="top")
    symbols = [f"${feature_symbol(_OVERLAP, feature)}$" for feature in range(1, features + 1)]
    handles = [Line2D([], [], color=CYCLE[feature]) for feature in range(features)]
    place: dict[str, Any] = {"loc": "upper right", "bbox_to_anchor": (1 - _RIGHT / _WIDTH, y), "borderaxespad": 0.0}
    figure.legend(handles, symbols, ncols=features, borderpad=0.0, handlelength=1.2, columnspacing=1.2, **place)


def _columns(number: int, left: float = _LEFT) -> list[tuple[float, float]]:
    """Left ends and widths of equal columns from LEFT to the margin."""
    width = (_WIDTH - _RIGHT - left - _COLUMN_GAP * (number - 1)) / number
    return [(left + column * (width + _COLUMN_GAP), width) for column in range(number)]


def _short(value: float, _: float) -> str:
    """Tick label without trailing zeros, thousands as k and millions as M."""
    unit, suffix = (1e6, "M") if abs(value) >= 1e6 else (1e3, "k") if abs(value) >= 1e3 else (1.0, "")
    return f"{round(value / unit, 9):g}{suffix}".replace("-", "\N{MINUS SIGN}")


def _ticks(axes: Axes, across: int, up: int, *, counted: bool = False) -> None:
    """No more than so many intervals ACROSS, whole numbers where they are COUNTED, and UP."""
    for axis, intervals, integer in ((axes.xaxis, across, counted), (axes.yaxis, up, False)):
        fewest = 1 if integer else 2
        axis.set_major_locator(MaxNLocator(intervals, steps=[1, 2, 4, 5, 10], integer=integer, min_n_ticks=fewest))
        axis.set_major_formatter(_short)


def _span(values: Array) -> tuple[float, float]:
    """Limits of an axis of values, which may all be the same."""
    margin = max(0.06 * float(np.ptp(values)), 1e-3)
    return float(values.min()) - margin, float(values.max()) + margin


def _dots(number: int) -> dict[str, Any]:
    """Marks of a line of so few points that they count."""
    return {"marker": ".", "markersize": 4} if number <= 60 else {}


def _series_block(overlap: Array) -> _Block:
    """Both ends of the record on one time scale, above a long window; without those that would show nothing more."""
    steps, full = len(overlap), _WIDTH - _RIGHT - _LEFT
    if steps <= FIRST_WINDOW:
        return _Block(_SERIES_HEIGHT, [_series_panel(overlap, range(steps), _LEFT, full)])
    last = min(LAST_WINDOW, steps)
    scale = (full - _COLUMN_GAP) / (FIRST_WINDOW + last)
    panels = [
        _series_panel(overlap, range(FIRST_WINDOW), _LEFT, FIRST_WINDOW * scale),
        _series_panel(overlap, range(steps - last, steps), _WIDTH - _RIGHT - last * scale, last * scale),
    ]
    if steps == last:
        return _Block(_SERIES_HEIGHT, panels)
    strips = _strips(overlap, range(min(LONG_WINDOW, steps)))
    return _Block(strips[-1].top + _STRIP_HEIGHT, [*panels, *strips])


def _window_title(window: range, steps: int) -> str:
    end = "all" if len(window) == steps else "first" if window.start == 0 else "last"
    return f"{end} {len(window):,} steps"


def _series_panel(overlap: Array, window: range, left: float, width: float) -> _Panel:
    draw = partial(_draw_series, overlap=overlap, window=window)
    return _Panel(_window_title(window, len(overlap)), left, 0.0, width, _SERIES_HEIGHT, draw)


def _strips(overlap: Array, window: range) -> list[_Panel]:
    """A panel a feature, one above the other: in a long window they would cover each other."""
    features, first = overlap.shape[1], _SERIES_HEIGHT + _ROW_GAP
    titles = [_window_title(window, len(overlap)), *[""] * (features - 1)]
    return [
        _Panel(
            titles[feature],
            _LEFT,
            first + feature * (_STRIP_HEIGHT + _STRIP_GAP),
            _WIDTH - _RIGHT - _LEFT,
            _STRIP_HEIGHT,
            partial(_draw_strip, overlap=overlap, window=window, feature=feature),
        )
        for feature in range(features)
    ]


def _draw_series(axes: Axes, overlap: Array, window: range) -> None:
    for feature, values in enumerate(overlap[window.start : window.stop].T):
        axes.plot(window, values, color=CYCLE[feature], linewidth=0.8, **_dots(len(window)))
    _ticks(axes, 5, 3, counted=True)
    _label_steps(axes, window)
    axes.set_ylim(_span(overlap))
    axes.set_ylabel(_symbol(_OVERLAP, overlap))


def _draw_strip(axes: Axes, overlap: Array, window: range, feature: int) -> None:
    values = overlap[window.start : window.stop, feature]
    width = float(np.clip(1250 / len(window), 0.25, 0.8))
    axes.plot(window, values, color=CYCLE[feature], linewidth=width, rasterized=True)
    _ticks(axes, 10, 2, counted=True)
    _label_steps(axes, window)
    axes.set_ylim(_span(values))
    axes.set_ylabel(f"${feature_symbol(_OVERLAP, feature + 1)}$")
    if feature < overlap.shape[1] - 1:
        axes.tick_params(labelbottom=False)
        axes.set_xlabel("")


def _label_steps(axes: Axes, window: range) -> None:
    axes.set_xlim(window.start - 0.5, window.stop - 0.5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("step $t$", labelpad=1)


def _symbol(observable: str, values: Array) -> str:
    """Symbol of the observable's only feature, or of any."""
    return f"${FEATURE_SYMBOLS[observable] % ('1' if values.shape[1] == 1 else 'i')}$"


def _attractor_block(overlap: Array, attention: Array, signals: Signals) -> _Block:
    """Planes at the left, a row an observable; spectra and autocorrelation beside them."""
    planes = overlap.shape[1] - 1
    rows = [(_OVERLAP, overlap), (_ATTENTION, attention)]
    panels = [
        _plane_panel(name, values, other, row)
        for row, (name, values) in enumerate(rows)
        for other in range(1, planes + 1)
    ]
    draws = [
        ("power spectrum", partial(_draw_power, signals=signals, logarithmic=False)),
        ("power spectrum (log)", partial(_draw_power, signals=signals, logarithmic=True)),
        ("autocorrelation", partial(_draw_autocorrelation, correlations=signals.autocorrelation)),
    ]
    total = 2 * _PLANE_SIZE + _ROW_GAP
    height = (total - 2 * _ROW_GAP) / 3
    left, width = _columns(1, _LEFT + planes * (_PLANE_SIZE + _COLUMN_GAP))[0]
    for row, (title, draw) in enumerate(draws):
        panels.append(_Panel(title, left, row * (height + _ROW_GAP), width, height, draw))
    return _Block(total, panels)


def _plane_panel(observable: str, values: Array, other: int, row: int) -> _Panel:
    """The plane of the first feature and an OTHER one."""
    labels = [f"${feature_symbol(observable, feature)}$" for feature in (1, other + 1)]
    left, top = _LEFT + (other - 1) * (_PLANE_SIZE + _COLUMN_GAP), row * (_PLANE_SIZE + _ROW_GAP)
    draw = partial(_draw_plane, x=values[:, 0], y=values[:, other], labels=labels)
    return _Panel(f"plane {labels[0]}\N{EN DASH}{labels[1]}", left, top, _PLANE_SIZE, _PLANE_SIZE, draw)


def _draw_plane(axes: Axes, x: Array, y: Array, labels: Sequence[str]) -> None:
    """Occupied cells, the fuller the darker; where they are few they are drawn larger, so that a cycle is seen."""
    limits = _span(x), _span(y)
    counts, *edges = np.histogram2d(x, y, bins=CELLS, range=limits)
    centres = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    occupied = np.nonzero(counts)
    shades = counts[occupied]
    darker_last = np.argsort(shades, kind="stable")
    black = np.percentile(shades, 99)
    norm = LogNorm(min(1.0, black / 10), black, clip=True)
    size = np.clip(2000 / len(shades), 0.25, 12.0)
    across, up = (centre[index[darker_last]] for centre, index in zip(centres, occupied, strict=True))
    axes.scatter(across, up, s=size, c=shades[darker_last], cmap=_INK, norm=norm, linewidths=0, rasterized=True)
    _ticks(axes, 3, 4)
    axes.set(xlim=limits[0], ylim=limits[1], ylabel=labels[1])
    axes.set_xlabel(labels[0], labelpad=1)


def _draw_power(axes: Axes, signals: Signals, logarithmic: bool) -> None:
    """Power at all frequencies but 0, weaker features over stronger ones."""
    _ticks(axes, 6, 3)
    axes.set_xlim(-0.005, 0.505)
    axes.set_xlabel("frequency [1/step]", labelpad=1)
    axes.set_ylabel("$|F|^2/T$")
    frequencies, power = signals.frequencies, signals.power
    if not power.any():
        _note(axes, "constant")
        return
    starts = np.unique(np.linspace(1, len(power), SPECTRUM_COLUMNS, endpoint=False, dtype=int))
    ends = np.append(starts[1:], len(power)) - 1
    middle, highest = (frequencies[starts] + frequencies[ends]) / 2, np.maximum.reduceat(power, starts)
    for feature in np.argsort(-highest.sum(axis=0)):
        axes.plot(middle, highest[:, feature], color=CYCLE[feature], linewidth=0.7, **_dots(len(middle)))
    axes.set_ylim(-0.05 * highest.max(), 1.05 * highest.max())
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(max(highest.max() * 10.0**-POWER_DECADES, highest.min() / 3), highest.max() * 3)


def _draw_autocorrelation(axes: Axes, correlations: Array) -> None:
    """Dashed lines over solid ones, since the features often have the same."""
    for feature, values in enumerate(correlations.T):
        axes.plot(values, color=CYCLE[feature], linewidth=1.2, linestyle=_DASHES[feature], **_dots(len(values)))
    _ticks(axes, 5, 3)
    axes.set(xlim=(0, max(len(correlations) - 1, 1)), ylim=(-1.1, 1.1), ylabel=r"$\rho_\tau$")
    axes.set_xlabel(r"lag $\tau$ [steps]", labelpad=1)
    if np.isnan(correlations).all():
        _note(axes, "constant")


def _note(axes: Axes, text: str) -> None:
    """In place of lines, which there are none of."""
    axes.text(0.5, 0.75, text, transform=axes.transAxes, ha="center", va="center", fontsize=8)


def _growth_block(growth: GrowthTrace) -> _Block:
    draws = [("accumulated growth", _draw_sums), ("running estimates", _draw_estimates), ("spectrum", _draw_exponents)]
    panels = [
        _Panel(title, left, 0.0, width, _GROWTH_HEIGHT, partial(draw, growth=growth))
        for (left, width), (title, draw) in zip(_columns(3), draws, strict=True)
    ]
    return _Block(_GROWTH_HEIGHT, panels)


def _draw_sums(axes: Axes, growth: GrowthTrace) -> None:
    """Upper bounds leave the panel where they fall below all others."""
    _draw_traces(axes, growth, growth.sums)
    finite = np.isfinite(growth.exponents)
    shown = finite & growth.resolved if (finite & growth.resolved).any() else finite
    axes.set_ylim(_span(np.append(growth.sums[:, shown], [-1.0, 1.0])))
    _ticks(axes, 4, 5, counted=True)
    axes.set_ylabel(r"accumulated $\log R_{ii}$")


def _draw_estimates(axes: Axes, growth: GrowthTrace) -> None:
    _draw_traces(axes, growth, growth.sums / growth.steps[:, np.newaxis])
    _ticks(axes, 4, 5, counted=True)
    _scale_exponents(axes, growth)


def _draw_traces(axes: Axes, growth: GrowthTrace, values: Array) -> None:
    axes.axhline(0, color="0.7", linewidth=0.6)
    for index, colour in enumerate(_index_colours(growth)):
        style = "-" if growth.resolved[index] else ":"
        line = np.where(np.isfinite(values[:, index]), values[:, index], np.nan)
        axes.plot(growth.steps, line, color=colour, linewidth=0.9, linestyle=style, **_dots(2 * len(line)))
    if not np.isfinite(values).any():
        _note(axes, r"all $-\infty$")
    axes.set_xlim(0, 1.02 * growth.steps[-1])
    axes.set_xlabel("step $t$", labelpad=1)


def _draw_exponents(axes: Axes, growth: GrowthTrace) -> None:
    index = np.arange(1, len(growth.exponents) + 1)
    size = float(np.clip(250 / len(index), 4, 14))
    axes.axhline(0, color="0.7", linewidth=0.6)
    bounds = np.isfinite(growth.exponents) & ~growth.resolved
    for i, colour, exponent, error, bound in zip(
        index, _index_colours(growth), growth.exponents, np.nan_to_num(growth.errors), bounds, strict=True
    ):
        if bound:
            axes.scatter(i, exponent, s=1.5 * size, marker="v", facecolors="none", edgecolors=colour)
        elif np.isfinite(exponent):
            axes.vlines(i, exponent - error, exponent + error, colors=colour, linewidth=1.0)
            axes.scatter(i, exponent, s=size, color=colour, linewidths=0)
    _ticks(axes, 6, 5, counted=True)
    axes.set_xlim(0.2, len(index) + 0.8)
    axes.set_xlabel("index $i$", labelpad=1)
    _scale_exponents(axes, growth)
    if bounds.any():
        handle = Line2D([], [], color="0.3", linestyle=":", marker="v", markerfacecolor="none", markersize=4)
        axes.legend([handle], ["upper bound"], loc="best")
    forgotten = index[np.isneginf(growth.exponents)]
    if forgotten.size:
        text = rf"$\lambda_i = -\infty$ for $i =$ {_ranges(forgotten)}"
        axes.text(0.04, 0.04, text, transform=axes.transAxes, fontsize=8)


def _index_colours(growth: GrowthTrace) -> list[str]:
    return [to_hex(colour) for colour in mpl.colormaps["viridis"](np.linspace(0, 0.88, len(growth.exponents)))]


def _scale_exponents(axes: Axes, growth: GrowthTrace) -> None:
    """Linear around 0 and logarithmic beyond; the same for the estimates and what they become."""
    estimates = growth.sums / growth.steps[:, np.newaxis]
    values = np.concatenate([estimates.ravel(), growth.exponents])
    values = values[np.isfinite(values)]
    low, high = min(values.min(initial=0.0), -LINEAR_EXPONENTS), max(values.max(initial=0.0), LINEAR_EXPONENTS)
    axes.set_yscale("symlog", linthresh=LINEAR_EXPONENTS)
    # Below, with room for the note on what is no number.
    axes.set_ylim(low * (10 if np.isneginf(growth.exponents).any() else 2), 2 * high)
    decades = LINEAR_EXPONENTS * 10.0 ** np.arange(20)
    axes.yaxis.set_major_locator(FixedLocator([*-decades[::-1], 0.0, *decades]))
    axes.yaxis.set_major_formatter(_short)
    axes.set_ylabel(r"$\lambda_i$")


def _ranges(numbers: NDArray[np.int64]) -> str:
    """'1, 3–5' of 1, 3, 4, 5."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}\N{EN DASH}{run[-1]}" for run in runs)
