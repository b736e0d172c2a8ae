"""Stopping on a signal: the handler sets a flag, and the work looks at it between pieces."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from mfattn.pipeline.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)
WARNING = signal.SIGUSR1
"""What a scheduler sends some time before it ends a job."""


class StopFlag:
    """Raised by a signal, looked at by the work."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.warned = False

    def check(self) -> None:
        """Raise `Stopped` if a signal has come that ends the work at once."""
        if self.signal is not None:
            name = signal.Signals(self.signal).name
            raise Stopped(f"stopped by {name}; finished blocks are kept, the same command goes on from there")


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Within the block, an interrupt or termination sets the flag; a second one ends the process as usual."""
    flag = StopFlag()

    def note(number: int, frame: FrameType | None) -> None:
        flag.signal = number
        for name, handler in previous.items():
            signal.signal(name, handler)

    # What was started to be deaf to a signal, as by nohup, stays so.
    heard = [name for name in SIGNALS if signal.getsignal(name) is not signal.SIG_IGN]
    previous = {name: signal.signal(name, note) for name in heard}
    try:
        yield flag
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)


@contextlib.contextmanager
def stop_on_scheduler_signals() -> Iterator[StopFlag]:
    """Within the block, a scheduler's warning and its terminations, which may come several times, set the flag."""
    flag = StopFlag()

    def note(number: int, frame: FrameType | None) -> None:
        if number == WARNING:
            flag.warned = True
        else:
            flag.signal = number

    previous = {name: signal.signal(name, note) for name in (*SIGNALS, WARNING)}
    try:
        yield flag
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
