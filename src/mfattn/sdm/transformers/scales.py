"""Learnt scales of normalised queries and keys: inverse temperatures that a network has written down.

Where queries and keys are divided by their lengths, attention is a softmax of a scale times their cosine, and the scale
is learnt: it is the inverse temperature itself, with nothing left to be measured.

References
----------
Henry, Dachapally, Pawar and Chen, Query-key normalization for transformers, Findings of EMNLP 2020, arXiv 2010.04245.
"""

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mfattn.sdm.checks import Array
from mfattn.sdm.transformers.files import BadFile, FileState, read_bytes, state_of

MOST_SCALES = 100_000

LARGEST_FILE = 2**24
"""Bytes of a file of scales."""

LONGEST_NAME = 40
"""Letters of a group's name that are kept."""

UNNAMED = "unnamed"


class PublishedSummary(NamedTuple):
    """Numbers that sum up a list of scales; the standard deviation is over all of them."""

    number: int
    mean: float
    standard_deviation: float
    minimum: float
    median: float
    maximum: float


HENRY = PublishedSummary(90, 15.6475, 3.0797, 10.3109, 15.1115, 24.8478)
"""Of the scales that Henry et al. learnt on five pairs of languages, as Bricken and Pehlevan compare them."""


def read_scales(path: Path) -> dict[str, Array]:
    """Scales of a file, by the names of their groups; see `parse_scales`.

    Raises
    ------
    BadFile
        If it cannot be read, or is none of these.
    """
    return dict(_scales_of(state_of(path)))


@lru_cache(maxsize=4)
def _scales_of(file: FileState) -> dict[str, Array]:
    try:
        return parse_scales(read_bytes(file, LARGEST_FILE).decode())
    except UnicodeDecodeError:
        raise BadFile("text in UTF-8 is needed") from None


def parse_scales(text: str) -> dict[str, Array]:
    """Scales in a text, by the names of their groups.

    Parameters
    ----------
    text : str
        JSON: a list of numbers, or a mapping whose values are numbers or lists of numbers, a group each. Or what torch
        prints: any lines with ``tensor(x`` or ``tensor([x, y`` in them, where a line without names the group of those
        that follow. Nothing in it is ever evaluated.

    Raises
    ------
    BadFile
        If it is neither, or a number is not finite.

    Examples
    --------
    >>> parse_scales("first.scale tensor(13.2, requires_grad=True)\\nar-en\\nsecond.scale tensor([17.5, 1e1])")
    {'unnamed': array([13.2]), 'ar-en': array([17.5, 10. ])}
    >>> parse_scales('{"a": [1, 2.5], "b": 3}')
    {'a': array([1. , 2.5]), 'b': array([3.])}
    """
    groups = _printed(text) if "tensor(" in text else _written(text)
    numbers = [number for group in groups.values() for number in group]
    if not 1 <= len(numbers) <= MOST_SCALES:
        raise BadFile(f"1 to {MOST_SCALES:,} numbers are needed, found {len(numbers):,}")
    if not all(math.isfinite(number) for number in numbers):
        raise BadFile("finite numbers are needed")
    return {name: np.array(group) for name, group in groups.items() if group}


def _written(text: str) -> dict[str, list[float]]:
    """Groups of a JSON list or mapping."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFile("a JSON list or mapping of numbers, or lines with 'tensor(x', are needed") from None
    named = content if isinstance(content, dict) else {UNNAMED: content}
    groups = {name[:LONGEST_NAME]: value if isinstance(value, list) else [value] for name, value in named.items()}
    for name, group in groups.items():
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in group):
            raise BadFile(f"numbers are needed, in '{name}' there is something else")
    return {name: [_finite(number) for number in group] for name, group in groups.items()}


def _finite(number: float) -> float:
    """A JSON number as a float, infinite if it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _printed(text: str) -> dict[str, list[float]]:
    """Groups of the lines that torch prints."""
    groups: dict[str, list[float]] = {}
    name = UNNAMED
    for line in text.splitlines():
        before, *tensors = line.split("tensor(")
        if tensors:
            groups.setdefault(name, []).extend(number for tensor in tensors for number in _numbers_of(tensor))
        elif any(letter.isalnum() for letter in before):
            name = before.strip().rstrip(":")[:LONGEST_NAME]
    return groups


def _numbers_of(tensor: str) -> list[float]:
    """The numbers at the beginning of what stands behind ``tensor(``."""
    inner = tensor.lstrip()
    listed = inner.startswith("[")
    words = inner.strip("[").partition("]")[0].split(",") if listed else [inner.partition(")")[0].partition(",")[0]]
    try:
        return [float(word) for word in words]
    except ValueError:
        raise BadFile(f"a number is needed behind 'tensor(', found '{inner[:20].strip()}'") from None
