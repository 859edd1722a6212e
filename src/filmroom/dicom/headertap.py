"""Read the header of a data set while it streams by, up to the pixels, in small bounded memory (PS3.5 chapter 7)."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import MAX_EXPANSION_RATIO, MAX_SEQUENCE_DEPTH
from filmroom.dicom.dictionary import LONG_VRS, SHORT_VRS, VR_NAMES, show, vr_of
from filmroom.dicom.elements import (
    PIXEL_TAGS,
    UNDEFINED,
    Layout,
    RawElement,
    layout_of,
)
from filmroom.dicom.indextags import INDEX_TAGS
from filmroom.dicom.transfersyntax import lookup

# A wanted value longer than this is passed over like an unwanted one: no index key is as long.
MAX_WANTED_BYTES: Final = 65_536
# What inflating may yield before its ratio is judged: a small header of spaces packs better than any limit.
_INFLATE_ALLOWANCE = 1 << 20
_INFLATE_STEP = 65_536
# What may be left after the last element without the object being called torn (padding of careless writers).
_TAIL_BYTES = 7
# What an open level is: flags. _FROM_UN: opened by an element of VR UN.
_SEQUENCE, _ITEM, _IMPLICIT, _FROM_UN = 0, 1, 2, 4
_new = tuple.__new__


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was read. Offsets and lengths are in bytes of the data set (of the inflated one, when deflated).

    ``header_bytes`` is what comes before the pixel data element, or the whole length when there is none.
    ``pixel_length`` is None when undefined (encapsulated) or when there are no pixels. ``oversized`` are wanted tags
    whose value was too long to keep. ``truncated``: the pixel value is longer than the stream was said to be.
    """

    transfer_syntax: str
    implicit: bool
    big_endian: bool
    elements: Mapping[int, RawElement]
    header_bytes: int
    pixel_tag: int | None = None
    pixel_vr: str = ""
    pixel_offset: int | None = None
    pixel_length: int | None = None
    truncated: bool = False
    oversized: frozenset[int] = field(default_factory=frozenset)

    def value(self, tag: int) -> bytes:
        """The raw value of a tag, b'' when it is not there."""
        element = self.elements.get(tag)
        return element.value if element is not None else b""


@lru_cache(maxsize=64)
def _keys(wanted: frozenset[int], layout: Layout) -> Mapping[int, int]:
    """Key -> tag of everything that stops the fast loop: wanted tags, and pixel data as 0."""
    return {layout.key(tag): 0 if tag in PIXEL_TAGS else tag for tag in wanted | PIXEL_TAGS}


