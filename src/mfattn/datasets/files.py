"""What all files of images have in common: they may be missing, unreadable, or other than they should be."""

from collections.abc import Callable, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Literal

Part = Literal["train", "test"]

CHUNK = 2**20
"""Bytes that are read at once."""


class BadData(ValueError):
    """A file of images that is missing or damaged; one line names the file, what was found and what is allowed."""


def existing_file(folder: Path, names: Sequence[str]) -> Path:
    """The first of some files that a folder holds.

    Raises
    ------
    BadData
        If there is none of them, or no such folder.
    """
    if not _there(folder.is_dir):
        raise BadData(f"{folder}: {'not a folder' if _there(folder.exists) else 'no such folder'}")
    for name in names:
        if _there((folder / name).is_file):
            return folder / name
    raise BadData(f"{folder}: no file {' or '.join(names)}")


def _there(check: Callable[[], bool]) -> bool:
    """Whether there is something; a name that is too long, or a folder that may not be entered, has nothing."""
    try:
        return check()
    except OSError:
        return False


def read_at_most(stream: BufferedIOBase, size: int) -> bytearray:
    """The next SIZE bytes of a stream, or as many as there are; memory is taken only for those."""
    content = bytearray()
    while len(content) < size:
        chunk = stream.read(min(CHUNK, size - len(content)))
        if not chunk:
            break
        content += chunk
    return content
