"""DICOM JSON back to a data set (PS3.18 F.2, PS3.5 chapter 7): C-FIND answers, STOW metadata, corrected headers."""

import base64
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from struct import pack
from typing import Any, Final

from filmroom.base.errors import NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.charset import ASCII_ONLY, TEXT_VRS, UTF8, UTF8_TERM, CharacterSet, character_set
from filmroom.dicom.dictionary import LONG_VRS, SHORT_VRS, vr_of
from filmroom.dicom.json_values import BINARY_VRS, swapped
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.transfersyntax import lookup

_CHARACTER_SET: Final = "00080005"
_FORMATS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_UNITS: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_PLAIN_VRS: Final = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI"})
# DS holds at most 16 characters (PS3.5 table 6.2-1).
_DECIMAL_BYTES = 16
_LONGEST_SHORT = 0xFFFE

Bulk = Callable[[str], bytes]


def json_to_dataset(
    dataset: JsonDataset, transfer_syntax: str, charset: str = "", *, bulk: Bulk | None = None
) -> bytes:
    """The data set, tags ascending, lengths even and defined, in any transfer syntax (deflated ones deflated).

    Text is written in ``charset`` ((0008,0005) as a peer says it) when that can hold all of it, else in UTF-8; then
    (0008,0005) says which, unless all is ASCII. ``bulk`` answers the bytes of a BulkDataURI; without it such elements
    stay empty. Raises NotReadable when ``dataset`` is not DICOM JSON.
    """
    syntax = lookup(transfer_syntax)
    try:
        wanted = character_set(charset)
        writer = _Writer(wanted, syntax.implicit, syntax.big_endian, bulk)
        body = writer.data_set(dataset, 0)
        if body is None:
            writer = _Writer(UTF8, syntax.implicit, syntax.big_endian, bulk)
            body = writer.data_set(dataset, 0) or b""
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, struct.error) as fault:
        raise NotReadable(f"not DICOM JSON ({type(fault).__name__})") from None
    if not syntax.deflated:
        return body
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(body) + deflate.flush()


def encode_elements(dataset: JsonDataset, transfer_syntax: str, charset: CharacterSet) -> bytes | None:
    """Elements that are to stand in a data set whose character set is given; None when that cannot hold their text.

    (0008,0005) is not among them, whatever ``dataset`` says. Not deflated. Raises NotReadable.
    """
    syntax = lookup(transfer_syntax)
    try:
        return _Writer(charset, syntax.implicit, syntax.big_endian, None).elements(dataset)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, struct.error) as fault:
        raise NotReadable(f"not DICOM JSON ({type(fault).__name__})") from None


class AnswersEncoder:
    """Encodes data sets that have much in common one after another, each as ``json_to_dataset`` does.

    An element that is the same object as in the data set before is not encoded again. ``otherwise`` names the character
    set for answers that ``charset`` cannot hold. Deflated transfer syntaxes are not for it.
    """

    def __init__(self, transfer_syntax: str, charset: str, otherwise: str = UTF8_TERM) -> None:
        syntax = lookup(transfer_syntax)
        self._writer = _Writer(character_set(charset), syntax.implicit, syntax.big_endian, None)
        self._declared = self._writer.character_set()
        self._before: dict[str, tuple[Mapping[str, Any], bytes, bool]] = {}
        known = character_set(charset).values == character_set(otherwise).values
        self._next = (transfer_syntax, UTF8_TERM if known else otherwise)
        self._second: AnswersEncoder | None = None

    def encode(self, dataset: JsonDataset) -> bytes:
        """One data set. Raises NotReadable when ``dataset`` is not DICOM JSON."""
        try:
            return self._encode(dataset)
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError, struct.error) as fault:
            raise NotReadable(f"not DICOM JSON ({type(fault).__name__})") from None

    def _encode(self, dataset: JsonDataset) -> bytes:
        parts: list[bytes] = []
        before, plain, early = self._before, True, 0
        for name in sorted(dataset):
            if name <= _CHARACTER_SET:
                if name == _CHARACTER_SET:
                    continue
                early += 1
            element = dataset[name]
            known = before.get(name)
            if known is None or known[0] is not element:
                written = self._writer.one(name, element)
                if written is None:
                    return self._in_another(dataset)
                known = before[name] = (element, *written)
            parts.append(known[1])
            plain = plain and known[2]
        if not plain:
            parts.insert(early, self._declared)
        return b"".join(parts)

    def _in_another(self, dataset: JsonDataset) -> bytes:
        if self._second is None:
            self._second = AnswersEncoder(*self._next)
        return self._second.encode(dataset)


class _Unwritable(Exception):
    """A character has no place in the wanted character set."""


