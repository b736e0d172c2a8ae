"""Images of CIFAR-10 in grey, from its pickled batches, of which nothing is ever called.

A pickle is a program: it names functions and calls them. Here every name that the batches need stands for something
harmless of ours, any other name is refused, and so are instructions that the batches do not need.

References
----------
Krizhevsky, Learning multiple layers of features from tiny images (2009).
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.datasets.files import BadData, Part, existing_file, read_at_most
from mfattn.datasets.images import Images

CIFAR_SIDE, LABELS = 32, 10
"""Rows and columns of an image, and number of its classes."""

MOST_BYTES = 2**27
"""Bytes of a batch: four times those of a published one."""

MOST_TUPLES = MOST_RECALLED = 20
"""Tuples of a batch, and values that it takes again: about half as many are needed.

A million tuples inside one another would overflow Python's stack; and where each holds the one before twice, each takes
twice as long to hash.
"""

BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
"""Files of each part."""

PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
GETS = {"GET", "BINGET", "LONG_BINGET"}
TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
INSTRUCTIONS = (
    PUTS
    | GETS
    | TUPLES
    | {"PROTO", "FRAME", "STOP", "MARK", "MEMOIZE"}
    | {"NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"}
    | {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}
)
"""Instructions of a pickle that plain values and arrays need."""


def cifar_files(folder: Path, part: Part) -> tuple[Path, ...]:
    """The files of a part.

    Raises
    ------
    BadData
        If one is missing.
    """
    return tuple(existing_file(folder, [name]) for name in BATCHES[part])


def load_cifar(folder: Path, part: Part) -> Images:
    """The images of a part, in grey.

    Parameters
    ----------
    folder : Path
        ``cifar-10-batches-py``, as the archive holds it.
    part : {'train', 'test'}

    Returns
    -------
    Images

    Raises
    ------
    BadData
        If a file is missing, cannot be read, or is not such a batch.
    """
    batches = [_batch(path) for path in cifar_files(folder, part)]
    return Images(np.concatenate([pixels for pixels, _ in batches]), np.concatenate([labels for _, labels in batches]))


def grey(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of colours (N, 3, ...), by the weights of Rec. 601 in 65536ths, rounded.

    >>> grey(np.array([[255, 0, 0], [0, 255, 0], [255, 255, 255]], dtype=np.uint8)).tolist()
    [76, 150, 255]
    """
    red, green, blue = np.moveaxis(colours, 1, 0).astype(np.uint32)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)


