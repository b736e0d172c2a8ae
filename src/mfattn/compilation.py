"""How kernels are compiled and cached on disk."""

import contextlib
import hashlib
from functools import cache
from pathlib import Path

from numba import njit
from numba.core.caching import FunctionCache

inlined = njit(forceinline=True, error_model="numpy")


@cache
def source_of(folder: Path) -> str:
    """Hash of this file and of all kernels in a folder."""
    paths = [Path(__file__), *sorted(folder.glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


class _KernelCache(FunctionCache):
    """Numba's cache on disk, keyed by the source of all kernels beside the function, and never the cause of a failure.

    Numba itself notices edits of the file that defines a cached function, but not of those that it inlines. A damaged
    file is compiled and written anew.
    """

    def __init__(self, function):
        super().__init__(function)
        self._folder = Path(function.__code__.co_filename).parent

    def _index_key(self, signature, codegen):
        return (*super()._index_key(signature, codegen), source_of(self._folder))

    def load_overload(self, signature, target_context):
        try:
            return super().load_overload(signature, target_context)
        except Exception:
            return None

    def save_overload(self, signature, data):
        try:
            super().save_overload(signature, data)
        except Exception:
            # The index is damaged, or the disk is full.
            with contextlib.suppress(Exception):
                self.flush()
                super().save_overload(signature, data)


def compiled(function):
    """Compile FUNCTION without the interpreter's lock, cached on disk where there is a place to write."""
    dispatcher = njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):
        dispatcher._cache = _KernelCache(function)
    return dispatcher
