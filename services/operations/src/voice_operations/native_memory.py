"""The memory of native libraries, in processes that run for months: how far it may spread, and giving it back.

glibc gives threads that allocate at the same time arenas of their own, eight per core. gRPC's threads free what another
one allocated, so that every arena keeps holes of its own: 10 KiB more of resident memory for every call that came and
went, though nothing was lost. With few arenas it stays level.
"""

import ctypes
import os
from typing import Final

M_ARENA_MAX: Final = -8
"""See mallopt(3)."""


def limit_arenas(arenas: int) -> bool:
    """Has the allocator use at most so many arenas; to be called before threads are started.

    False, and nothing is changed, where there is no such allocator or the environment says MALLOC_ARENA_MAX.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_ARENA_MAX, arenas) == 1


def give_back_memory() -> None:
    """Returns what is freed already to the system, where the allocator can; takes some milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
