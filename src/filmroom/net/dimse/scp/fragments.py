"""Answers of one query put together from remembered pieces: a day's worklist repeats most of its elements.

An element whose text is ASCII is written the same way in every answer (PS3.5 7.1); an answer with any other text goes
the long way, for its character set is a matter of the whole of it.
"""

from struct import pack
from typing import Any, Final

from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.transfersyntax import EXPLICIT_LE, IMPLICIT_LE

# Pieces of one query; a few times as many as a department's day has distinct values.
MAX_PIECES: Final = 20_000
_PLAIN_VRS: Final = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "PN", "SH", "TM", "UI"})
_LONGEST: Final = 1024
_CHARACTER_SET: Final = "00080005"
_ITEM: Final = b"\xfe\xff\x00\xe0"


class _TheLongWay(Exception):
    """This answer cannot be put together."""


class AnswerWriter:
    """Writes data sets in one transfer syntax and character set."""

    def __init__(self, transfer_syntax: str, charset: str) -> None:
        self._syntax = transfer_syntax
        self._charset = charset
        self._explicit = transfer_syntax == EXPLICIT_LE
        self._pieces: dict[Any, bytes] = {}
        self._heads: dict[tuple[str, str], bytes] = {}

    def write(self, answer: JsonDataset) -> bytes:
        """The data set, as ``json_to_dataset`` writes it."""
        if self._syntax in (EXPLICIT_LE, IMPLICIT_LE):
            try:
                return self._data_set(answer)
            except _TheLongWay:
                pass
        return json_to_dataset(answer, self._syntax, self._charset)

    def _data_set(self, dataset: JsonDataset) -> bytes:
        known, parts = self._pieces, []
        for name in sorted(dataset):
            element = dataset[name]
            values = element.get("Value")
            key: Any
            if not values:
                if len(element) > 1 and values is None:
                    raise _TheLongWay
                key = name
            elif element["vr"] == "SQ":
                parts.append(self._sequence(name, values))
                continue
            elif len(values) == 1:
                value = values[0]
                key = (name, value.get("Alphabetic"), len(value)) if isinstance(value, dict) else (name, value)
            else:
                key = (name, *map(repr, values))
            piece = known.get(key)
            if piece is None:
                piece = self._plain(name, element) or self._made(name, element)
                if len(known) < MAX_PIECES:
                    known[key] = piece
            parts.append(piece)
        return b"".join(parts)

    def _made(self, name: str, element: dict[str, Any]) -> bytes:
        for value in element.get("Value") or ():
            text = "".join(value.values()) if isinstance(value, dict) else str(value)
            if not text.isascii() or (isinstance(value, dict) and value.keys() != {"Alphabetic"}):
                raise _TheLongWay
        if name == _CHARACTER_SET:
            raise _TheLongWay
        return json_to_dataset({name: element}, self._syntax)

    def _plain(self, name: str, element: dict[str, Any]) -> bytes:
        """One short ASCII text, which most values that differ between answers are; b'' for anything else."""
        values = element.get("Value")
        if not values or len(values) != 1 or name == _CHARACTER_SET:
            return b""
        value = values[0]
        if isinstance(value, dict) and len(value) == 1:
            value = value.get("Alphabetic", "").rstrip("=")
        head = self._heads.get((name, element["vr"]))
        if head is None:
            head = self._heads[name, element["vr"]] = self._head(name, element["vr"])
        if not head or not isinstance(value, str) or len(value) > _LONGEST or not value.isascii():
            return b""
        data = value.encode()
        if len(data) % 2:
            data += b"\0" if element["vr"] == "UI" else b" "
        return head + pack("<H" if self._explicit else "<I", len(data)) + data

    def _head(self, name: str, vr: str) -> bytes:
        """What comes before the length of an element; b'' when its value is not plain text."""
        if vr not in _PLAIN_VRS:
            return b""
        return pack("<HH", int(name[:4], 16), int(name[4:], 16)) + (vr.encode() if self._explicit else b"")

    def _sequence(self, name: str, items: list[Any]) -> bytes:
        bodies = [self._data_set(item or {}) for item in items]
        value = b"".join(_ITEM + pack("<I", len(body)) + body for body in bodies)
        tag = pack("<HH", int(name[:4], 16), int(name[4:], 16))
        return tag + (b"SQ\0\0" if self._explicit else b"") + pack("<I", len(value)) + value
