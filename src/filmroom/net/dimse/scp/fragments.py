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
            parts.append(piece if piece is not None else self._made(key, name, element))
        return b"".join(parts)

    def _made(self, key: Any, name: str, element: dict[str, Any]) -> bytes:
        for value in element.get("Value") or ():
            text = "".join(value.values()) if isinstance(value, dict) else str(value)
            if not text.isascii() or (isinstance(value, dict) and value.keys() != {"Alphabetic"}):
                raise _TheLongWay
        if name == "00080005":
            raise _TheLongWay
        piece = self._plain(name, element) or json_to_dataset({name: element}, self._syntax)
        if len(self._pieces) < MAX_PIECES:
            self._pieces[key] = piece
        return piece

    def _plain(self, name: str, element: dict[str, Any]) -> bytes:
        """One short ASCII text, which most values that differ between answers are; b'' for anything else."""
        vr, values = element["vr"], element.get("Value") or []
        if vr not in _PLAIN_VRS or len(values) != 1:
            return b""
        value = values[0].get("Alphabetic", "").rstrip("=") if isinstance(values[0], dict) else values[0]
        if not isinstance(value, str) or len(value) > _LONGEST:
            return b""
        data = value.encode("ascii")
        if len(data) % 2:
            data += b"\0" if vr == "UI" else b" "
        tag = pack("<HH", int(name[:4], 16), int(name[4:], 16))
        return tag + (vr.encode() + pack("<H", len(data)) if self._explicit else pack("<I", len(data))) + data

    def _sequence(self, name: str, items: list[Any]) -> bytes:
        bodies = [self._data_set(item or {}) for item in items]
        value = b"".join(_ITEM + pack("<I", len(body)) + body for body in bodies)
        tag = pack("<HH", int(name[:4], 16), int(name[4:], 16))
        return tag + (b"SQ\0\0" if self._explicit else b"") + pack("<I", len(value)) + value
