"""Raw data elements by position: what frames, transcoding and rendering need of a data set, nothing decoded in advance.

A data set is scanned as bytes (PS3.5 7.1); a value is looked at only when asked for. Hostile lengths and nesting end in
NotReadable, never in an allocation.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom import dictionary
from filmroom.dicom.elements import ITEM, ITEM_END, PIXEL_TAGS, SEQUENCE_END, UNDEFINED

PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS = 0x7FE00010, 0x7FE00008, 0x7FE00009
# VRs whose explicit form has two reserved bytes and a 32-bit length (PS3.5 table 7.1-1), as text.
LONG_VRS = frozenset(vr.decode() for vr in dictionary.LONG_VRS)

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "OW": "H", "OB": "B"}
_LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")


class Truncated(NotReadable):
    """The data set ends inside an element."""


class Encoding(NamedTuple):
    """How elements are written: without VR (implicit) or with it, and the byte order."""

    implicit: bool
    big: bool


IMPLICIT, EXPLICIT, EXPLICIT_BIG = Encoding(True, False), Encoding(False, False), Encoding(False, True)


class Element(NamedTuple):
    """Where one element lies: header at ``start``, value from ``value`` to ``value_end``, next element at ``end``.

    ``vr`` is empty where the encoding has none. ``end`` is behind the sequence delimiter of an undefined length.
    """

    tag: int
    vr: str
    start: int
    value: int
    value_end: int
    end: int
    undefined: bool


def elements(
    data: bytes | memoryview,
    encoding: Encoding,
    start: int = 0,
    end: int | None = None,
    *,
    stop_at_pixels: bool = False,
) -> Iterator[Element]:
    """The elements of one data set or item, in order. Raises Truncated or NotReadable.

    ``stop_at_pixels`` ends the scan with the pixel element, whose value need not be in ``data`` (``value_end`` is then
    what the header says, or ``value`` where the length is undefined).
    """
    return _elements(data, encoding, start, len(data) if end is None else end, 0, stop_at_pixels)


def _elements(
    data: bytes | memoryview, encoding: Encoding, position: int, end: int, depth: int, stop_at_pixels: bool
) -> Iterator[Element]:
    while position < end:
        tag, vr, value, length = _header(data, encoding, position, end)
        if tag == ITEM_END:
            return
        undefined = length == UNDEFINED
        if stop_at_pixels and tag in PIXEL_TAGS:
            stop = value if undefined else value + length
            yield Element(tag, vr, position, value, stop, stop, undefined)
            return
        if undefined:
            inner = IMPLICIT if vr == "UN" else encoding
            value_end, next_position = _sequence_end(data, inner, value, end, depth)
        else:
            value_end = next_position = value + length
            if value_end > end:
                raise Truncated(f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) is longer than its data set")
        yield Element(tag, vr, position, value, value_end, next_position, undefined)
        position = next_position


def items(data: bytes | memoryview, encoding: Encoding, sequence: Element) -> Iterator[tuple[int, int]]:
    """First byte and end of the content of each item of a sequence."""
    inner = IMPLICIT if sequence.vr == "UN" else encoding
    order = ">HHI" if inner.big else "<HHI"
    position = sequence.value
    while position + 8 <= sequence.value_end:
        group, number, length = struct.unpack_from(order, data, position)
        if group << 16 | number != ITEM:
            raise NotReadable("a sequence holds something that is not an item")
        position += 8
        if length == UNDEFINED:
            stop, position_next = _item_end(data, inner, position, sequence.value_end, 1)
        else:
            stop = position_next = position + length
        if stop > sequence.value_end:
            raise Truncated("an item is longer than its sequence")
        yield position, stop
        position = position_next


def _header(data: bytes | memoryview, encoding: Encoding, position: int, end: int) -> tuple[int, str, int, int]:
    if position + 8 > end:
        raise Truncated("the data set ends inside an element header")
    order = ">" if encoding.big else "<"
    group, number = struct.unpack_from(order + "HH", data, position)
    tag = group << 16 | number
    if encoding.implicit or group == 0xFFFE:
        return tag, "", position + 8, struct.unpack_from(order + "I", data, position + 4)[0]
    letters = bytes(data[position + 4 : position + 6])
    if not (letters.isalpha() and letters.isupper()):
        # Writers that slip into implicit VR half-way exist; their elements are taken for what they are.
        return tag, "", position + 8, struct.unpack_from(order + "I", data, position + 4)[0]
    vr = letters.decode("ascii")
    if vr not in LONG_VRS:
        return tag, vr, position + 8, struct.unpack_from(order + "H", data, position + 6)[0]
    if position + 12 > end:
        raise Truncated("the data set ends inside an element header")
    return tag, vr, position + 12, struct.unpack_from(order + "I", data, position + 8)[0]


def _sequence_end(data: bytes | memoryview, encoding: Encoding, position: int, end: int, depth: int) -> tuple[int, int]:
    if depth >= MAX_SEQUENCE_DEPTH:
        raise LimitReached("sequences are nested too deeply")
    order = ">HHI" if encoding.big else "<HHI"
    while position + 8 <= end:
        group, number, length = struct.unpack_from(order, data, position)
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            return position, position + 8
        if tag != ITEM:
            raise NotReadable("a sequence holds something that is not an item")
        position += 8
        position = _item_end(data, encoding, position, end, depth + 1)[1] if length == UNDEFINED else position + length
    raise Truncated("a sequence has no end")


def _item_end(data: bytes | memoryview, encoding: Encoding, position: int, end: int, depth: int) -> tuple[int, int]:
    if depth >= MAX_SEQUENCE_DEPTH:
        raise LimitReached("sequences are nested too deeply")
    for element in _elements(data, encoding, position, end, depth, False):
        position = element.end
    if position + 8 > end:
        raise Truncated("an item has no end")
    return position, position + 8


@dataclass(frozen=True, slots=True)
class Attributes:
    """Values of one data set or item, decoded when asked. Only first-level elements; sequences by ``items``."""

    data: bytes | memoryview
    encoding: Encoding
    found: dict[int, Element]

    @classmethod
    def scan(cls, data: bytes | memoryview, encoding: Encoding, start: int = 0, end: int | None = None) -> "Attributes":
        """Index a data set up to its pixels. Raises NotReadable."""
        return cls(data, encoding, {e.tag: e for e in elements(data, encoding, start, end, stop_at_pixels=True)})

    def vr(self, tag: int) -> str:
        """The VR as written, else the dictionary's first choice, else UN."""
        return self.found[tag].vr or dictionary.vr_of(tag)

    def raw(self, tag: int) -> bytes:
        """The value's bytes; empty where the element is absent."""
        element = self.found.get(tag)
        return b"" if element is None else bytes(self.data[element.value : element.value_end])

    def texts(self, tag: int) -> list[str]:
        """Values of a text VR in the default repertoire, without padding."""
        text = self.raw(tag).decode("latin-1").strip(" \0")
        return [part.strip(" \0") for part in text.split("\\")] if text else []

    def text(self, tag: int) -> str:
        """The first value; empty where there is none."""
        return next(iter(self.texts(tag)), "")

    def numbers(self, tag: int) -> list[float]:
        """Values of any numeric VR, text or binary; unreadable ones end in NotReadable."""
        if tag not in self.found:
            return []
        vr = self.vr(tag)
        if vr in _BINARY:
            code = _BINARY[vr]
            raw = self.raw(tag)
            count = len(raw) // struct.calcsize("<" + code)
            return list(struct.unpack_from((">" if self.encoding.big else "<") + code * count, raw))
        try:
            return [float(text) for text in self.texts(tag) if text]
        except ValueError as error:
            raise NotReadable(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is not a number") from error

    def integer(self, tag: int, default: int = 0) -> int:
        """The first value as an integer. Text after leading digits is ignored, as writers of ``1A`` exist."""
        if tag not in self.found:
            return default
        if self.vr(tag) in _BINARY:
            values = self.numbers(tag)
            return int(values[0]) if values else default
        match = _LEADING_INTEGER.match(self.text(tag))
        return int(match[1]) if match else default

    def items(self, tag: int) -> list["Attributes"]:
        """The items of a sequence; empty where it is absent or empty."""
        sequence = self.found.get(tag)
        if sequence is None:
            return []
        inner = IMPLICIT if sequence.vr == "UN" else self.encoding
        return [Attributes.scan(self.data, inner, *bounds) for bounds in items(self.data, self.encoding, sequence)]

    def item(self, tag: int, number: int = 0) -> "Attributes | None":
        """One item of a sequence, found without reading the others' content."""
        sequence = self.found.get(tag)
        if sequence is None:
            return None
        inner = IMPLICIT if sequence.vr == "UN" else self.encoding
        for index, bounds in enumerate(items(self.data, self.encoding, sequence)):
            if index == number:
                return Attributes.scan(self.data, inner, *bounds)
        return None


__all__ = [
    "DOUBLE_PIXELS",
    "EXPLICIT",
    "EXPLICIT_BIG",
    "FLOAT_PIXELS",
    "IMPLICIT",
    "ITEM",
    "ITEM_END",
    "LONG_VRS",
    "PIXEL_DATA",
    "PIXEL_TAGS",
    "SEQUENCE_END",
    "UNDEFINED",
    "Attributes",
    "Element",
    "Encoding",
    "Truncated",
    "elements",
    "items",
]
