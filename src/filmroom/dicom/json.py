"""Data sets as DICOM JSON (PS3.18 annex F), made fast for series whose headers repeat each other.

Left out: group 2, group lengths, and what stands after the pixel data. (0008,0005) becomes ISO_IR 192, for the text is
UTF-8 now. A private element of unknown VR stays UN with its bytes; a public one that was sent as UN gets its own VR.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import BULK_VALUE_BYTES, MAX_EXPANSION_RATIO, MAX_SEQUENCE_DEPTH
from filmroom.dicom.charset import CharacterSet, character_set
from filmroom.dicom.dictionary import AMBIGUOUS_TAGS, LONG_VRS, SHORT_VRS, VR_NAMES, vr_of
from filmroom.dicom.elements import PIXEL_TAGS, UNDEFINED, RawElement, layout_of
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.json_values import BINARY_VRS, empty, fragment
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, lookup

__all__ = [
    "BulkUri",
    "ElementPath",
    "JsonMaker",
    "dataset_to_json",
    "elements_to_json",
    "inflate",
    "json_to_dataset",
]

# Tags and item numbers from the outside in: (tag,) or (sequence, item from 0, tag, ...).
ElementPath = tuple[int, ...]
BulkUri = Callable[[ElementPath], str]

# Text and numbers stay in the document up to this length: a 16-bit lookup table has 128 KiB.
INLINE_VALUE_BYTES: Final = 1 << 18
# Elements longer than this are decoded anew each time; memory for the memo matters more than their seldom repeats.
_MEMO_ELEMENT_BYTES = 4096
# Fragments remembered per character set. A CT series has about 250 constant ones and 20 that change with each image.
_MEMO_ENTRIES = 50_000

_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103
_UTF8_FRAGMENT: Final = b'"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
_INFLATE_ALLOWANCE = 1 << 20

_Memo = dict[bytes, bytes]


class _Scope:
    """What governs the decoding of one data set or item: character set, VR encoding, sign of US-or-SS values."""

    __slots__ = ("charset", "from_un", "implicit", "memo", "signed")

    def __init__(self, charset: CharacterSet, implicit: bool, from_un: bool, signed: bool, memo: _Memo) -> None:
        self.charset = charset
        self.implicit = implicit
        self.from_un = from_un
        self.signed = signed
        self.memo = memo


class JsonMaker:
    """Turn headers into DICOM JSON bytes, remembering each element's fragment by the element's own bytes."""

    def __init__(self, transfer_syntax: str, *, bulk_bytes: int = BULK_VALUE_BYTES, default_charset: str = "") -> None:
        syntax = lookup(transfer_syntax)
        self._layout = layout_of(syntax)
        self._implicit = syntax.implicit
        self._deflated = syntax.deflated
        self._bulk_bytes = bulk_bytes
        self._default = character_set("", default_charset)
        self._default_charset = default_charset
        self._memos: dict[tuple[CharacterSet, bool, bool, bool], _Memo] = {}
        self._sequences: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        self._bulk_uri: BulkUri | None = None
        self._bulk_seen = False

    def make(
        self,
        data: bytes,
        bulk_uri: BulkUri | None = None,
        patch: Mapping[str, Mapping[str, Any] | None] | None = None,
    ) -> bytes:
        """One data set, or its part up to and including the pixel element's first 12 bytes, as a JSON object.

        ``bulk_uri`` answers the address of a value that is not carried; without it such elements keep only their VR.
        ``patch`` replaces, adds or (None) removes top-level attributes. Never raises for what HeaderTap accepted;
        what is torn off at the end is left out.
        """
        if self._deflated:
            data = inflate(data)
        self._bulk_uri = bulk_uri
        scope = self._scope(self._default, self._implicit_in(data), False, False)
        out: dict[int, bytes] = {}
        self._data_set(data, 0, len(data), scope, out, (), 0)
        key = self._layout.key
        for name, element in (patch or {}).items():
            out.pop(key(int(name, 16)), None)
            if element is not None:
                out[key(int(name, 16))] = b'"%b":%b' % (name.encode(), orjson.dumps(element))
        body = b",".join(out.values())
        if not body.isascii() and key(_CHARACTER_SET) not in out:
            body = _UTF8_FRAGMENT + b"," + body
        return b"{" + body + b"}"

    def element(self, element: RawElement, charset: CharacterSet) -> bytes:
        """One element that was cut out of its data set; b'' when it is left out. Remembers nothing."""
        tag, vr, value = element
        if vr == "UN" and value:
            vr = vr_of(tag)
        scope = _Scope(charset, self._implicit or element.vr == "UN", element.vr == "UN", False, {})
        if vr != "SQ":
            return self._text(tag, vr, value, scope)
        items, _ = self._items(value, 0, len(value), scope, (tag,), 1, False)
        return b'"%08X":{"vr":"SQ","Value":[%b]}' % (tag, b",".join(items)) if items else b'"%08X":{"vr":"SQ"}' % tag

    def _implicit_in(self, data: bytes) -> bool:
        """What the first element looks like has the last word, as in HeaderTap."""
        vr = data[4:6]
        known = vr in SHORT_VRS or vr in LONG_VRS
        return not known if known or not (vr.isalpha() and vr.isupper()) else self._implicit

    def _scope(self, charset: CharacterSet, implicit: bool, from_un: bool, signed: bool) -> _Scope:
        memo = self._memos.setdefault((charset, implicit, from_un, signed), {})
        if len(memo) > _MEMO_ENTRIES:
            memo.clear()
        return _Scope(charset, implicit, from_un, signed, memo)

    def _data_set(
        self, data: bytes, start: int, end: int, scope: _Scope, out: dict[int, bytes], path: ElementPath, depth: int
    ) -> int:
        """Write the elements of a data set or item into ``out``; return where it ended (item end consumed)."""
        layout, memo = self._layout, scope.memo
        explicit, u32, item_end, sequence_end = layout.explicit, layout.u32, layout.item_end, layout.sequence_end
        short, long, most = SHORT_VRS, LONG_VRS, _MEMO_ELEMENT_BYTES
        plain_implicit = scope.implicit and not scope.from_un
        position, last = start, end - 8
        while position <= last:
            key, vr, length = explicit(data, position)
            after = position  # what is not plain is left to the slower reader
            if plain_implicit:
                length = u32(data, position + 4)[0]
                if length <= most:
                    after = position + 8 + length
            elif vr in short:
                after = position + 8 + length
            elif not length and vr in long and position + 12 <= end:
                length = u32(data, position + 8)[0]
                if length <= most:
                    after = position + 12 + length
            known = memo.get(data[position:after])
            if known is not None:
                if known:
                    out[key] = known
                position = after
                continue
            if depth and key == item_end:
                return position + 8
            if depth and key == sequence_end:
                return position
            position = self._element(data, position, end, scope, out, path, depth)
            memo = scope.memo
        return end

    def _element(
        self, data: bytes, position: int, end: int, scope: _Scope, out: dict[int, bytes], path: ElementPath, depth: int
    ) -> int:
        """Write one element that the memo does not know; return where the next one begins."""
        key, vr, value, length = self._read(data, position, end, scope)
        tag = self._layout.key(key)
        undefined = length == UNDEFINED
        if vr == "UN" and (undefined or not tag & 0x10000 or 0x10 <= tag & 0xFFFF <= 0xFF):
            vr, inside_un = "SQ" if undefined and tag not in PIXEL_TAGS else vr_of(tag), True
        else:
            inside_un = scope.from_un
        if undefined and vr not in BINARY_VRS:
            vr = "SQ"
        here = (*path, tag)
        if vr == "SQ":
            inner = scope if inside_un == scope.from_un else self._scope(scope.charset, True, True, scope.signed)
            return self._sequence(data, position, value, length, end, inner, out, here, depth)
        after = self._skip_fragments(data, value, end) if undefined else value + length
        torn = after > end
        bulk = torn or undefined or tag in PIXEL_TAGS or length > self._inline_limit(vr)
        text = self._bulk(vr, here) if bulk else self._text(tag, vr, data[value:after], scope)
        if torn and tag not in PIXEL_TAGS:
            return end
        if text:
            out[key] = text
        if not bulk and after - position <= _MEMO_ELEMENT_BYTES and tag not in (_CHARACTER_SET, _PIXEL_REPRESENTATION):
            scope.memo[data[position:after]] = text
        return min(after, end)

    def _read(self, data: bytes, position: int, end: int, scope: _Scope) -> tuple[int, str, int, int]:
        """Key, VR, value position and length of the element at ``position`` (8 bytes are there)."""
        layout = self._layout
        key, vr, length = layout.explicit(data, position)
        name = VR_NAMES.get(vr)
        implicit = scope.implicit and not (scope.from_un and name is not None and (vr in SHORT_VRS or length == 0))
        odd = not implicit and name is None and not (vr.isalpha() and vr.isupper())
        if implicit or odd:
            return key, self._implicit_vr(layout.key(key), scope), position + 8, layout.u32(data, position + 4)[0]
        if vr in SHORT_VRS or (name is None and length):
            return key, name or vr_of(layout.key(key)), position + 8, length
        if position + 12 > end:
            return key, name or "UN", end, 1  # torn
        return key, name or "UN", position + 12, layout.u32(data, position + 8)[0]

    @staticmethod
    def _implicit_vr(tag: int, scope: _Scope) -> str:
        vr = vr_of(tag)
        return "SS" if vr == "US" and scope.signed and tag in AMBIGUOUS_TAGS else vr

    def _inline_limit(self, vr: str) -> int:
        return self._bulk_bytes if vr in BINARY_VRS else max(self._bulk_bytes, INLINE_VALUE_BYTES)

    def _text(self, tag: int, vr: str, value: bytes, scope: _Scope) -> bytes:
        """The fragment of an element that is carried, b'' for one that is left out."""
        if not tag & 0xFFFF or tag >> 16 in (0x0000, 0x0002, 0xFFFE):
            return b""
        if tag == _CHARACTER_SET:
            charset = character_set(value, self._default_charset)
            renewed = self._scope(charset, scope.implicit, scope.from_un, scope.signed)
            scope.charset, scope.memo = charset, renewed.memo
            return _UTF8_FRAGMENT
        if tag == _PIXEL_REPRESENTATION and value[:2] in (b"\x01\0", b"\0\x01") and not scope.signed:
            scope.signed = True
            scope.memo = self._scope(scope.charset, scope.implicit, scope.from_un, True).memo
        big_endian = self._layout.big_endian and not scope.from_un
        return b'"%08X":%b' % (tag, fragment(vr, value, scope.charset, big_endian))

    def _bulk(self, vr: str, path: ElementPath) -> bytes:
        self._bulk_seen = True
        if self._bulk_uri is None:
            return b'"%08X":%b' % (path[-1], empty(vr))
        uri = orjson.dumps(self._bulk_uri(path))
        return b'"%08X":{"vr":"%b","BulkDataURI":%b}' % (path[-1], vr.encode(), uri)

    def _sequence(
        self,
        data: bytes,
        position: int,
        value: int,
        length: int,
        end: int,
        scope: _Scope,
        out: dict[int, bytes],
        path: ElementPath,
        depth: int,
    ) -> int:
        """Write a sequence; one of undefined length is recognised by the bytes it had in the object before."""
        key, undefined = self._layout.key(path[-1]), length == UNDEFINED
        known = self._sequences.get((id(scope.memo), key)) if undefined and depth == 0 else None
        if known is not None and data.startswith(known[0], position):
            out[key] = known[1]
            return position + len(known[0])
        limit = end if undefined else min(value + length, end)
        seen_before, self._bulk_seen = self._bulk_seen, False
        items, after = self._items(data, value, limit, scope, path, depth + 1, undefined)
        text = b'"%08X":{"vr":"SQ","Value":[%b]}' % (path[-1], b",".join(items)) if items else b""
        out[key] = text or b'"%08X":{"vr":"SQ"}' % path[-1]
        if not self._bulk_seen:
            if undefined and depth == 0:
                self._sequences[id(scope.memo), key] = (data[position:after], out[key])
            elif not undefined and after - position <= _MEMO_ELEMENT_BYTES and after < end:
                scope.memo[data[position:after]] = out[key]
        self._bulk_seen |= seen_before
        return after

    def _items(
        self, data: bytes, position: int, end: int, scope: _Scope, path: ElementPath, depth: int, undefined: bool
    ) -> tuple[list[bytes], int]:
        """The items of a sequence as JSON objects, and where it ended. Deeper than the limit they are left out."""
        layout, items = self._layout, list[bytes]()
        while position + 8 <= end:
            key, length = layout.implicit(data, position)
            if key == layout.sequence_end:
                return items, position + 8
            if key != layout.item:
                return items, position if undefined else end
            start = position + 8
            stop = end if length == UNDEFINED else min(start + length, end)
            if depth > MAX_SEQUENCE_DEPTH:
                if length == UNDEFINED:
                    return items, end
                position = stop
                continue
            inner: dict[int, bytes] = {}
            own = _Scope(scope.charset, scope.implicit, scope.from_un, scope.signed, scope.memo)
            position = self._data_set(data, start, stop, own, inner, (*path, len(items)), depth)
            items.append(b"{" + b",".join(inner.values()) + b"}")
        return items, end

    def _skip_fragments(self, data: bytes, position: int, end: int) -> int:
        """Past the fragments of encapsulated pixel data (PS3.5 A.4)."""
        layout = self._layout
        while position + 8 <= end:
            key, length = layout.implicit(data, position)
            if key != layout.item or length == UNDEFINED:
                return position + 8
            position += 8 + length
        return end


def dataset_to_json(
    data: bytes | memoryview,
    transfer_syntax: str,
    *,
    bulk_uri: BulkUri | None = None,
    bulk_bytes: int = BULK_VALUE_BYTES,
    default_charset: str = "",
) -> JsonDataset:
    """A whole data set, or its header, as a DICOM JSON dictionary."""
    maker = JsonMaker(transfer_syntax, bulk_bytes=bulk_bytes, default_charset=default_charset)
    result: JsonDataset = orjson.loads(maker.make(bytes(data), bulk_uri))
    return result


def elements_to_json(
    elements: Iterable[RawElement], implicit: bool, big_endian: bool, charset: CharacterSet
) -> JsonDataset:
    """Elements that a header tap kept as a DICOM JSON dictionary; sequences are read in the header's encoding."""
    maker = _MAKERS[implicit, big_endian]
    parts = [maker.element(element, charset) for element in elements]
    result: JsonDataset = orjson.loads(b"{" + b",".join(part for part in parts if part) + b"}")
    return result


# They keep no memo of elements, so they hold nothing.
_MAKERS: Final = {
    (True, False): JsonMaker(IMPLICIT_LE),
    (False, False): JsonMaker(EXPLICIT_LE),
    (False, True): JsonMaker(EXPLICIT_BE),
    (True, True): JsonMaker(EXPLICIT_BE),
}


def inflate(data: bytes) -> bytes:
    """A deflated data set in full (PS3.5 A.5). Raises NotReadable, or LimitReached when it grows out of measure."""
    limit = _INFLATE_ALLOWANCE + len(data) * MAX_EXPANSION_RATIO
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        whole = inflater.decompress(data, limit)
    except zlib.error as fault:
        raise NotReadable(f"the deflated data set cannot be inflated ({fault})") from None
    if inflater.unconsumed_tail:
        raise LimitReached(f"the deflated data set grows more than {MAX_EXPANSION_RATIO} fold")
    return whole
