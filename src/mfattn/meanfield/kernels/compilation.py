"""How kernels are compiled and cached on disk."""

import contextlib
import hashlib
from pathlib import Path

from numba import njit
from numba.core.caching import FunctionCache

_SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()

inlined = njit(forceinline=True, error_model="numpy")


class _KernelCache(FunctionCache):
    """Numba's cache on disk, keyed by the source of all kernels, and never the reason why a run fails.

    Numba itself notices edits of the file that defines a cached function, but not of those that it inlines. A damaged
    file is compiled and written anew.
    """

    def _index_key(self, signature, codegen):
        return (*super()._index_key(signature, codegen), _SOURCE)

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
    """Compile FUNCTION, cached on disk where there is a place to write."""
    dispatcher = njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):
        dispatcher._cache = _KernelCache(function)
    return dispatcher