class _Writer:
    """One attempt to write a data set in one character set."""

    def __init__(self, charset: CharacterSet, implicit: bool, big_endian: bool, bulk: Bulk | None) -> None:
        self._charset = charset
        self._implicit = implicit
        self._big_endian = big_endian
        self._order = ">" if big_endian else "<"
        self._bulk = bulk
        self._plain = True  # nothing beyond ASCII was written

    def data_set(self, dataset: JsonDataset, depth: int) -> bytes | None:
        """The encoded elements; None when the character set cannot hold them."""
        try:
            body = self._elements(dataset, depth)
        except _Unwritable:
            return None
        if self._plain:
            return body
        declared = self.character_set()
        at = self._before(dataset)
        return body[:at] + declared + body[at:] if at else declared + body

    def one(self, name: str, element: Mapping[str, Any]) -> tuple[bytes, bool] | None:
        """One encoded element, and whether it is all ASCII; None when the character set cannot hold it."""
        self._plain = True
        try:
            return self._one(name, element, 0), self._plain
        except _Unwritable:
            return None

    def character_set(self) -> bytes:
        """The element (0008,0005)."""
        return self._element(_CHARACTER_SET, "CS", _even("\\".join(self._charset.values).encode("ascii"), b" "))

    def elements(self, dataset: JsonDataset) -> bytes | None:
        """The encoded elements and nothing else; None when the character set cannot hold them."""
        try:
            return self._elements(dataset, 0)
        except _Unwritable:
            return None

    def _before(self, dataset: JsonDataset) -> int:
        """How many bytes stand before (0008,0005); nearly always none."""
        early = {name: element for name, element in dataset.items() if name < _CHARACTER_SET}
        return len(self._elements(early, 0)) if early else 0

    def _elements(self, dataset: JsonDataset, depth: int) -> bytes:
        if depth > MAX_SEQUENCE_DEPTH:
            raise NotReadable(f"sequences are nested deeper than {MAX_SEQUENCE_DEPTH}")
        return b"".join([self._one(name, dataset[name], depth) for name in sorted(dataset) if name != _CHARACTER_SET])

    def _one(self, name: str, element: Mapping[str, Any], depth: int) -> bytes:
        vr = element.get("vr") or vr_of(int(name, 16))
        values = element.get("Value")
        if vr in _PLAIN_VRS and values and len(values) == 1 and isinstance(values[0], str) and values[0].isascii():
            value = values[0].encode("ascii")  # what most elements of an answer are
            if len(value) % 2:
                value += b"\0" if vr == "UI" else b" "
        else:
            value = self._value(vr, element, depth)
        return self._element(name, vr, value)

    def _element(self, name: str, vr: str, value: bytes) -> bytes:
        length = len(value)
        if self._implicit:
            return _tag_bytes(name, self._big_endian) + pack(self._order + "I", length) + value
        start, long = _start(name, vr, self._big_endian)
        if long:
            return start + pack(self._order + "I", length) + value
        if length > _LONGEST_SHORT:  # too long for its VR: UN has room (PS3.5 6.2.2 note 2)
            return _start(name, "UN", self._big_endian)[0] + pack(self._order + "I", length) + value
        return start + pack(self._order + "H", length) + value

    def _value(self, vr: str, element: Mapping[str, Any], depth: int) -> bytes:
        values = element.get("Value")
        if not values:
            return self._binary(vr, element) if len(element) > 1 else b""
        if vr == "SQ":
            return b"".join(self._item(item or {}, depth + 1) for item in values)
        code = _FORMATS.get(vr)
        if code is not None:
            return self._numbers(code, values)
        if vr == "PN":
            return self._text("\\".join(map(_name, values)), vr)
        if vr in ("DS", "IS"):
            return _even("\\".join(map(_decimal, values)).encode("ascii", "replace"), b" ")
        if vr == "AT":
            return b"".join(_tag_bytes(one, self._big_endian) for one in values)
        return self._text("\\".join("" if one is None else str(one) for one in values), vr)

    def _item(self, item: JsonDataset, depth: int) -> bytes:
        body = self._elements(item, depth)
        return _tag_bytes("FFFEE000", self._big_endian) + pack(self._order + "I", len(body)) + body

    def _numbers(self, code: str, values: Sequence[Any]) -> bytes:
        read: type = float if code in "fd" else int
        return pack(f"{self._order}{len(values)}{code}", *[read(one or 0) for one in values])

    def _text(self, text: str, vr: str) -> bytes:
        pad = b"\0" if vr == "UI" else b" "
        if text.isascii():
            return _even(text.encode("ascii"), pad)
        charset = self._charset if vr in TEXT_VRS else ASCII_ONLY
        raw = charset.encode(text, vr)
        if raw is None:
            if vr in TEXT_VRS:
                raise _Unwritable
            raw = text.encode("ascii", "replace")
        elif vr in TEXT_VRS:
            self._plain = False
        return _even(raw, pad)

    def _binary(self, vr: str, element: Mapping[str, Any]) -> bytes:
        if "InlineBinary" in element:
            inline = element["InlineBinary"]
            value = base64.b64decode(inline[0] if isinstance(inline, list) else inline)
        elif "BulkDataURI" in element and self._bulk is not None:
            value = self._bulk(element["BulkDataURI"])
        else:
            return b""
        if self._big_endian and vr in _UNITS:
            value = swapped(value, _UNITS[vr])
        return _even(value, b"\0" if vr in BINARY_VRS or vr == "UI" else b" ")


def _even(value: bytes, pad: bytes) -> bytes:
    return value + pad if len(value) % 2 else value


def _name(value: Any) -> str:
    if isinstance(value, str):
        return value
    groups = (value or {}).get
    text = f"{groups('Alphabetic') or ''}={groups('Ideographic') or ''}={groups('Phonetic') or ''}"
    return text.rstrip("=")


def _decimal(value: Any) -> str:
    """A number as DS or IS writes it, within 16 characters; text is kept as it is."""
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        digits = _DECIMAL_BYTES
        while len(text) > _DECIMAL_BYTES:
            text, digits = f"{value:.{digits}g}", digits - 1
    return text


@lru_cache(maxsize=8192)
def _tag_bytes(name: str, big_endian: bool) -> bytes:
    if len(name) != 8:
        raise ValueError(name)
    return pack(">HH" if big_endian else "<HH", int(name[:4], 16), int(name[4:], 16))


@lru_cache(maxsize=8192)
def _start(name: str, vr: str, big_endian: bool) -> tuple[bytes, bool]:
    """Tag and VR (and reserved bytes), and whether the length has 32 bits."""
    code = vr.encode("ascii")
    if code not in SHORT_VRS and code not in LONG_VRS:
        raise ValueError(vr)
    long = code in LONG_VRS
    return _tag_bytes(name, big_endian) + code + (b"\0\0" if long else b""), long
