"""Files of a run on disk: they appear whole or not at all, and are never rewritten.

    NAME-HASH/plan.json          grid and block size
              blocks/00012.npz   arrays of a block; immutable
              result.npz         arrays of the whole grid
              provenance.json    how the result came about

Every .npz ends in the SHA-256 of all that stands before it (as the comment of the zip archive), so that a truncated or
flipped file is always found.
"""

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import secrets
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline.errors import InputError, RunError
from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.plan import Plan

_DIGEST_LENGTH = 64
_HEADER = "about_this_block"


class InvalidFile(Exception):
    """A file that is torn, tampered with, or not what it should be."""


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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidFile(f"cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(memoryview(content)[:-_DIGEST_LENGTH]).hexdigest()
    if content[-_DIGEST_LENGTH:] != digest.encode():
        raise InvalidFile("its checksum does not match")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {info.filename.removesuffix(".npy"): _unpack_array(content, info) for info in archive.infolist()}
    except (OSError, ValueError, EOFError, KeyError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise InvalidFile(f"not an archive of arrays ({error})") from None


def _unpack_array(archive: bytes, member: zipfile.ZipInfo) -> NDArray[Any]:
    """The array of one member, over its bytes.

    `zipfile` and `numpy.load` inflate and copy it piece by piece, at a tenth of the speed; the digest of the whole file
    has told that it is what was written.
    """
    name_length, extra_length = struct.unpack_from("<HH", archive, member.header_offset + 26)
    start = member.header_offset + 30 + name_length + extra_length
    packed = memoryview(archive)[start : start + member.compress_size]
    content = zlib.decompress(packed, -zlib.MAX_WBITS, member.file_size)
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array of another format version")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran_order or dtype.hasobject:
        raise ValueError("an array that this program does not write")
    return np.frombuffer(content, dtype, count=math.prod(shape), offset=file.tell()).reshape(shape)


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


class RunFolder:
    """Files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.result = path / "result.npz"
        self.provenance = path / "provenance.json"
        self._blocks = path / "blocks"
        self.plan_path = path / "plan.json"

    def open(self, plan: Plan) -> Plan:
        """Make the folder and write PLAN; where it has one already, that one is returned and kept.

        Raises
        ------
        RunError
            If the plan cannot be written.
        InputError
            If the folder cannot be made.
        InvalidFile
            If the plan in the folder is not of this run.
        """
        try:
            self._blocks.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _unwritable(self.path, error) from None
            reason = error.strerror or error
            raise InputError(f"{self.path}: cannot be made ({reason}); choose another with --out DIR") from None
        create_file(self.plan_path, plan.to_json().encode())
        return self.kept_plan(plan) or plan

    def kept_plan(self, plan: Plan) -> Plan | None:
        """The plan with which the run of PLAN was begun in this folder, if it was.

        Raises
        ------
        InvalidFile
            If the file is not a plan, or one of another run.
        """
        try:
            kept = Plan.from_json(self.plan_path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InvalidFile(f"not a plan ({error})") from None
        if (kept.run, kept.points) != (plan.run, plan.points):
            raise InvalidFile("the plan of another run")
        return kept

    def block_path(self, block: int) -> Path:
        """File of BLOCK."""
        return self._blocks / f"{block:05d}.npz"

    def write_block(self, plan: Plan, block: int, arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Write BLOCK with its run, its range and what is worth knowing ABOUT its computation."""
        points = plan.points_of(block)
        header = {"run": plan.run, "start": points.start, "stop": points.stop, "about": dict(about)}
        content = pack_arrays({**arrays, _HEADER: np.array(json.dumps(header))})
        write_file(self.block_path(block), content)

    def read_block(self, plan: Plan, block: int, layout: Mapping[str, ArrayLayout]) -> tuple[Arrays, dict[str, Any]]:
        """Arrays of BLOCK and what was noted about it.

        Raises
        ------
        InvalidFile
            If the file is missing, broken, of another run or range, or its arrays are not those of LAYOUT.
        """
        arrays = read_arrays(self.block_path(block))
        try:
            header = json.loads(str(arrays.pop(_HEADER)))
            named = (header["run"], header["start"], header["stop"])
        except (KeyError, ValueError, TypeError):
            raise InvalidFile("it does not say which block it is") from None
        points = plan.points_of(block)
        if named != (plan.run, points.start, points.stop):
            raise InvalidFile("it is a block of another run or range")
        if {name: ArrayLayout(a.shape, a.dtype) for name, a in arrays.items()} != dict(layout):
            raise InvalidFile("its arrays are not the plan's")
        return arrays, header["about"]
