"""Raw elements, and the numbers that say how to find one in a stream of bytes (PS3.5 chapter 7)."""

from struct import Struct
from typing import Final, NamedTuple

from filmroom.dicom.transfersyntax import TransferSyntax

UNDEFINED: Final = 0xFFFFFFFF

ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
SPECIFIC_CHARACTER_SET: Final = 0x00080005
# Pixel data in their three forms: float, double float, integer (PS3.3 C.7.6.24, C.7.6.25, C.7.6.3).
PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})


class RawElement(NamedTuple):
    """One element as it stood in the stream. ``vr`` is what the stream says, or the dictionary's for implicit VR.

    The value of a sequence is its items without the sequence delimitation item.
    """

    tag: int
    vr: str
    value: bytes


class Layout:
    """How elements are written under one byte order: unpackers and tag keys.

    A *key* is the tag's four bytes read as one 32-bit number in the stream's byte order; comparing keys spares
    putting each tag together.
    """

    __slots__ = ("big_endian", "explicit", "implicit", "item", "item_end", "sequence_end", "u16", "u32")

    def __init__(self, big_endian: bool) -> None:
        order = ">" if big_endian else "<"
        self.big_endian = big_endian
        self.explicit = Struct(order + "I2sH").unpack_from
        self.implicit = Struct(order + "II").unpack_from
        self.u32 = Struct(order + "I").unpack_from
        self.u16 = Struct(order + "H").unpack_from
        self.item, self.item_end, self.sequence_end = (self.key(tag) for tag in (ITEM, ITEM_END, SEQUENCE_END))

    def key(self, tag: int) -> int:
        """A tag as key; its own inverse."""
        return tag if self.big_endian else swap(tag)


def swap(tag: int) -> int:
    """Exchange group and element number: a little endian key's tag, a tag's little endian key."""
    return tag >> 16 | (tag & 0xFFFF) << 16


LITTLE: Final = Layout(False)
BIG: Final = Layout(True)


def layout_of(syntax: TransferSyntax) -> Layout:
    """The layout that a transfer syntax is written in."""
    return BIG if syntax.big_endian else LITTLE
