"""Bifurcation diagrams of finite networks beside that of the mean field."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mfattn.experiments.limits import size_mistakes
from mfattn.experiments.meanfield.base import StartedExperiment
from mfattn.experiments.meanfield.config import StartedConfig
from mfattn.experiments.meanfield.diagram import DEFAULT_FEATURES, DiagramConfig, DiagramExperiment, diagram_table
from mfattn.experiments.meanfield.network_config import NetworkConfig, network_mistakes, network_start
from mfattn.experiments.meanfield.stepping import lanes_of, mover, network_step_seconds
from mfattn.meanfield import FiniteNetwork
from mfattn.pipeline.experiment import Advance, ArrayLayout, Arrays, Table
from mfattn.pipeline.yaml_text import KeyPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORKS_TOGETHER = 64
"""Networks that are observed at once."""

KINDS = ("raster", "outside", "mean", "variance", "minimum", "maximum")
"""What is kept of the networks; the zero plane is one of the mean field."""


class FiniteSizeBifurcationConfig(DiagramConfig, StartedConfig):
    """Bifurcation diagrams of networks beside the mean field's."""

    experiment: Literal["finite_size_bifurcation"] = Field(description="This kind of run.")
    network: NetworkConfig = Field(description="Finite networks beside the mean field.")

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What does not fit together."""
        yield from super().mistakes()
        yield from network_mistakes(self.network, self.model)
        if self.steps.transient == "auto":
            yield ("steps", "transient"), "a number of steps: networks never settle, found 'auto'"
        layout = self.network_layout(self.sweep.count)
        yield from size_mistakes(("network", "bits"), layout, "fewer sizes, values, features or bins")

    def network_layout(self, points: int) -> dict[str, ArrayLayout]:
        """Arrays of the networks at a number of points: an axis of sizes after that of the points."""
        counts = np.dtype(np.min_scalar_type(self.steps.record * self.network.replicas))
        layout = {}
        for name, (shape, dtype) in self.layout(points).items():
            kind = name.split("_")[0]
            if kind in KINDS and name.removeprefix(f"{kind}_") in self.observe.observables:
                whole = counts if kind in ("raster", "outside") else dtype
                layout[f"network_{name}"] = ArrayLayout((points, len(self.network.bits), *shape[1:]), whole)
        return layout


class FiniteSizeBifurcation(
    StartedExperiment[FiniteSizeBifurcationConfig], DiagramExperiment[FiniteSizeBifurcationConfig]
):
    """The experiment of finite-size bifurcation diagrams; see `mfattn.pipeline.experiment.Experiment`."""

    numeric_sections = ("start", "sweep", "steps", "lyapunov", "network")

    @property
    def block_size(self) -> int:
        """Fewer points than without networks, which take longer and hold rasters of their own."""
        return max(1, super().block_size // (len(self.config.network.bits) + 1))

    @property
    def _network_steps(self) -> int:
        """Steps of all networks of a point."""
        network, steps = self.config.network, self.config.steps
        return len(network.bits) * network.replicas * (steps.longest + steps.record)

    @property
    def steps_per_point(self) -> int:
        """Steps of the mean field and of all networks."""
        return super().steps_per_point + self._network_steps

    def estimate(self) -> float:
        """Rough core-seconds; a recorded step of a network costs little more than a transient one."""
        seconds = network_step_seconds(self._weights)
        return super().estimate() + lanes_of(self.points) * self._network_steps * seconds

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid, steps and networks."""
        return [*super().describe(), ("networks", self.config.network.describe(self._weights))]

    def layout(self, points: range) -> dict[str, ArrayLayout]:
        """Arrays of the mean field, and of the networks."""
        return super().layout(points) | self.config.network_layout(len(points))

    def constants(self) -> Arrays:
        """Those of the diagram, and the sizes."""
        return {**super().constants(), "size": np.array(self.config.network.bits, dtype=np.int64)}

    def compute(self, points: range, advance: Advance) -> Arrays:
        """The mean field's arrays, and those of the networks of each size in turn."""
        arrays = super().compute(points, advance)
        by_size = [self._observe_networks(points, bits, advance) for bits in self.config.network.bits]
        layout = self.config.network_layout(len(points))
        for name, (_, dtype) in layout.items():
            own = name.removeprefix("network_")
            arrays[name] = np.stack([observed[own] for observed in by_size], axis=1).astype(dtype, copy=False)
        return arrays

    def _observe_networks(self, points: range, bits: int, advance: Advance) -> Arrays:
        """What the replicas of one size visit, together; they are run in groups that bound the memory."""
        replicas = self.config.network.replicas
        group = max(1, NETWORKS_TOGETHER // len(points))
        pool = Pool()
        for first in range(0, replicas, group):
            numbers = range(first, min(first + group, replicas))
            observed = self._observe(self._past_transient(points, bits, numbers, advance), advance)
            for number in range(len(numbers)):
                pool.add({name: array[number :: len(numbers)] for name, array in observed.items()})
        return pool.result()

    def _past_transient(self, points: range, bits: int, numbers: range, advance: Advance) -> FiniteNetwork:
        """Some of the replicas at every point, past the transient."""
        config, index = self.config, np.repeat(np.array(points), len(numbers))
        starts = {e: network_start(config.start, self._weights, e) for e in set(self._grid.epsilon[index].tolist())}
        networks = FiniteNetwork(
            self._weights,
            bits=bits,
            beta=self._grid.beta[index],
            gamma=self._grid.gamma[index],
            epsilon=self._grid.epsilon[index],
            starts=[starts[epsilon] for epsilon in self._grid.epsilon[index].tolist()],
            streams=config.network.streams([(int(point), bits, number) for point in points for number in numbers]),
            output_scale=config.model.output_scale,
        )
        mover(advance, self._weights)(networks, config.steps.longest)
        return networks

    def warnings(self, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
        """Those of the mean field, and what of the networks lies outside the rasters."""
        config, found = self.config, super().warnings(arrays)
        values = self._network_values
        for name in config.observe.observables:
            outside = int(arrays[f"network_outside_{name}"].sum(dtype=np.int64))
            if outside:
                found.append(
                    f"{outside / values:.2%} of the networks' values of {name} lie outside observe.raster.range"
                )
        return found

    @property
    def _network_values(self) -> int:
        """Recorded values of an observable of all networks."""
        config = self.config
        networks = self.points * len(config.network.bits) * config.network.replicas
        return networks * config.steps.record * len(config.features)

    def tables(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Table]:
        """Those of the mean field, and the networks' diagram."""
        sizes, parameter = self.config.network.bits, self.config.sweep.parameter
        labels = {
            parameter: np.repeat(arrays[parameter], len(sizes)),
            "bits": np.tile(np.array(sizes), len(arrays[parameter])),
        }
        flat = {
            f"raster_{name}": arrays[f"network_raster_{name}"].reshape(-1, *arrays[f"raster_{name}"].shape[1:])
            for name in self.config.observe.observables
        }
        flat |= {name: arrays[name] for name in ("bin_edges", "features")}
        networks = diagram_table(flat, self.config.observe.observables, labels)
        return super().tables(arrays) | {"networks": networks}

    def draw(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> dict[str, bytes]:
        """The figure as PNG and PDF."""
        from mfattn.figures.style import render

        return render(self.figure(arrays, note))

    def figure(self, arrays: Mapping[str, NDArray[Any]], note: str = "") -> "Figure":
        """Columns for the mean field and each size; rows for the features of an observable, or several."""
        from mfattn.figures.meanfield.bifurcation import Diagram
        from mfattn.figures.meanfield.finite_size import draw_beside
        from mfattn.figures.style import grouped

        config, sizes = self.config, self.config.network.bits
        rows = []
        for observable in config.figure.observables or config.observe.observables[:1]:
            for feature in config.figure.features or config.features[:DEFAULT_FEATURES]:
                row = [Diagram.of(arrays, observable, feature, config.figure.section or ())]
                for number in range(len(sizes)):
                    of_size = {name: arrays[name] for name in ("features", "bin_edges", "section_pairs")}
                    for kind in ("raster", "outside"):
                        of_size[f"{kind}_{observable}"] = arrays[f"network_{kind}_{observable}"][:, number]
                    row.append(Diagram.of(of_size, observable, feature, ()))
                rows.append(row)
        titles = ["mean field", *(f"$N = {grouped(bits)}$" for bits in sizes)]
        parameter = config.sweep.parameter
        return draw_beside(arrays[parameter], parameter, rows, titles, self._caption() + note)


class Pool:
    """What several networks at each point visit, as that of all of them together; means and variances are averaged."""

    def __init__(self) -> None:
        self._number = 0
        self._sums: Arrays = {}

    def add(self, observed: Mapping[str, NDArray[Any]]) -> None:
        """Add a network at every point; the order of calls is the order of the sums."""
        self._number += 1
        for name, array in observed.items():
            before = self._sums.get(name)
            if before is None:
                self._sums[name] = array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)
            else:
                _COMBINED.get(name.split("_")[0], np.add)(before, array, out=before)

    def result(self) -> Arrays:
        """Sums of counts, extrema, and averages."""
        averaged = ("mean", "variance")
        return {
            name: array / self._number if name.split("_")[0] in averaged else array
            for name, array in self._sums.items()
        }


_COMBINED = {"minimum": np.minimum, "maximum": np.maximum}
