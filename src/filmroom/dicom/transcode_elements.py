"""Write elements in another encoding without looking at what they mean: every element survives, private ones too.

From implicit VR, the VR comes from PS3.6; what PS3.6 does not know becomes UN (PS3.5 6.2.2). Group lengths are left
out: they are retired and would be wrong.
"""

import struct
from collections.abc import Mapping

from pydicom.datadict import dictionary_VR

from filmroom.base.errors import LimitReached, Unsupported
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.pixels_elements import (
    IMPLICIT,
    ITEM,
    LONG_VRS,
    PIXEL_TAGS,
    UNDEFINED,
    Element,
    Encoding,
    elements,
    items,
)
from filmroom.dicom.pixels_object import swap

_WIDTHS = {"US": 2, "SS": 2, "OW": 2, "AT": 2} | dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), 4)
_WIDTHS |= dict.fromkeys(("FD", "SV", "UV", "OV", "OD"), 8)
_MAX_LENGTH = 0xFFFFFFFE
_PIXEL_REPRESENTATION = 0x00280103


def element(tag: int, vr: str, value: bytes, encoding: Encoding) -> bytes:
    """One element; the value is padded to even length (PS3.5 7.1.1)."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    return element_header(tag, vr, len(value), encoding) + value


def element_header(tag: int, vr: str, length: int, encoding: Encoding) -> bytes:
    """An element without its value. A value too long for its VR's 16-bit length becomes UN (PS3.5 6.2.2)."""
    if length > _MAX_LENGTH and length != UNDEFINED:
        raise Unsupported("the value is longer than an element can be")
    order = ">" if encoding.big else "<"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if encoding.implicit:
        return head + struct.pack(order + "I", length)
    if vr not in LONG_VRS and length > 0xFFFF:
        vr = "UN"
    if vr in LONG_VRS:
        return head + vr.encode("ascii") + b"\0\0" + struct.pack(order + "I", length)
    return head + vr.encode("ascii") + struct.pack(order + "H", length)


def rewrite(
    data: bytes | memoryview,
    source: Encoding,
    target: Encoding,
    edits: Mapping[int, bytes | None] | None = None,
    *,
    signed: bool = False,
) -> bytes:
    """The elements of a data set in another encoding, up to its pixels.

    ``edits`` are whole elements, already in the target encoding, to stand in place of those of the data set or to be
    added; None leaves one out. ``signed`` settles VRs that depend on Pixel Representation.
    """
    pending = dict(sorted((edits or {}).items()))
    out = bytearray()
    for each in elements(data, source, stop_at_pixels=True):
        for tag in [tag for tag in pending if tag < each.tag]:
            out += pending.pop(tag) or b""
        if each.tag in pending:
            out += pending.pop(each.tag) or b""
        elif each.tag in PIXEL_TAGS:
            break
        elif each.tag & 0xFFFF:
            out += _converted(data, each, source, target, signed, 0)
    for tag in list(pending):
        out += pending.pop(tag) or b""
    return bytes(out)


def _converted(
    data: bytes | memoryview, each: Element, source: Encoding, target: Encoding, signed: bool, depth: int
) -> bytes:
    if source == target and (each.vr or source.implicit):
        return bytes(data[each.start : each.end])
    if depth > MAX_SEQUENCE_DEPTH:
        raise LimitReached("sequences are nested too deeply")
    if each.tag in PIXEL_TAGS and each.undefined:
        raise Unsupported("compressed pixels inside a sequence cannot be written in this transfer syntax")
    length = each.value_end - each.value
    vr = each.vr or _resolved(each.tag, length, signed)
    if vr == "SQ" or each.undefined:
        return _sequence(data, each, source, target, signed, depth)
    value = bytes(data[each.value : each.value_end])
    if source.big != target.big:
        value = swap(value, _WIDTHS.get(vr, 1))
    return element_header(each.tag, vr, length, target) + value


def _sequence(
    data: bytes | memoryview, each: Element, source: Encoding, target: Encoding, signed: bool, depth: int
) -> bytes:
    inner = IMPLICIT if each.vr == "UN" else source
    order = ">" if target.big else "<"
    body = bytearray()
    for start, stop in items(data, source, each):
        content = b"".join(
            _converted(data, below, inner, target, signed, depth + 1)
            for below in elements(data, inner, start, stop)
            if below.tag & 0xFFFF
        )
        body += struct.pack(order + "HHI", ITEM >> 16, ITEM & 0xFFFF, len(content)) + content
    return element_header(each.tag, "SQ", len(body), target) + body


def _resolved(tag: int, length: int, signed: bool) -> str:
    """The VR of an element written without one; where PS3.6 allows several, by Pixel Representation and length."""
    try:
        choices = dictionary_VR(tag).split(" or ")
    except KeyError:
        return vr_of(tag)
    if len(choices) == 1:
        return choices[0]
    if "OW" in choices and (length > 2 or "OB" in choices):
        return "OW"
    return "SS" if signed and "SS" in choices else choices[0]
