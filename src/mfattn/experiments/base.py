"""What the mean-field experiments have in common."""

from typing import Any, Generic, TypeVar

from mfattn.experiments.meanfield_config import Grid, MeanFieldConfig, describe_model, identity_of

Configured = TypeVar("Configured", bound=MeanFieldConfig)


class MeanFieldExperiment(Generic[Configured]):
    """A grid of parameter points of one model; see `mfattn.pipeline.experiment.Experiment`."""

    def __init__(self, config: Configured) -> None:
        self.config = config
        self._weights = config.model.build()
        self._grid = Grid.of(config.model, config.swept)

    @property
    def points(self) -> int:
        """Number of swept values, or 1."""
        return len(self._grid.beta)

    @property
    def steps_per_point(self) -> int:
        """Transient and recorded steps."""
        return self.config.steps.transient + self.config.steps.record

    def identity(self) -> dict[str, Any]:
        """Experiment, model, start, sweep and steps."""
        sweep = self.config.swept
        sections = {
            "experiment": self.config.experiment,
            "sweep": sweep and sweep.model_dump(mode="json"),
            "steps": self.config.steps.model_dump(mode="json"),
        }
        return identity_of(self.config, sections)

    def describe(self) -> list[tuple[str, str]]:
        """Model, grid and steps."""
        return describe_model(self.config)
