"""Words in which all commands report: one line a fact, numbers as people read them."""

from collections.abc import Sequence


def say(word: str, text: str) -> None:
    """One line of report: what, and its particulars."""
    print(f"{word:<8} {text}", flush=True)


def counted(number: int, noun: str) -> str:
    """``1 block``, ``4,001 points``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def gibibytes(size: float) -> str:
    """``0.3 GB``, in binary units as schedulers count them."""
    return f"{size / 2**30:.1f} GB"


def compact(numbers: Sequence[int]) -> str:
    """Ascending NUMBERS with runs as ranges: ``12,28,44-52``."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