class HeaderTap:
    """Take a data set in pieces of any size; keep the wanted top-level elements and where the pixels begin.

    Holds at most one incomplete wanted value (64 KiB) and one level mark per open sequence, whatever the object's
    size. Nothing is allocated because a length says so.
    """

    def __init__(self, transfer_syntax: str, wanted: frozenset[int] | None = None) -> None:
        syntax = lookup(transfer_syntax)
        self._uid = transfer_syntax
        self._layout = layout_of(syntax)
        self._implicit = syntax.implicit
        self._keys = _keys(INDEX_TAGS if wanted is None else wanted, self._layout)
        self._elements: dict[int, RawElement] = {}
        self._oversized: set[int] = set()
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if syntax.deflated else None
        self._inflated_from = 0
        self._started = False
        self._done = False
        self._position = 0  # in the data set, of the first byte not yet consumed
        self._skip = 0  # bytes to drop before the next element
        self._pending = bytearray()  # an element whose end has not come yet
        self._need = 0  # how long ``_pending`` must be before looking at it again
        self._levels: list[int] = []  # open sequences and items of undefined length, outermost first
        self._captured: bytearray | None = None  # value of the wanted sequence that is open
        self._capturing: tuple[int, str] = (0, "")
        self._pixel: tuple[int, str, int, int, int | None] | None = None

    def feed(self, data: bytes | memoryview) -> bool:
        """Take the next bytes; False once everything of interest has been seen and no more need be fed.

        Raises NotReadable or LimitReached.
        """
        if self._inflate is None:
            return self._take(data)
        return self._take_deflated(self._inflate, data)

    def finish(self, stream_bytes: int | None = None) -> Header:
        """The header; ``stream_bytes`` is the whole data set's length when known, to notice cut-off pixels.

        Raises NotReadable when the data set ended before its header did.
        """
        if self._pixel is None:
            self._check_end()
        tag, vr, start, offset, length = self._pixel or (None, "", self._position, None, None)
        missing = stream_bytes is not None and offset is not None and offset + (length or 0) > stream_bytes
        return Header(
            transfer_syntax=self._uid,
            implicit=self._implicit,
            big_endian=self._layout.big_endian,
            elements=self._elements,
            header_bytes=start,
            pixel_tag=tag,
            pixel_vr=vr,
            pixel_offset=offset,
            pixel_length=length,
            truncated=missing and self._inflate is None,
            oversized=frozenset(self._oversized),
        )

    def _check_end(self) -> None:
        if self._inflate is not None and not self._inflate.eof:
            raise NotReadable("the deflated data set ends early")
        if self._levels:
            raise NotReadable("the data set ends inside a sequence of undefined length")
        if self._skip:
            raise NotReadable(f"the data set ends {self._skip} bytes before its last element does")
        if len(self._pending) > _TAIL_BYTES:
            raise NotReadable("the data set ends inside an element")
        if not self._started:
            raise NotReadable("the data set is empty")
        self._position += len(self._pending)
        self._pending.clear()

    def _take_deflated(self, inflate: "zlib._Decompress", data: bytes | memoryview) -> bool:
        self._inflated_from += len(data)
        limit = _INFLATE_ALLOWANCE + self._inflated_from * MAX_EXPANSION_RATIO
        try:
            while data and not inflate.eof:  # what follows the deflated stream is padding
                piece = inflate.decompress(data, _INFLATE_STEP)
                if piece and not self._take(piece):
                    return False
                if self._position + len(self._pending) > limit:
                    raise LimitReached(f"the deflated data set grows more than {MAX_EXPANSION_RATIO} fold")
                data = inflate.unconsumed_tail
        except zlib.error as fault:
            raise NotReadable(f"the deflated data set cannot be inflated ({fault})") from None
        return not self._done

    def _take(self, data: bytes | memoryview) -> bool:
        if self._done:
            return False
        if self._skip:
            data = self._drop(data)
        if self._pending:
            self._pending += data
            if len(self._pending) < self._need:
                return True
            data, self._pending = bytes(self._pending), bytearray()
        if not data:
            return True
        if not self._started and not self._start(data):
            return True
        self._scan(bytes(data))
        return not self._done

    def _drop(self, data: bytes | memoryview) -> bytes | memoryview:
        dropped = min(self._skip, len(data))
        if self._captured is not None:
            self._capture(data[:dropped])
        self._skip -= dropped
        self._position += dropped
        return data[dropped:]

    def _start(self, data: bytes | memoryview) -> bool:
        """Look at the first element: some writers say explicit and write implicit, or the reverse."""
        if len(data) < 8:
            self._wait(data, 0, 8)
            return False
        vr = bytes(data[4:6])  # of an implicit element: half its length, which no first element has as two letters
        known = vr in SHORT_VRS or vr in LONG_VRS
        if known or not (vr.isalpha() and vr.isupper()):
            self._implicit = not known
        self._started = True
        return True

    def _wait(self, data: bytes | memoryview, start: int, need: int) -> None:
        self._pending = bytearray(data[start:])
        self._need = need

    def _scan(self, data: bytes) -> None:
        """Consume whole elements of ``data``; keep what is left for the next call."""
        position, end = 0, len(data)
        while True:
            if self._levels:
                position = self._scan_nested(data, position, end)
                if self._levels:
                    break
                continue
            scan = self._scan_implicit if self._implicit else self._scan_explicit
            position = scan(data, position, end)
            if not self._levels:
                break
        if self._done:
            return
        self._position += min(position, end)
        if position > end:
            self._skip = position - end
        elif position < end:
            self._pending = bytearray(data[position:])

    def _scan_explicit(self, data: bytes, position: int, end: int) -> int:
        """Walk top-level explicit VR elements; return where to go on: past ``end`` means bytes to skip."""
        explicit, u32 = self._layout.explicit, self._layout.u32
        keys, elements = self._keys, self._elements
        short, long, names = SHORT_VRS, LONG_VRS, VR_NAMES
        last = end - 8
        while position <= last:
            key, vr, length = explicit(data, position)
            if vr in short:
                value = position + 8
            elif vr in long:
                value = position + 12
                if value > end:
                    self._need = 12
                    return position
                length = u32(data, position + 8)[0]
            else:
                value, length = self._odd(data, position, vr, length)
                if value > end:
                    self._need = 12
                    return position
            if key in keys:
                after, tag = value + length, keys[key]
                if tag and after <= end and length <= MAX_WANTED_BYTES:
                    name = names.get(vr) or vr_of(tag)
                    elements[tag] = _new(RawElement, (tag, name, data[value:after]))
                    position = after
                    continue
                after = self._special(data, position, value, length, names.get(vr))
                if after <= position or self._levels:
                    return after
                position = after
            elif length == UNDEFINED:
                self._open(_SEQUENCE if vr in long and vr != b"UN" else _IMPLICIT | _FROM_UN)
                return value
            else:
                position = value + length
        self._need = 8
        return position

    def _scan_implicit(self, data: bytes, position: int, end: int) -> int:
        """The same for implicit VR."""
        implicit, keys, elements = self._layout.implicit, self._keys, self._elements
        last = end - 8
        while position <= last:
            key, length = implicit(data, position)
            value = position + 8
            if key in keys:
                after, tag = value + length, keys[key]
                if tag and after <= end and length <= MAX_WANTED_BYTES:
                    elements[tag] = _new(RawElement, (tag, vr_of(tag), data[value:after]))
                    position = after
                    continue
                after = self._special(data, position, value, length, None)
                if after <= position or self._levels:
                    return after
                position = after
            elif length == UNDEFINED:
                self._open(_IMPLICIT)
                return value
            else:
                position = value + length
        self._need = 8
        return position

    def _odd(self, data: bytes, position: int, vr: bytes, short_length: int) -> tuple[int, int]:
        """Where the value of an element with no known VR begins, and its length.

        Two letters are a VR to come, with the long form (PS3.5 7.1.2) unless its reserved bytes are used. Anything
        else is an implicit element among explicit ones, or a stray delimiter.
        """
        if not (vr.isalpha() and vr.isupper()):
            return position + 8, self._layout.u32(data, position + 4)[0]
        if short_length:
            return position + 8, short_length
        if position + 12 > len(data):
            return position + 12, 0
        return position + 12, self._layout.u32(data, position + 8)[0]

    def _special(self, data: bytes, start: int, value: int, length: int, vr: str | None) -> int:
        """The pixels, or a wanted element that cannot be kept at once: where to go on, ``start`` to stop there."""
        tag = self._layout.key(self._layout.implicit(data, start)[0])
        name = vr or vr_of(tag)
        if tag in PIXEL_TAGS:
            known = None if length == UNDEFINED else length
            self._pixel = (tag, name, self._position + start, self._position + value, known)
            self._done = True
            return start
        if length == UNDEFINED:
            self._open(_IMPLICIT if self._implicit else _SEQUENCE if vr not in (None, "UN") else _IMPLICIT | _FROM_UN)
            self._captured, self._capturing = bytearray(), (tag, name)
            return value
        if length > MAX_WANTED_BYTES:
            self._oversized.add(tag)
            return value + length
        self._need = value + length - start
        return start

    def _open(self, flags: int) -> None:
        if len(self._levels) >= 2 * MAX_SEQUENCE_DEPTH:
            raise NotReadable(f"sequences are nested deeper than {MAX_SEQUENCE_DEPTH}")
        self._levels.append(flags)

    def _scan_nested(self, data: bytes, position: int, end: int) -> int:
        """Walk inside sequences of undefined length until they are all closed or ``data`` ends."""
        start, levels = position, self._levels
        self._need = 8
        while levels and position + self._need <= end:
            walk = self._scan_item if levels[-1] & _ITEM else self._next_item
            position = walk(data, position, end)
        if self._captured is not None:
            self._capture(data[start : min(position, end)])
            if not levels:
                self._close_capture()
        return position

    def _next_item(self, data: bytes, position: int, end: int) -> int:
        """Between items: the next item, or the end of the sequence."""
        layout = self._layout
        key: int
        length: int
        key, length = layout.implicit(data, position)
        if key == layout.item:
            if length != UNDEFINED:
                return position + 8 + length  # whatever is in it, its length says where it ends
            self._levels.append(self._levels[-1] | _ITEM)
        elif key == layout.sequence_end:
            self._levels.pop()
        else:
            raise NotReadable(f"a sequence holds {show(layout.key(key))} where an item was expected")
        return position + 8

    def _scan_item(self, data: bytes, position: int, end: int) -> int:
        """Inside an item of undefined length: its elements, up to its end or a sequence of undefined length."""
        layout, levels = self._layout, self._levels
        explicit, u32, flags = layout.explicit, layout.u32, levels[-1]
        item_end, sequence_end = layout.item_end, layout.sequence_end
        while position + 8 <= end:
            key, vr, length = explicit(data, position)
            value = position + 8
            # UN of undefined length is implicit inside (PS3.5 6.2.2 note 2); some writers stay explicit.
            implicit = flags & _IMPLICIT and not (flags & _FROM_UN and self._looks_explicit(vr, length))
            if key == item_end:
                levels.pop()
                return value
            if key == sequence_end:  # the item's own end is missing
                del levels[-2:]
                return value
            if implicit or vr not in SHORT_VRS:
                if implicit or vr not in LONG_VRS:
                    length = u32(data, position + 4)[0]
                elif value + 4 > end:
                    self._need = 12
                    return position
                else:
                    length, value = u32(data, value)[0], position + 12
                if length == UNDEFINED:
                    unknown = not implicit and (vr == b"UN" or vr not in LONG_VRS)
                    self._open(_IMPLICIT | _FROM_UN if unknown else flags & ~_ITEM)
                    return value
            position = value + length
        return position

    @staticmethod
    def _looks_explicit(vr: bytes, short_length: int) -> bool:
        return vr in SHORT_VRS or (short_length == 0 and vr in LONG_VRS)

    def _capture(self, data: bytes | memoryview) -> None:
        assert self._captured is not None
        if len(self._captured) + len(data) > MAX_WANTED_BYTES:
            self._oversized.add(self._capturing[0])
            self._captured = None
        else:
            self._captured += data

    def _close_capture(self) -> None:
        if self._captured is None:
            return
        tag, vr = self._capturing
        self._elements[tag] = RawElement(tag, vr, bytes(self._captured[:-8]))
        self._captured = None
