"""Plain TAR, as much as packs need: members that are files, in the ustar format (POSIX.1-2017, pax, "ustar").

The files are ours; this writes what any ``tar`` can read and reads what this writes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

BLOCK = 512
END = bytes(2 * BLOCK)
# mode, uid, gid: a regular file that its owner may read.
_FIXED = b"0000440\x000000000\x000000000\x00"
_USTAR = b"ustar\x0000"
MAX_NAME_BYTES = 100


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a pack: its bytes are ``size_bytes`` from ``start`` of the pack."""

    name: str
    start: int
    size_bytes: int


def header(name: str, size_bytes: int, modified_s: int) -> bytes:
    """The block before a member. ``name`` is ASCII of at most 100 characters."""
    front = name.encode("ascii").ljust(MAX_NAME_BYTES, b"\0") + _FIXED + b"%011o\0%011o\0" % (size_bytes, modified_s)
    # The checksum is summed with itself as eight spaces; "0" is a regular file.
    body = front + b"        0" + bytes(100) + _USTAR
    return front + b"%06o\0 0" % sum(body) + bytes(100) + _USTAR + bytes(BLOCK - 265)


def padding(size_bytes: int) -> bytes:
    """What fills a member's last block."""
    return bytes(-size_bytes % BLOCK)


def members(read: Callable[[int, int], bytes], size_bytes: int) -> Iterator[Member]:
    """The members of a pack of ``size_bytes``, up to its end or to where it was cut off.

    ``read(start, length)`` gives bytes of it. A header that is not one ends the walk.
    """
    position = 0
    while position + BLOCK <= size_bytes:
        block = read(position, BLOCK)
        if block[257:262] != b"ustar" or not _sums(block):
            return
        size = int(block[124:135], 8)
        yield Member(block[:MAX_NAME_BYTES].rstrip(b"\0").decode("ascii"), position + BLOCK, size)
        position += BLOCK + size + (-size % BLOCK)


def _sums(block: bytes) -> bool:
    try:
        return int(block[148:154], 8) == sum(block) - sum(block[148:156]) + 8 * 32
    except ValueError:
        return False
