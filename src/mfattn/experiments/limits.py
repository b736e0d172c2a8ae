"""Sizes beyond which a result is refused before it is begun."""

from collections.abc import Iterator, Mapping

from mfattn.pipeline.experiment import ArrayLayout, array_bytes
from mfattn.pipeline.yaml_text import KeyPath

LARGEST_RESULT = 8 * 2**30
"""Bytes of all arrays of a result, which the collector holds in memory at once."""


def size_mistakes(path: KeyPath, layout: Mapping[str, ArrayLayout], advice: str) -> Iterator[tuple[KeyPath, str]]:
    """A mistake at PATH where the result would not fit into memory."""
    size = array_bytes(layout)
    if size > LARGEST_RESULT:
        found, allowed = size / 2**30, LARGEST_RESULT / 2**30
        yield path, f"a result of at most {allowed:.0f} GiB, found {found:,.1f} GiB; {advice}"
