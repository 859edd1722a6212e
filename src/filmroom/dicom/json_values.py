"""One raw value as DICOM JSON (PS3.18 F.2.2 to F.2.7).

Choices where the standard leaves one: DS and IS are JSON numbers, with the digits as received, where they are numbers
at all, else strings (viewers calculate with them and expect numbers); 64-bit integers beyond 2**53 and floats that are
no number (``NaN``, ``Infinity``) are strings; a value that is empty among others is null; padding is stripped.
"""

import base64
import math
import re
from collections.abc import Callable
from struct import unpack
from typing import Any, Final

import orjson

from filmroom.dicom.charset import ASCII_ONLY, TEXT_VRS, CharacterSet

# What JavaScript holds exactly (RFC 8259 section 6).
_SAFE_INTEGER: Final = 2**53 - 1
_NUMBER = rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?"
_ONE_NUMBER: Final = re.compile(_NUMBER)
_NUMBERS: Final = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*")

BINARY_VRS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_UNIT_BYTES: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_FORMATS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_SIZES: Final = {"H": 2, "h": 2, "I": 4, "i": 4, "f": 4, "d": 8, "Q": 8, "q": 8}

_WriteValues = Callable[[bytes, str, CharacterSet, bool], bytes]


def fragment(vr: str, value: bytes, charset: CharacterSet, big_endian: bool = False) -> bytes:
    """The JSON object of one element that is no sequence: ``{"vr":..,"Value":[..]}``."""
    if vr in BINARY_VRS:
        return _inline_binary(vr, value, big_endian)
    write = _WRITERS.get(vr, _write_strings)
    values = write(value, vr, charset, big_endian)
    return b'{"vr":"%b","Value":[%b]}' % (vr.encode(), values) if values else empty(vr)


def empty(vr: str) -> bytes:
    """An element without a value: its VR stays (PS3.18 F.2.5)."""
    return b'{"vr":"%b"}' % vr.encode()


def strings(value: bytes, vr: str, charset: CharacterSet) -> list[str]:
    """The values of a text or code VR, decoded, split and stripped of padding; [] when there is none."""
    if vr in TEXT_VRS:
        text = charset.decode(value, vr)
    else:
        text = value.decode("ascii") if value.isascii() else ASCII_ONLY.decode(value)
    if "\0" in text:  # in no repertoire (PS3.5 6.1): a C string's end, and no database takes it
        text = text.replace("\0", "")
    if vr in _ONE_TEXT:
        text = text.rstrip(" ")
        return [text] if text else []
    if "\\" not in text:
        text = text.strip(" ")
        return [text] if text else []
    values = [one.strip(" ") for one in text.split("\\")]
    return values if any(values) else []


def numbers(value: bytes, vr: str, big_endian: bool) -> tuple[Any, ...]:
    """The values of a binary number VR; bytes that do not fill a number are left out."""
    code = _FORMATS[vr]
    count = len(value) // _SIZES[code]
    return unpack(f"{'>' if big_endian else '<'}{count}{code}", value[: count * _SIZES[code]])


def person_name(text: str) -> dict[str, str]:
    """One name as its component groups (PS3.18 F.2.2, PN); groups without content are left out."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {name: group.strip(" \0") for name, group in groups if group.strip(" \0")}


# Text of one value: a backslash in it is a backslash (PS3.5 table 6.2-1).
_ONE_TEXT: Final = frozenset({"LT", "ST", "UT", "UR"})


def _write_strings(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    values = strings(value, vr, charset)
    return orjson.dumps(values if all(values) else [one or None for one in values])[1:-1]


def _write_names(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    names = [person_name(one) or None for one in strings(value, vr, charset)]
    return orjson.dumps(names)[1:-1] if any(names) else b""


def _write_decimals(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    plain = value.replace(b"\0", b"").strip(b" ")
    if _NUMBERS.fullmatch(plain):
        return plain.replace(b"\\", b",")
    parts = [part.strip(b" ") for part in plain.split(b"\\")]
    return b",".join(map(_decimal, parts)) if any(parts) else b""


def _decimal(part: bytes) -> bytes:
    if not part:
        return b"null"
    if _ONE_NUMBER.fullmatch(part):
        return part
    try:
        number = float(part)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > _SAFE_INTEGER or b"_" in part:
        return orjson.dumps(ASCII_ONLY.decode(part))
    return orjson.dumps(int(number) if number.is_integer() else number)


def _write_numbers(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    return orjson.dumps(numbers(value, vr, big_endian))[1:-1]


def _write_wide(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    values = numbers(value, vr, big_endian)
    return orjson.dumps([one if -_SAFE_INTEGER <= one <= _SAFE_INTEGER else str(one) for one in values])[1:-1]


def _write_floats(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    values = numbers(value, vr, big_endian)
    return orjson.dumps([one if math.isfinite(one) else _not_finite(one) for one in values])[1:-1]


def _not_finite(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _write_tags(value: bytes, vr: str, charset: CharacterSet, big_endian: bool) -> bytes:
    pairs = numbers(value[: len(value) // 4 * 4], "US", big_endian)
    return b",".join(b'"%04X%04X"' % pair for pair in zip(pairs[::2], pairs[1::2], strict=True))


def _inline_binary(vr: str, value: bytes, big_endian: bool) -> bytes:
    if not value:
        return empty(vr)
    unit = _UNIT_BYTES.get(vr, 1)
    if big_endian and unit > 1:
        value = swapped(value, unit)
    return b'{"vr":"%b","InlineBinary":"%b"}' % (vr.encode(), base64.b64encode(value))


def swapped(value: bytes, unit: int) -> bytes:
    """Bytes of each unit reversed: inline binary is little endian whatever the data set is (PS3.18 F.2.7)."""
    whole = len(value) // unit * unit
    out = bytearray(value)
    for place in range(unit):
        out[place:whole:unit] = value[unit - 1 - place : whole : unit]
    return bytes(out)


_WRITERS: Final[dict[str, _WriteValues]] = {
    "PN": _write_names,
    "DS": _write_decimals,
    "IS": _write_decimals,
    "AT": _write_tags,
    **dict.fromkeys(("US", "SS", "UL", "SL"), _write_numbers),
    **dict.fromkeys(("UV", "SV"), _write_wide),
    **dict.fromkeys(("FL", "FD"), _write_floats),
}
