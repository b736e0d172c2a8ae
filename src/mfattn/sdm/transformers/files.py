"""A user's files: the folder of a language model, as far as it is known without loading it, texts, and token ids.

Everything here is cheap, and takes nothing on trust: sizes are bounded, and nothing that could run is read. Weights
must be safetensors, which hold numbers alone; a pickle is a program.
"""

import hashlib
import json
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

LARGEST_CONFIG = 2**20
"""Bytes of a model's `config.json`."""

LARGEST_TEXTS = 2**26
"""Bytes of a file of texts or token ids."""

MOST_TEXTS = 100_000
"""Texts of a file."""

MOST_LAYERS, MOST_HEADS, LARGEST_WIDTH = 1000, 1000, 1_000_000
"""Bounds on what the config of a model may say."""

CONTENTS = (".json", ".safetensors", ".txt", ".model")
"""Suffixes of the files of a folder that make the model and its tokens."""

PICKLES = (".bin", ".pt", ".pth", ".ckpt")
"""Suffixes of weights that are programs."""

TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
"""Files of which a folder holds one if it has a tokenizer."""

CHUNK = 2**20

Item = TypeVar("Item")
Tokens = NDArray[np.int64]

NAMES = {
    "layers": ("n_layer", "num_hidden_layers", "num_layers", "n_layers"),
    "heads": ("n_head", "num_attention_heads", "n_heads", "num_heads"),
    "dimension": ("head_dim",),
    "width": ("n_embd", "hidden_size", "d_model"),
    "vocabulary": ("vocab_size",),
    "positions": ("n_positions", "max_position_embeddings", "n_ctx"),
}
"""What the architectures call the numbers that are needed."""


class BadFile(ValueError):
    """A user's file or folder that is missing or not what it should be; one line says what is."""


class ModelShape(NamedTuple):
    """What the config of a model tells.

    Parameters
    ----------
    architecture : str
    layers, heads : int
    dimension : int
        Of the queries and keys of a head.
    width : int
        Numbers of the state of a token.
    vocabulary : int
    positions : int
        Longest text, in tokens; 0 if there is no bound.
    """

    architecture: str
    layers: int
    heads: int
    dimension: int
    width: int
    vocabulary: int
    positions: int


class FileState(NamedTuple):
    """What tells whether a file has changed since it was read."""

    path: Path
    size: int
    modified: int


def state_of(path: Path) -> FileState:
    """State of a regular file.

    Raises
    ------
    BadFile
        If there is none of that name.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        raise BadFile("an existing file is needed") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadFile("a file is needed, this is something else")
    return FileState(path, found.st_size, found.st_mtime_ns)


def read_bytes(file: FileState, largest: int) -> bytes:
    """Content of a file.

    Raises
    ------
    BadFile
        If it is too large, or cannot be read.
    """
    if file.size > largest:
        raise BadFile(f"a file of at most {largest / 2**20:g} MiB is needed")
    try:
        with file.path.open("rb") as stream:
            return stream.read(largest)
    except OSError as error:
        raise BadFile(f"it cannot be read: {error.strerror}") from None


# Models.


def model_files(folder: Path) -> list[FileState]:
    """The files of a folder that make the model and its tokens, by name.

    Raises
    ------
    BadFile
        If it is no folder, or has no config, or no weights that can be read without running them.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except (OSError, ValueError):
        raise BadFile("an existing folder is needed") from None
    files = [state_of(path) for path in paths if path.suffix in CONTENTS]
    if not any(path.name == "config.json" for path in paths):
        raise BadFile("a folder with a config.json is needed, as save_pretrained of transformers writes it")
    if not any(file.path.suffix == ".safetensors" for file in files):
        found = ", ".join(path.name for path in paths if path.suffix in PICKLES)
        other = f"; {found} may hold code that runs when it is read" if found else ""
        raise BadFile(f"weights as safetensors are needed{other}")
    return files


def model_shape(folder: Path) -> ModelShape:
    """What `config.json` of a folder with a model tells.

    Raises
    ------
    BadFile
        If the folder holds no such model.
    """
    return _shape_of(next(file for file in model_files(folder) if file.path.name == "config.json"))


