"""How this process treats memory: what it keeps, and how often it looks for what can go.

The C library is kept from giving memory back to the system after every large buffer.

By default glibc returns the top of its heap as soon as 128 kB of it are free. A server that passes megabyte chunks then
has each of them mapped, zeroed and unmapped anew: joining half-megabyte pieces ran at 0.7 GB/s so, and at 8 GB/s with
the thresholds below. Elsewhere than on glibc this does nothing.
"""

import ctypes
import gc

# Free memory kept at the top of each heap, and the size from which a buffer is mapped by itself: above the chunks that
# are passed around, small against the memory a server may take.
KEEP_BYTES = 16 * 2**20
MAP_FROM_BYTES = 8 * 2**20
# Heaps for threads; each may keep as much. The interpreter's lock lets few threads allocate at once.
HEAPS = 2

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def keep_freed_memory() -> bool:
    """Set the thresholds for this process; whether the C library took them."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    options = ((_TRIM_THRESHOLD, KEEP_BYTES), (_MMAP_THRESHOLD, MAP_FROM_BYTES), (_ARENA_MAX, HEAPS))
    taken = [mallopt(option, value) for option, value in options]
    return all(result == 1 for result in taken)


def collect_seldom() -> None:
    """What stands now stays: the collector of reference cycles never looks at it again. (Looking at the rest more
    rarely was tried: cycles that hold pieces of objects then cost 30 to 60 MB while storing, and no time was won.)"""
    gc.collect()
    gc.freeze()
