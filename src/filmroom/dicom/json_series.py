"""DICOM JSON of the headers of one series: what stays the same from object to object is compared, not read.

Between two slices of a CT, some 20 of 250 elements change. After a few headers the elements that do not are joined into
runs, each with its JSON; a further header is then a comparison of memory per run, and only what changes is decoded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from filmroom.base.limits import BULK_VALUE_BYTES
from filmroom.dicom.dictionary import SHORT_VRS, VR_NAMES
from filmroom.dicom.elements import PIXEL_TAGS
from filmroom.dicom.json import BulkUri, JsonMaker, _Scope
from filmroom.dicom.json_values import fragment

# These govern how others are read: a header in which one of them changes is read anew.
_GOVERNING: Final = frozenset({0x00080005, 0x00280103})

# Elements that need no more than their own bytes to be read: explicit, with a 16-bit length, not US or SS by the sign.
PLAIN_VRS: Final = {vr: VR_NAMES[vr] for vr in SHORT_VRS}

# Headers longer than this (enhanced multi-frame) seldom come by the hundred; keeping copies of them is not worth it.
MAX_PLANNED_BYTES: Final = 1 << 17

# A series whose headers keep changing in new places is read plainly from here on.
MAX_MISSES: Final = 40


@dataclass(slots=True)
class _Piece:
    """One element of the planned header, or a run of them. ``text`` is b'' for what is left out of the JSON."""

    key: int
    data: bytes
    text: bytes
    fixed: bool


class SeriesJsonMaker(JsonMaker):
    """A JsonMaker that expects each header to be much like the one before. Same results, several times faster."""

    def __init__(
        self,
        transfer_syntax: str,
        *,
        bulk_bytes: int = BULK_VALUE_BYTES,
        default_charset: str = "",
        added: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        """``added`` are attributes (DICOM JSON elements by tag) that every object is given."""
        super().__init__(transfer_syntax, bulk_bytes=bulk_bytes, default_charset=default_charset)
        self._added = {f"{tag:08X}": element for tag, element in (added or {}).items()}
        self._elements: list[_Piece] = []
        self._runs: list[_Piece] = []
        self._planned_scope: _Scope | None = None
        self._misses = 0

    def make(
        self,
        data: bytes,
        bulk_uri: BulkUri | None = None,
        patch: Mapping[str, Mapping[str, Any] | None] | None = None,
    ) -> bytes:
        """As JsonMaker.make."""
        if patch or self._deflated or len(data) > MAX_PLANNED_BYTES or self._misses > MAX_MISSES:
            return super().make(data, bulk_uri, {**self._added, **(patch or {})})
        self._bulk_uri = bulk_uri
        if self._runs:
            texts = self._by_runs(data)
            if texts is not None:
                return b"{" + b",".join(texts) + b"}"
            self._misses += 1
        return self._plan(data, bulk_uri)

    def _by_runs(self, data: bytes) -> list[bytes] | None:
        """The fragments of a header that differs from the plan only where others did before; None otherwise."""
        scope, end, position = self._planned_scope, len(data), 0
        assert scope is not None
        explicit, texts, out = self._layout.explicit, list[bytes](), dict[int, bytes]()
        key_of, charset, big_endian = self._layout.key, scope.charset, self._layout.big_endian
        for piece in self._runs:
            if piece.fixed:
                if not data.startswith(piece.data, position):
                    return None
                position += len(piece.data)
                if piece.text:
                    texts.append(piece.text)
                continue
            if position + 8 > end:
                return None
            key, vr, length = explicit(data, position)
            if key != piece.key:
                return None
            after = position + 8 + length
            if vr in PLAIN_VRS and piece.text and not scope.implicit and after <= end:
                value = data[position + 8 : after]
                texts.append(b'"%08X":%b' % (key_of(key), fragment(PLAIN_VRS[vr], value, charset, big_endian)))
                position = after
                continue
            position = self._element(data, position, end, scope, out, (), 0)
            text = out.get(piece.key)
            if text:
                texts.append(text)
        return texts if position == end else None

    def _plan(self, data: bytes, bulk_uri: BulkUri | None) -> bytes:
        """Read a header plainly, and lay the plan by it and by what was seen to change before."""
        scope = self._scope(self._default, self._implicit_in(data), False, False)
        end, position, pieces = len(data), 0, list[_Piece]()
        out: dict[int, bytes] = {}
        while position + 8 <= end:
            key, start, before = self._layout.explicit(data, position)[0], position, len(out)
            self._bulk_seen = False
            position = self._element(data, position, end, scope, out, (), 0)
            grown = len(out) > before
            pieces.append(_Piece(key, data[start:position], out.get(key, b"") if grown else b"", not self._bulk_seen))
        body = b",".join(out.values())
        keys = {piece.key for piece in pieces}
        self._runs = []
        if (
            len(keys) < len(pieces)
            or position != end
            or (not body.isascii() and self._governing(0x00080005) not in keys)
        ):
            # Repeated, torn or unmarked: rare enough to be read plainly each time.
            return super().make(data, bulk_uri, self._added)
        pieces = self._with_added(pieces)
        self._mark_changes(pieces)
        self._elements, self._planned_scope = pieces, scope
        self._runs = _joined(pieces)
        return b"{" + b",".join(piece.text for piece in pieces if piece.text) + b"}"

    def _with_added(self, pieces: list[_Piece]) -> list[_Piece]:
        """The added attributes as pieces of no bytes, in their places by tag, instead of the object's own."""
        own = [piece for piece in pieces if f"{self._layout.key(piece.key):08X}" not in self._added]
        if len(own) < len(pieces):
            own = [piece if piece in own else replace(piece, text=b"", fixed=True) for piece in pieces]
        for name, element in self._added.items():
            tag = int(name, 16)
            place = next((n for n, p in enumerate(own) if self._layout.key(p.key) > tag), len(own))
            text = b'"%b":%b' % (name.encode(), orjson.dumps(element))
            own.insert(place, _Piece(self._layout.key(tag), b"", text, True))
        return own

    def _mark_changes(self, pieces: list[_Piece]) -> None:
        known = {piece.key: piece for piece in self._elements}
        governing = {self._governing(tag) for tag in _GOVERNING}
        if any((each := known.get(p.key)) is not None and each.data != p.data for p in pieces if p.key in governing):
            return  # another character set: what changed before says nothing
        for piece in pieces:
            before = known.get(piece.key)
            if self._layout.key(piece.key) in PIXEL_TAGS or (before is not None and self._changes(before, piece)):
                piece.fixed = piece.key in governing

    @staticmethod
    def _changes(before: _Piece, now: _Piece) -> bool:
        return not before.fixed or before.data != now.data

    def _governing(self, tag: int) -> int:
        return self._layout.key(tag)


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    runs: list[_Piece] = []
    group: list[_Piece] = []
    for piece in [*pieces, None]:
        if piece is not None and piece.fixed:
            group.append(piece)
            continue
        if group:
            text = b",".join(each.text for each in group if each.text)
            runs.append(_Piece(group[0].key, b"".join(each.data for each in group), text, True))
            group = []
        if piece is not None:
            runs.append(piece)
    return runs