def _batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grey pixels and labels of a batch."""
    try:
        with path.open("rb") as file:
            content = read_at_most(file, MOST_BYTES + 1)
    except OSError as error:
        raise BadData(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise BadData(f"{path}: more than {MOST_BYTES:,} bytes, which no batch of CIFAR-10 has")
    try:
        return _checked_batch(plain_values(bytes(content)))
    except BadData as error:
        raise BadData(f"{path}: {error}") from None


def _checked_batch(batch: object) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if not isinstance(batch, dict):
        raise BadData(f"a batch is a dict with data and labels, found {type(batch).__name__}")
    values = {_text(key): value for key, value in batch.items()}
    data, labels = values.get("data"), values.get("labels")
    array = data.values if isinstance(data, Array) else None
    if array is None or array.shape[1] != 3 * CIFAR_SIDE**2:
        kind = type(data).__name__ if array is None else f"shape {array.shape}"
        raise BadData(f"data must be an array of uint8 (N, {3 * CIFAR_SIDE**2}), found {kind}")
    if not isinstance(labels, list) or len(labels) != len(array):
        kind = f"{len(labels)} of them" if isinstance(labels, list) else type(labels).__name__
        raise BadData(f"labels must be a list of {len(array)}, found {kind}")
    for label in labels:
        if type(label) is not int or not 0 <= label < LABELS:
            found = str(label)[:20] if type(label) is int else type(label).__name__
            raise BadData(f"labels must be 0 to {LABELS - 1}, found {found}")
    return grey(array.reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE)), np.array(labels, dtype=np.int64)


def _text(value: object) -> object:
    """Text of Python 2 and of Python 3 alike."""
    return value.decode("latin1") if isinstance(value, bytes) else value


# Harmless values for the names that a batch holds. Each takes a state itself: pickle would set attributes otherwise.


class Array:
    """Stands for `numpy.ndarray`: what a pickled array becomes."""

    def __init__(self) -> None:
        self.values: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, columns_first, content = state
        if not isinstance(kind, Kind) or not isinstance(content, bytes) or columns_first is not False:
            raise BadData("an array must hold plain bytes, row by row")
        lengths = shape if isinstance(shape, tuple) and all(type(length) is int for length in shape) else ()
        if len(lengths) != 2 or min(lengths) < 1 or lengths[0] * lengths[1] != len(content):
            raise BadData(f"an array of {len(content):,} bytes must have rows and columns that make as many")
        self.values = np.frombuffer(content, dtype=np.uint8).reshape(lengths)


class Kind:
    """Stands for `numpy.dtype`, of which bytes without a sign are allowed."""

    def __init__(self, code: Any, *_: Any) -> None:
        if _text(code) not in ("u1", "|u1"):
            found = repr(_text(code))[:40] if isinstance(code, bytes | str) else type(code).__name__
            raise BadData(f"an array must be of type 'u1', found {found}")

    def __setstate__(self, state: Any) -> None:
        """Bytes have no order."""


class Reconstruct:
    """Stands for `numpy.core.multiarray._reconstruct`."""

    def __call__(self, kind: Any, *_: Any) -> Array:
        """An array that waits for its state."""
        if kind is not Array:
            raise BadData("an array must be a numpy.ndarray")
        return Array()

    def __setstate__(self, state: Any) -> None:
        raise BadData("a function has no state")


class Encode:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes for Python 2."""

    def __call__(self, text: Any, encoding: Any) -> bytes:
        """The bytes."""
        if not isinstance(text, str) or encoding != "latin1":
            raise BadData("bytes must be written as latin1")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise BadData("a function has no state")


NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Kind,
    ("numpy.core.multiarray", "_reconstruct"): Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): Reconstruct(),
    ("_codecs", "encode"): Encode(),
}
"""What a batch may name, and what stands for it."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise BadData(f"a batch holds arrays and plain values; refused is {f'{module}.{name}'[:80]!r}")
        return NAMES[module, name]


def plain_values(content: bytes) -> Any:
    """What a pickle of plain values and arrays of bytes holds; nothing that it names is looked up or called.

    Raises
    ------
    BadData
        If it names or does anything else, or is damaged.
    """
    try:
        _check_instructions(content)
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except BadData:
        raise
    # A damaged pickle can end in almost any of them.
    except Exception as error:
        raise BadData(f"not a pickle, or a damaged one: {type(error).__name__}") from None


def _check_instructions(content: bytes) -> None:
    """BadData unless all instructions are allowed, and they take no more memory or time than the file is worth."""
    puts = gets = tuples = 0
    for instruction, argument, _ in pickletools.genops(content):
        name = instruction.name
        if name not in INSTRUCTIONS:
            raise BadData(f"a batch holds arrays and plain values; refused is the instruction {name}")
        puts, gets, tuples = puts + (name in PUTS), gets + (name in GETS), tuples + (name in TUPLES)
        # Pickle numbers what it remembers, in Python 2 from 1, and keeps room for all numbers up to the largest.
        if name in PUTS and argument is not None and int(argument) > puts:
            raise BadData(f"damaged: remembers value {argument} after {puts} of them")
        if tuples > MOST_TUPLES:
            raise BadData(f"more than {MOST_TUPLES} tuples, which no batch has")
        if gets > MOST_RECALLED:
            raise BadData(f"takes more than {MOST_RECALLED} values again, which no batch does")