@lru_cache(maxsize=16)
def _shape_of(config: FileState) -> ModelShape:
    try:
        content = json.loads(read_bytes(config, LARGEST_CONFIG))
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, BadFile) else "it is not JSON"
        raise BadFile(f"config.json: {reason}") from None
    if not isinstance(content, dict):
        raise BadFile("config.json: a mapping is needed")
    heads, width = _number(content, "heads", MOST_HEADS), _number(content, "width", LARGEST_WIDTH)
    return ModelShape(
        architecture=str(content.get("model_type", "unnamed"))[:40],
        layers=_number(content, "layers", MOST_LAYERS),
        heads=heads,
        dimension=_number(content, "dimension", LARGEST_WIDTH, default=max(1, width // heads)),
        width=width,
        vocabulary=_number(content, "vocabulary", 2**31),
        positions=_number(content, "positions", 2**31, default=0),
    )


def _number(content: dict[str, Any], what: str, largest: int, default: int | None = None) -> int:
    """A number of a model's config, under any of its names."""
    for name in NAMES[what]:
        value = content.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
            raise BadFile(f"config.json: {name}: a whole number from 1 to {largest:,} is needed")
        return value
    if default is None:
        raise BadFile(f"config.json: it names no number of {what} ({', '.join(NAMES[what])})")
    return default


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer beside the model."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def model_digest(folder: Path) -> str:
    """Hash of all files of a folder that make the model and its tokens; 3 GB take some seconds, once in a process."""
    digest = hashlib.sha256()
    for file in model_files(folder):
        digest.update(f"{file.path.name}|{_digest_of(file)}|".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Hash of what a file holds."""
    return _digest_of(state_of(path))


@lru_cache(maxsize=1024)
def _digest_of(file: FileState) -> str:
    digest = hashlib.sha256()
    with file.path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# Texts and tokens.


def read_texts(path: Path) -> tuple[str, ...]:
    """Texts of a file, one on each line that is not empty.

    Raises
    ------
    BadFile
        If it cannot be read, is not UTF-8, or holds no text.
    """
    return _texts_of(state_of(path))


@lru_cache(maxsize=4)
def _texts_of(file: FileState) -> tuple[str, ...]:
    try:
        lines = read_bytes(file, LARGEST_TEXTS).decode().splitlines()
    except UnicodeDecodeError:
        raise BadFile("text in UTF-8 is needed") from None
    return _some([line.strip() for line in lines if line.strip()])


def read_tokens(path: Path) -> tuple[Tokens, ...]:
    """Token ids of texts.

    Parameters
    ----------
    path : Path
        A JSON list of lists of whole numbers, or a ``.npy`` array of integers with a row for each text.

    Raises
    ------
    BadFile
        If it cannot be read, or holds anything else.
    """
    return _tokens_of(state_of(path))


@lru_cache(maxsize=4)
def _tokens_of(file: FileState) -> tuple[Tokens, ...]:
    if file.path.suffix == ".npy":
        return _tokens_of_array(file)
    try:
        content = json.loads(read_bytes(file, LARGEST_TEXTS))
    except (ValueError, RecursionError) as error:
        raise BadFile(str(error) if isinstance(error, BadFile) else "a JSON list or an .npy file is needed") from None
    rows = content if isinstance(content, list) else []
    if not all(isinstance(row, list) and row and all(_is_token(token) for token in row) for row in rows):
        raise BadFile("a list of lists of token ids (whole numbers of at least 0), none of them empty, is needed")
    return _some([np.array(row, dtype=np.int64) for row in rows])


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _tokens_of_array(file: FileState) -> tuple[Tokens, ...]:
    if file.size > LARGEST_TEXTS:
        raise BadFile(f"a file of at most {LARGEST_TEXTS / 2**20:g} MiB is needed")
    try:
        # A header that names more numbers than the file holds is refused before any memory is taken.
        with np.errstate(over="raise"):
            array = np.lib.format.open_memmap(file.path, mode="r")
    # A damaged header can end in almost any of them.
    except Exception:
        raise BadFile("an array that NumPy reads without pickle is needed") from None
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not array.size:
        raise BadFile(f"token ids as integers, a row for each text, are needed, not {array.dtype} {array.shape}")
    rows = np.array(array.reshape(-1, array.shape[-1]))
    if rows.min() < 0 or rows.max() >= 2**31:
        raise BadFile("token ids of at least 0 are needed")
    return _some(list(rows.astype(np.int64)))


def _some(items: list[Item]) -> tuple[Item, ...]:
    """A number of texts that can be worked with."""
    if not 1 <= len(items) <= MOST_TEXTS:
        raise BadFile(f"1 to {MOST_TEXTS:,} texts are needed, not {len(items):,}")
    return tuple(items)
