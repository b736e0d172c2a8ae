"""Ways to get what is missing of a run computed: on the cores of this machine, or by a cluster."""

from typing import Protocol

from mfattn.pipeline.work import Missing, Work


class Executor(Protocol):
    """Sees to it that what is missing of a run comes to disk."""

    def check(self, work: Work) -> None:
        """Raise InputError where the work cannot be taken now."""

    def rehearse(self, work: Work, missing: Missing) -> None:
        """Say what `execute` would do, and do nothing."""

    def execute(self, work: Work, missing: Missing) -> bool:
        """Get the work done, or on its way; returns whether it is done.

        Raises
        ------
        PipelineError
            With the message for the user, and the exit status.
        """
