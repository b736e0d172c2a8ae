"""Files that appear whole or not at all, and archives of arrays that are found out when they are damaged.

Every .npz ends in the SHA-256 of all that stands before it (as the comment of the zip archive), so that a truncated or
flipped file is always found.
"""

import contextlib
import errno
import hashlib
import io
import math
import os
import secrets
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.experiment import ArrayLayout, Arrays

_DIGEST_LENGTH = 64
_NPY_HEADER = 4096


class InvalidFile(Exception):
    """A file that is torn, tampered with, or not what it should be."""


class MissingFile(InvalidFile):
    """A file that is not there."""


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file at once: under a unique temporary name, flushed to disk, then renamed.

    Raises
    ------
    RunError
        If the file cannot be written; nothing is left behind.
    """
    _write(path, content, os.replace)


def create_file(path: Path, content: bytes) -> None:
    """As `write_file`, but a file that is there already, or that another process makes meanwhile, stays as it is."""
    with contextlib.suppress(FileExistsError):
        _write(path, content, os.link)


def _write(path: Path, content: bytes, install: Callable[[Path, Path], None]) -> None:
    # Host, process and a random part: array elements on several hosts may write the same block.
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            install(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> RunError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    reason = "no space left" if full else error.strerror or error
    return RunError(f"{path}: cannot be written: {reason}; finished blocks are kept, run again to go on")


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as the bytes of a compressed .npz; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            # A ZipInfo made here has a fixed date, where a plain name would get the present one.
            member = zipfile.ZipInfo(f"{name}.npy")
            file = io.BytesIO()
            np.lib.format.write_array(file, np.asarray(arrays[name], order="C"), allow_pickle=False)
            archive.writestr(member, file.getbuffer(), zipfile.ZIP_DEFLATED, compresslevel=1)
        archive.comment = b"0" * _DIGEST_LENGTH
    content = buffer.getbuffer()
    content[-_DIGEST_LENGTH:] = hashlib.sha256(content[:-_DIGEST_LENGTH]).hexdigest().encode()
    return content.tobytes()


def read_arrays(path: Path) -> Arrays:
    """All arrays of a .npz that `pack_arrays` made, checked against its digest.

    Raises
    ------
    InvalidFile
        If the file is missing, torn, tampered with or not a .npz of plain arrays.
    """
    return read_members(path, unpack_array)


Read = TypeVar("Read")


def read_members(path: Path, read: Callable[[bytes, zipfile.ZipInfo], Read]) -> dict[str, Read]:
    """What READ makes of each member, by the name of its array."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingFile("not there") from None
    except OSError as error:
        raise InvalidFile(f"cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(memoryview(content)[:-_DIGEST_LENGTH]).hexdigest()
    if content[-_DIGEST_LENGTH:] != digest.encode():
        raise InvalidFile("its checksum does not match")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {info.filename.removesuffix(".npy"): read(content, info) for info in archive.infolist()}
    except (OSError, ValueError, EOFError, KeyError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise InvalidFile(f"not an archive of arrays ({error})") from None


def _packed(archive: bytes, member: zipfile.ZipInfo) -> memoryview:
    """The deflated bytes of one member."""
    name_length, extra_length = struct.unpack_from("<HH", archive, member.header_offset + 26)
    start = member.header_offset + 30 + name_length + extra_length
    return memoryview(archive)[start : start + member.compress_size]


def _read_header(content: bytes) -> tuple[ArrayLayout, int]:
    """Shape and type that the header of a .npy file gives, and where its numbers begin."""
    (length,) = struct.unpack_from("<H", content, 8)
    return _parse_header(content[: 10 + length]), 10 + length


@lru_cache(maxsize=1024)
def _parse_header(header: bytes) -> ArrayLayout:
    # Thousands of blocks have the same few headers, and parsing one takes longer than reading a small block.
    file = io.BytesIO(header)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array of another format version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran_order or dtype.hasobject:
        raise ValueError("an array that this program does not write")
    return ArrayLayout(shape, dtype)


def unpack_array(archive: bytes, member: zipfile.ZipInfo) -> NDArray[Any]:
    """The array of one member, over its bytes.

    `zipfile` and `numpy.load` inflate and copy it piece by piece, at a tenth of the speed; the digest of the whole file
    has told that it is what was written.
    """
    content = zlib.decompress(_packed(archive, member), -zlib.MAX_WBITS, member.file_size)
    (shape, dtype), start = _read_header(content)
    return np.frombuffer(content, dtype, count=math.prod(shape), offset=start).reshape(shape)


def unpack_layout(archive: bytes, member: zipfile.ZipInfo) -> ArrayLayout:
    """Shape and type of one member, of which only the beginning is inflated."""
    return _read_header(zlib.decompressobj(-zlib.MAX_WBITS).decompress(_packed(archive, member), _NPY_HEADER))[0]


def result_hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over name, type, shape and C-order bytes of the arrays in sorted order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def check_writable(folder: Path) -> None:
    """Raise InputError where FOLDER is a file, or cannot be made or written; make nothing."""
    ancestor = folder
    while not ancestor.exists() and ancestor != ancestor.parent:
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise InputError(f"{folder}: cannot be a folder, because {ancestor} is a file; choose another with --out DIR")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be written, {ancestor} is read-only; choose another with --out DIR")


def check_target(path: Path) -> None:
    """Raise InputError where the file PATH cannot be written, because of its folder or because it is no plain file."""
    check_writable(path.parent)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{path}: not a plain file; choose another")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, or raise what says why it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _unwritable(path, error) from None
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be made ({reason}); choose another with --out DIR") from None


def set_aside(path: Path, suffix: str = "") -> Path:
    """Rename PATH to PATH + SUFFIX, or to the first free of PATH + SUFFIX + .1, .2, ...; returns the new name."""
    target, number = path.with_name(path.name + suffix), 0
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}{suffix}.{number}")
    try:
        path.rename(target)
    except FileNotFoundError:
        # Another process has set it aside meanwhile.
        pass
    except OSError as error:
        raise _unwritable(target, error) from None
    return target
