"""Trajectory pages: what their panels show is what was recorded."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color

from mfattn.figures.meanfield.trajectory import DRAWN_FEATURES, GrowthTrace, Signals, draw_trajectory
from mfattn.figures.style import CYCLE, render
from mfattn.meanfield.signals import autocorrelation, power_spectrum

SPECTRA = ["power spectrum", "power spectrum (log)", "autocorrelation"]
GROWTH = ["accumulated growth", "running estimates", "spectrum"]


def orbit(steps, features):
    """A noisy rotation, every feature of its own size and phase."""
    phase = 0.4 * np.arange(steps)[:, np.newaxis] + np.arange(features)
    noise = np.random.default_rng(1).normal(0, 0.02, (2, steps, features))
    size = 0.5 / (1 + np.arange(features))
    return {
        "attention": 0.6 * size * np.sin(phase) + noise[0],
        "overlap_o_semantic": size * np.cos(phase) + noise[1],
    }


def draw(recorded, caption, growth=None):
    """The page, with the signals that belong to what was recorded."""
    overlap = recorded["overlap_o_semantic"][:, :DRAWN_FEATURES]
    return draw_trajectory(recorded, Signals(*power_spectrum(overlap), autocorrelation(overlap)), caption, growth)


def trace(exponents, bounds=(), points=16):
    """Growth along straight lines; BOUNDS are the indices, from 0, of upper bounds."""
    exponents = np.array(exponents, dtype=float)
    resolved = ~np.isin(np.arange(len(exponents)), bounds)
    steps = 500 * np.arange(1, points + 1)
    errors = np.where(resolved & np.isfinite(exponents), 0.004, np.nan)
    return GrowthTrace(steps, steps[:, np.newaxis] * exponents, exponents, errors, resolved)


def panels(figure):
    """Titled panels by their title without the letter."""
    return {axes.get_title(loc="left").partition(") ")[2]: axes for axes in figure.axes if axes.get_title(loc="left")}


def planes(features):
    return [f"plane ${symbol}_{{1}}$–${symbol}_{{{i}}}$" for symbol in ("m^o", "A") for i in range(2, features + 1)]


@pytest.mark.parametrize(("features", "drawn"), [(1, 1), (2, 2), (3, 3), (5, 3)])
@pytest.mark.parametrize("growth", [None, trace([0.1, -0.02, -1.5])])
def test_panels_are_lettered_in_their_order(features, drawn, growth):
    figure = draw(orbit(6000, features), "a caption", growth)
    expected = ["first 250 steps", "last 350 steps", "first 5,000 steps", *planes(drawn), *SPECTRA]
    expected += GROWTH if growth else []
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == [f"({letter}) {title}" for letter, title in zip("abcdefghijklm", expected, strict=False)]
    assert figure.texts[0].get_text() == "a caption"


def test_without_growth_the_page_is_shorter():
    recorded = orbit(400, 3)
    short, long = draw(recorded, "", None), draw(recorded, "", trace([0.1]))
    assert short.get_size_inches()[0] == long.get_size_inches()[0]
    assert short.get_size_inches()[1] < long.get_size_inches()[1] - 1.5


@pytest.mark.parametrize(
    ("steps", "windows"),
    [
        (1, {"all 1 steps": (0, 1)}),
        (250, {"all 250 steps": (0, 250)}),
        (300, {"first 250 steps": (0, 250), "all 300 steps": (0, 300)}),
        (600, {"first 250 steps": (0, 250), "last 350 steps": (250, 600), "all 600 steps": (0, 600)}),
        (6000, {"first 250 steps": (0, 250), "last 350 steps": (5650, 6000), "first 5,000 steps": (0, 5000)}),
    ],
)
def test_time_series_show_the_steps_that_their_titles_name(steps, windows):
    recorded = orbit(steps, 2)
    found = panels(draw(recorded, ""))
    assert list(found)[: len(windows)] == list(windows)
    assert list(found)[len(windows)].startswith("plane")
    for title, (start, stop) in windows.items():
        x, y = found[title].lines[0].get_data()
        assert np.array_equal(x, np.arange(start, stop))
        assert np.array_equal(y, recorded["overlap_o_semantic"][start:stop, 0])


def test_a_long_window_has_a_strip_a_feature():
    recorded = orbit(1000, 3)
    figure = draw(recorded, "")
    strips = figure.axes[2:5]
    for feature, axes in enumerate(strips):
        assert np.array_equal(axes.lines[0].get_ydata(), recorded["overlap_o_semantic"][:, feature])
        assert same_color(axes.lines[0].get_color(), CYCLE[feature])
        assert axes.get_ylabel() == f"$m^o_{{{feature + 1}}}$"
    assert [axes.get_xlabel() for axes in strips] == ["", "", "step $t$"]


@pytest.mark.parametrize(("features", "symbols"), [(1, ["1"]), (2, ["1", "2"]), (5, ["1", "2", "3"])])
def test_features_have_their_colours_in_every_panel_and_in_the_legend(features, symbols):
    figure = draw(orbit(300, features), "")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"$m^o_{{{symbol}}}$" for symbol in symbols]
    colours = CYCLE[: len(symbols)]
    assert [line.get_color() for line in legend.get_lines()] == list(colours)
    found = panels(figure)
    for title in ["first 250 steps", *SPECTRA]:
        assert {line.get_color() for line in found[title].lines} == set(colours), title


def test_labels_of_panels():
    found = panels(draw(orbit(300, 3), "", trace([0.1])))
    labels = {title: (axes.get_xlabel(), axes.get_ylabel()) for title, axes in found.items()}
    assert labels["first 250 steps"] == ("step $t$", "$m^o_{i}$")
    assert labels["plane $m^o_{1}$–$m^o_{3}$"] == ("$m^o_{1}$", "$m^o_{3}$")
    assert labels["plane $A_{1}$–$A_{2}$"] == ("$A_{1}$", "$A_{2}$")
    assert labels["power spectrum"] == labels["power spectrum (log)"] == ("frequency [1/step]", "$|F|^2/T$")
    assert labels["autocorrelation"] == (r"lag $\tau$ [steps]", r"$\rho_\tau$")
    assert labels["accumulated growth"] == ("step $t$", r"accumulated $\log R_{ii}$")
    assert labels["running estimates"] == ("step $t$", r"$\lambda_i$")
    assert labels["spectrum"] == ("index $i$", r"$\lambda_i$")
    assert panels(draw(orbit(300, 1), ""))["first 250 steps"].get_ylabel() == "$m^o_{1}$"


@pytest.mark.parametrize(
    ("title", "observable", "other"),
    [
        ("plane $m^o_{1}$–$m^o_{3}$", "overlap_o_semantic", 2),
        ("plane $A_{1}$–$A_{2}$", "attention", 1),
    ],
)
def test_planes_have_a_dot_at_every_step_and_none_elsewhere(title, observable, other):
    recorded = orbit(2000, 3)
    axes = panels(draw(recorded, ""))[title]
    dots = np.asarray(axes.collections[0].get_offsets())
    steps = recorded[observable][:, [0, other]]
    cell = np.ptp([axes.get_xlim(), axes.get_ylim()], axis=1) / 360
    apart = np.abs(steps[:, np.newaxis] - dots) / cell
    assert apart.max(axis=2).min(axis=1).max() < 0.5 + 1e-9
    assert apart.max(axis=2).min(axis=0).max() < 0.5 + 1e-9


def test_fuller_cells_of_a_plane_are_darker():
    cycle = np.repeat([[0.0, 0.0], [0.1, 0.2], [0.3, -0.1]], [1, 10, 100], axis=0)
    axes = panels(draw({"attention": cycle, "overlap_o_semantic": cycle}, ""))["plane $A_{1}$–$A_{2}$"]
    dots = axes.collections[0]
    assert np.asarray(dots.get_offsets()) == pytest.approx(np.array([[0.0, 0.0], [0.1, 0.2], [0.3, -0.1]]), abs=1e-3)
    shades = dots.to_rgba(dots.get_array())[:, 0]
    assert shades[0] > shades[1] > shades[2] == 0


def test_few_steps_are_drawn_as_black_dots():
    dots = panels(draw(orbit(20, 2), ""))["plane $A_{1}$–$A_{2}$"].collections[0]
    assert len(dots.get_offsets()) == 20
    assert not dots.to_rgba(dots.get_array())[:, :3].any()


@pytest.mark.parametrize("steps", [40, 5000])
def test_spectra_show_every_line(steps):
    recorded = orbit(steps, 3)
    recorded["overlap_o_semantic"][:, 1] += np.cos(np.pi * np.arange(steps))
    frequencies, power = power_spectrum(recorded["overlap_o_semantic"])
    found = panels(draw(recorded, ""))
    assert found["power spectrum"].get_yscale() == "linear"
    assert found["power spectrum (log)"].get_yscale() == "log"
    for title in ("power spectrum", "power spectrum (log)"):
        lines = {line.get_color(): line for line in found[title].lines}
        for feature in range(3):
            x, y = lines[CYCLE[feature]].get_data()
            highest = int(power[:, feature].argmax())
            assert y.max() == power[highest, feature]
            assert x[y.argmax()] == pytest.approx(frequencies[highest], abs=0.5 / 400)
        low, high = found[title].get_ylim()
        assert low < power.max() < high


def test_autocorrelations_go_to_lag_100_or_to_the_last():
    for steps, lags in ((40, 40), (500, 101)):
        recorded = orbit(steps, 2)
        lines = panels(draw(recorded, ""))["autocorrelation"].lines
        drawn = np.stack([line.get_ydata() for line in lines], axis=1)
        assert len(drawn) == lags
        assert np.array_equal(drawn, autocorrelation(recorded["overlap_o_semantic"]))


def test_a_constant_orbit_says_so_where_it_has_no_lines():
    constant = np.full((500, 3), 0.1)
    found = panels(draw({"attention": constant, "overlap_o_semantic": constant}, ""))
    for title in SPECTRA:
        assert [text.get_text() for text in found[title].texts] == ["constant"]
    assert not panels(draw(orbit(500, 3), ""))["autocorrelation"].texts


def test_traces_are_the_sums_and_the_sums_by_the_steps():
    growth = trace([0.1, -0.02, -3.0, -np.inf], bounds=[2])
    found = panels(draw(orbit(60, 2), "", growth))
    for title, expected in (
        ("accumulated growth", growth.sums),
        ("running estimates", growth.sums / growth.steps[:, np.newaxis]),
    ):
        zero, *lines = found[title].lines
        assert not np.any(zero.get_ydata())
        assert [line.get_linestyle() for line in lines] == ["-", "-", ":", "-"]
        for line, values in zip(lines, expected.T, strict=True):
            assert np.array_equal(line.get_xdata(), growth.steps)
            assert np.array_equal(line.get_ydata(), np.where(np.isfinite(values), values, np.nan), equal_nan=True)


def test_upper_bounds_do_not_stretch_the_sums():
    growth = trace([0.1, -0.02, -30.0], bounds=[2])
    low, high = panels(draw(orbit(60, 2), "", growth))["accumulated growth"].get_ylim()
    assert growth.sums[:, 2].min() < low < growth.sums[:, :2].min()
    assert growth.sums[:, :2].max() < high
    only = trace([-30.0], bounds=[0])
    assert panels(draw(orbit(60, 2), "", only))["accumulated growth"].get_ylim()[0] < only.sums.min()


def test_exponents_have_error_bars_and_upper_bounds_triangles():
    axes = panels(draw(orbit(60, 2), "", trace([0.1, -0.02, -3.0], bounds=[2])))["spectrum"]
    *resolved, bound = axes.collections
    bars, dots = resolved[::2], resolved[1::2]
    ends = [bar.get_segments()[0] for bar in bars]
    assert np.array(ends) == pytest.approx(np.array([[[1, 0.096], [1, 0.104]], [[2, -0.024], [2, -0.016]]]))
    assert [dot.get_offsets().tolist() for dot in dots] == [[[1, 0.1]], [[2, -0.02]]]
    assert bound.get_offsets().tolist() == [[3, -3.0]]
    heights = np.unique(bound.get_paths()[0].vertices, axis=0)[:, 1]
    assert sorted(heights) == pytest.approx([-0.5, 0.5, 0.5])
    assert bound.get_facecolor().size == 0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["upper bound"]


def test_exponents_without_errors_are_drawn_without_bars():
    growth = trace([0.1, -0.2])
    growth.errors[:] = np.nan
    axes = panels(draw(orbit(60, 2), "", growth))["spectrum"]
    assert [np.ptp(bar.get_segments()[0][:, 1]) for bar in axes.collections[::2]] == [0, 0]
    assert axes.get_legend() is None


@pytest.mark.parametrize(
    ("exponents", "indices"),
    [
        ([0.1, -np.inf], "2"),
        ([0.1, -np.inf, -np.inf, -np.inf], "2–4"),
        ([-np.inf, -1.0, -np.inf, -np.inf], "1, 3–4"),
        ([-np.inf] * 12, "1–12"),
    ],
)
def test_exponents_of_minus_infinity_are_noted_at_the_foot(exponents, indices):
    axes = panels(draw(orbit(60, 2), "", trace(exponents)))["spectrum"]
    (note,) = axes.texts
    assert note.get_text() == rf"$\lambda_i = -\infty$ for $i =$ {indices}"
    assert note.get_position()[1] < 0.1
    finite = [e for e in exponents if np.isfinite(e)]
    assert len(axes.collections) == 2 * len(finite)
    assert axes.get_ylim()[0] <= min([*finite, -0.01]) * 10


def test_growth_that_is_all_minus_infinity_leaves_no_panel_empty():
    found = panels(draw(orbit(60, 2), "", trace([-np.inf, -np.inf])))
    for title in ("accumulated growth", "running estimates"):
        assert [text.get_text() for text in found[title].texts] == [r"all $-\infty$"]


def test_estimates_and_exponents_share_a_scale_that_holds_them_all():
    growth = trace([0.2, 1e-6, -0.5, -25.0], bounds=[3])
    growth.sums[0] = 500 * np.array([0.9, 0.1, -0.5, -40.0])
    found = panels(draw(orbit(60, 2), "", growth))
    limits = found["running estimates"].get_ylim()
    assert limits == found["spectrum"].get_ylim()
    assert limits[0] < -40 < 0.9 < limits[1]
    assert [found[title].get_yscale() for title in GROWTH] == ["linear", "symlog", "symlog"]


@pytest.mark.parametrize("exponents", [1, 12, 96])
def test_any_number_of_exponents(exponents):
    growth = trace(np.linspace(0.1, -20, exponents), bounds=range(exponents // 2, exponents - 1))
    found = panels(draw(orbit(60, 2), "", growth))
    colours = [line.get_color() for line in found["running estimates"].lines[1:]]
    assert len(set(colours)) == exponents
    low, high = found["spectrum"].get_xlim()
    assert low < 1 <= exponents < high
    assert all(tick == round(tick) for tick in found["spectrum"].get_xticks())


@pytest.mark.parametrize("features", [1, 2, 3])
@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_no_text_leaves_the_page_or_covers_another(features, size):
    recorded = {name: size * array for name, array in orbit(6000, features).items()}
    caption = r"$M = 3$, $L = 4$, $\beta = 1.26451$, $\gamma = 220$, $\epsilon = 0.02$, 75,000 steps"
    figure = draw(recorded, caption, trace([0.1, -0.02, -3.0, -np.inf], bounds=[2]))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [figure.texts[0], *figure.legends[0].get_texts()]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, axes._left_title, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]
    assert len(boxes) > 50
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        # Two pixels are the margin around the letters.
        assert not any(box.padded(-2).overlaps(other.padded(-2)) for other in boxes[:number])


def test_the_same_page_has_the_same_bytes():
    def files():
        return render(draw(orbit(600, 3), "$M = 3$", trace([0.1, -3.0, -np.inf], bounds=[1])))

    first = files()
    assert first == files()
    assert first[".png"].startswith(b"\x89PNG")
    assert first[".pdf"].startswith(b"%PDF")


def test_files_stay_small():
    files = render(draw(orbit(75_000, 3), "", trace(np.linspace(0.1, -20, 96), points=64)))
    assert max(map(len, files.values())) < 2_000_000
