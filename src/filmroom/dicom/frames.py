"""Where each frame lies inside a stored object: an index small enough to keep, built without holding pixels.

Offsets are absolute in the address space of the ``read(offset, length)`` that was passed in; ``read`` may return fewer
bytes at the end of the object. Encapsulated form: PS3.5 A.4; native form: PS3.5 8.1.
"""

import itertools
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from filmroom.base.errors import LimitReached, NotFound, NotReadable
from filmroom.dicom.pixels_elements import ITEM, SEQUENCE_END, UNDEFINED
from filmroom.dicom.pixels_format import PixelFormat

Read = Callable[[int, int], bytes]

# 16 bytes each in the index; a cine of 65,000 frames in 64 fragments each still fits.
MAX_FRAGMENTS = 2**22

_WINDOW_BYTES = 4096
_FRAME_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP", b"\x00\x00\x00\x0cJXL", b"\xff\x0a")


class Span(NamedTuple):
    """A run of bytes of a stored object."""

    offset: int
    length: int


class FrameIndex(Protocol):
    """Where the frames of one object are."""

    @property
    def frames(self) -> int:
        """How many frames there are."""

    @property
    def end(self) -> int:
        """The first byte behind the pixel element."""

    def spans(self, frame: int) -> list[Span]:
        """The runs of bytes of a frame, counted from 0, in order. Raises NotFound, or NotReadable when cut short."""


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames one after another, each ``frame_bits`` long, from ``start`` on."""

    start: int
    frame_bits: int
    frames: int
    value_end: int

    @property
    def end(self) -> int:
        """The first byte behind the pixel element."""
        return self.value_end

    def spans(self, frame: int) -> list[Span]:
        """The bytes that hold the frame; a one-bit frame may share its first and last byte with its neighbours."""
        _check_frame(frame, self.frames)
        first = self.start + self.frame_bits * frame // 8
        stop = self.start + -(-self.frame_bits * (frame + 1) // 8)
        if stop > self.value_end:
            raise NotReadable("the pixel data is shorter than its frames")
        return [Span(first, stop - first)]

    def bit_offset(self, frame: int) -> int:
        """The bit of the first byte at which the frame begins."""
        return self.frame_bits * frame % 8


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames:
    """Fragments as offset and length pairs, and for each frame the number of its first fragment (one more at the end).

    ``first`` is empty when every frame is exactly one fragment.
    """

    pairs: "array[int]"
    first: "array[int]"
    end: int

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.first) - 1 if self.first else len(self.pairs) // 2

    def spans(self, frame: int) -> list[Span]:
        """The fragments of the frame, in order, without their item headers."""
        _check_frame(frame, self.frames)
        low, high = (self.first[frame], self.first[frame + 1]) if self.first else (frame, frame + 1)
        return [Span(self.pairs[2 * n], self.pairs[2 * n + 1]) for n in range(low, high)]

    def to_bytes(self) -> bytes:
        """A form to keep beside the object; about 16 bytes a frame."""
        head = struct.pack("<QII", self.end, len(self.pairs), len(self.first))
        return head + self.pairs.tobytes() + self.first.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "EncapsulatedFrames":
        """The index that ``to_bytes`` wrote."""
        end, pairs_length, first_length = struct.unpack_from("<QII", data)
        pairs, first = array("Q"), array("I")
        split = 16 + pairs_length * pairs.itemsize
        pairs.frombytes(data[16:split])
        first.frombytes(data[split : split + first_length * first.itemsize])
        return cls(pairs, first, end)


def native_frames(pixels: PixelFormat, start: int, value_end: int) -> NativeFrames:
    """The index of native pixel data whose value lies from ``start`` to ``value_end``."""
    return NativeFrames(start, pixels.frame_bits, pixels.frames, value_end)


def encapsulated_frames(
    read: Read, start: int, end: int, frames: int, *, offsets: bytes = b"", lengths: bytes = b""
) -> EncapsulatedFrames:
    """The index of encapsulated pixel data whose first item (the Basic Offset Table) lies at ``start``.

    ``offsets`` and ``lengths`` are the values of the Extended Offset Table elements (7FE0,0001) and (7FE0,0002), if the
    object has them. The fragments are walked in any case, 8 bytes each; a table is believed only where every entry hits
    a fragment. Raises NotReadable when the fragments are cut short or cannot be shared out among the frames.
    """
    walk = _Window(read, start, end)
    table, position = walk.item(start)
    basic = walk.get(table, position - table) if position > table else b""
    pairs = array("Q")
    while True:
        if len(pairs) > 2 * MAX_FRAGMENTS:
            raise LimitReached("pixel data has too many fragments")
        if position >= end:  # the delimiter is missing, but every fragment is whole
            break
        value, after = walk.item(position)
        if value == after and walk.ended:
            position = after
            break
        pairs.extend((value, after - value))
        position = after
    if not pairs:
        raise NotReadable("pixel data has no fragments")
    return EncapsulatedFrames(pairs, _share_out(walk, pairs, frames, basic, offsets, lengths), position)


class _Window:
    """Small reads of a large object, one block at a time."""

    def __init__(self, read: Read, start: int, end: int) -> None:
        self._read, self._end = read, end
        self._from, self._block = start, b""
        self.ended = False

    def get(self, offset: int, length: int) -> bytes:
        low = offset - self._from
        if low < 0 or low + length > len(self._block):
            self._from, low = offset, 0
            self._block = self._read(offset, min(max(length, _WINDOW_BYTES), max(0, self._end - offset)))
        return self._block[low : low + length]

    def item(self, position: int) -> tuple[int, int]:
        """Where the value of the item at ``position`` begins, and the first byte behind it."""
        head = self.get(position, 8)
        if len(head) < 8:
            raise NotReadable("the pixel data is cut short")
        group, number, length = struct.unpack("<HHI", head)
        tag = group << 16 | number
        self.ended = tag == SEQUENCE_END
        if self.ended:
            return position + 8, position + 8
        if tag != ITEM or length == UNDEFINED:
            raise NotReadable("the pixel data is not a row of fragments")
        if position + 8 + length > self._end:
            raise NotReadable("the pixel data is cut short")
        return position + 8, position + 8 + length


def _share_out(
    walk: _Window, pairs: "array[int]", frames: int, basic: bytes, offsets: bytes, lengths: bytes
) -> "array[int]":
    count = len(pairs) // 2
    if frames == 1:
        return array("I", [0, count]) if count > 1 else array("I")
    for table, code in ((offsets, "Q"), (basic, "I")):
        if first := _from_table(pairs, table, code, frames, lengths if code == "Q" else b""):
            return array("I") if count == frames else first
    if count == frames:
        return array("I")
    starts = [n for n in range(count) if walk.get(pairs[2 * n], min(6, pairs[2 * n + 1])).startswith(_FRAME_STARTS)]
    if len(starts) == frames and starts[0] == 0:
        return array("I", [*starts, count])
    ends = [n + 1 for n in range(count) if b"\xff\xd9" in walk.get(*_tail(pairs, n))]
    if len(ends) == frames and ends[-1] == count:
        return array("I", [0, *ends])
    raise NotReadable("the fragments cannot be shared out among the frames")


def _tail(pairs: "array[int]", number: int) -> tuple[int, int]:
    offset, length = pairs[2 * number], pairs[2 * number + 1]
    return offset + max(0, length - 4), min(4, length)


def _from_table(pairs: "array[int]", table: bytes, code: str, frames: int, lengths: bytes) -> "array[int] | None":
    """Fragment numbers by an offset table, or None where it is absent or does not fit the fragments."""
    size = struct.calcsize("<" + code)
    if len(table) < size * frames or not frames:
        return None
    entries: Sequence[int] = struct.unpack_from(f"<{frames}{code}", table)
    base = pairs[0] - 8
    number_at = {pairs[2 * n] - 8 - base: n for n in range(len(pairs) // 2)}
    try:
        first = [number_at[entry] for entry in entries]
    except KeyError:
        return None
    if first[0] != 0 or any(a >= b for a, b in itertools.pairwise(first)):
        return None
    if len(lengths) >= 8 * frames and len(first) == len(number_at):
        # One fragment a frame: the true length may be one less than the fragment, which is padded to even (A.4).
        for n, true in enumerate(struct.unpack_from(f"<{frames}Q", lengths)):
            if 0 < true <= pairs[2 * n + 1] <= true + 1:
                pairs[2 * n + 1] = true
    return array("I", [*first, len(pairs) // 2])


def _check_frame(frame: int, frames: int) -> None:
    if not 0 <= frame < frames:
        raise NotFound("the object has no such frame")


def read_spans(read: Read, spans: Sequence[Span]) -> bytes:
    """The bytes of a frame. Raises NotReadable when the object is shorter than its index says."""
    parts = [read(*span) for span in spans]
    if any(len(part) != span.length for part, span in zip(parts, spans, strict=True)):
        raise NotReadable("the pixel data is cut short")
    return parts[0] if len(parts) == 1 else b"".join(parts)
