"""What can go wrong in a run, each with the exit status that says so."""

from collections.abc import Sequence

COMPLETE, FAILED, BAD_INPUT, INCOMPLETE, STOPPED = 0, 1, 2, 3, 75
"""Exit statuses: 75 is a run that was stopped early and is safe to repeat."""


class PipelineError(Exception):
    """Root of the errors that end a command with a message instead of a traceback."""

    status = FAILED


class InputError(PipelineError):
    """Mistakes in a config, on the command line or in the choice of a folder; one line each."""

    status = BAD_INPUT

    def __init__(self, *mistakes: str) -> None:
        self.mistakes: Sequence[str] = [_one_line(mistake) for mistake in mistakes]
        super().__init__("\n".join(self.mistakes))


def _one_line(text: str) -> str:
    """TEXT with escapes for line breaks and whatever else is not printed, which names in a config may hold."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class RunError(PipelineError):
    """A run that failed while running; its finished blocks are kept."""


class Incomplete(PipelineError):
    """A run of which something is missing; the message names it."""

    status = INCOMPLETE


class Stopped(PipelineError):
    """A run that a signal stopped; its finished blocks are kept."""

    status = STOPPED
