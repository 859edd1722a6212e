"""Corrections as values: what may be corrected at which level, and a person's words made into an element. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from filmroom.base.errors import FilmroomError, NotReadable
from filmroom.dicom.charset import UTF8
from filmroom.dicom.dates import date_value, datetime_value, time_value
from filmroom.dicom.dictionary import keyword_of, show, tag_of, vr_of
from filmroom.dicom.indextags import PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS
from filmroom.dicom.json_encode import encode_elements
from filmroom.dicom.transfersyntax import EXPLICIT_LE

Element = Mapping[str, Any]


class Target(Enum):
    """What is corrected. Attributes belong to one level, as in PS3.3 chapter C.7."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


class BadCorrection(NotReadable):
    """The value does not fit the attribute, or the attribute cannot be corrected there."""


class CannotUndo(FilmroomError):
    """Something later depends on it, or it was undone already."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal. ``target`` is kind and id; ``before`` and ``after`` hold DICOM JSON by hex key."""

    pk: int
    at: datetime
    who: str
    why: str
    action: str
    target: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    undone_by: int | None


# What names an entity or says how to read an object is not corrected: other uses move and merge.
_REFUSED: Final = {
    0x00100020: "the Patient ID names the patient; merge patients instead",
    0x00100021: "the issuer names the patient; merge patients instead",
    0x00100024: "the issuer names the patient; merge patients instead",
    0x00080005: "the character set is repaired by a rule, not by hand",
    0x04000561: "the record of changes is written by Filmroom",
}
# Of the Image Pixel module and its like, only how an image is first shown.
_SHOWING: Final = frozenset({0x00281050, 0x00281051, 0x00281055, 0x00281056})
_LENGTHS: Final = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "ST": 1024, "LT": 10_240, "DS": 16, "IS": 12}
_CODE = re.compile(r"[A-Z0-9 _]*")
_AGE = re.compile(r"\d{3}[DWMY]")
_INTEGER = re.compile(r"[+-]?\d{1,10}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FITS: Final[Mapping[str, Callable[[str], bool]]] = {
    "DA": lambda text: date_value(text) == text,
    "TM": lambda text: bool(time_value(text)) and ":" not in text,
    "DT": lambda text: bool(datetime_value(text)),
    "AS": lambda text: _AGE.fullmatch(text) is not None,
    "CS": lambda text: _CODE.fullmatch(text) is not None,
    "IS": lambda text: _INTEGER.fullmatch(text) is not None and -(2**31) <= int(text) < 2**31,
    "DS": lambda text: _DECIMAL.fullmatch(text) is not None,
    "AE": lambda text: text.isascii() and text.isprintable(),
}
_ONE_TEXT: Final = frozenset({"LT", "ST", "UT", "UR"})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_NUMBERS: Final = {"US": (0, 2**16 - 1), "SS": (-(2**15), 2**15 - 1), "UL": (0, 2**32 - 1), "SL": (-(2**31), 2**31 - 1)}


def correctable(level: Target, name: str) -> int:
    """The tag that may be corrected at ``level``. Raises BadCorrection with the reason."""
    tag = tag_of(name)
    if tag is None:
        raise BadCorrection(f"{name} is none of DICOM's attributes")
    if tag in _REFUSED:
        raise BadCorrection(f"{_called(tag)}: {_REFUSED[tag]}")
    group = tag >> 16
    if vr_of(tag) == "UI":
        raise BadCorrection(f"{_called(tag)}: UIDs are not corrected")
    if group % 2 or group < 0x0008 or group > 0x7FDF or not tag & 0xFFFF or not keyword_of(tag):
        raise BadCorrection(f"{_called(tag)}: only public attributes of the header are corrected")
    if group == 0x0028 and tag not in _SHOWING:
        raise BadCorrection(f"{_called(tag)} says how the pixels are to be read")
    if vr_of(tag) in ("OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"):
        raise BadCorrection(f"{_called(tag)}: binary values are not corrected")
    belongs = _level_of(tag)
    if belongs is not level:
        raise BadCorrection(f"{_called(tag)} is corrected at the {belongs.value}, not at the {level.value}")
    return tag


def element_of(tag: int, value: Any) -> Element | None:
    """The element for a value as people and programs write it: text, number, list of them, or DICOM JSON.

    None is None: the attribute is to be removed. Raises BadCorrection when the value does not fit the VR (PS3.5 6.2).
    """
    vr = vr_of(tag)
    if value is None:
        return None
    if isinstance(value, Mapping) and ("vr" in value or "Value" in value):
        if value.get("vr", vr) != vr:
            raise BadCorrection(f"{_called(tag)} is of VR {vr}")
        value = value.get("Value") or []
    elif isinstance(value, str) and vr not in _ONE_TEXT:
        value = value.split("\\") if value else []
    values = value if isinstance(value, list) else [value]
    if vr == "SQ":
        made: Element = {"vr": vr, "Value": values} if values else {"vr": vr}
    else:
        checked = [_checked(tag, vr, each) for each in values]
        made = {"vr": vr, "Value": checked} if checked else {"vr": vr}
    try:
        encode_elements({f"{tag:08X}": dict(made)}, EXPLICIT_LE, UTF8)
    except NotReadable as fault:
        raise BadCorrection(f"{_called(tag)}: the value cannot be written as {vr}") from fault
    return made


def _checked(tag: int, vr: str, value: Any) -> Any:
    if vr == "PN":
        return _name(tag, value)
    if vr in _NUMBERS or vr in ("FL", "FD"):
        return _number(tag, vr, value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadCorrection(f"{_called(tag)}: give text or a number")
    text = str(value).strip()
    fits = _FITS.get(vr)
    longest = _LENGTHS.get(vr)
    if text and fits is not None and not fits(text):
        raise BadCorrection(f"{_called(tag)}: not a value of VR {vr}")
    if longest is not None and len(text) > longest:
        raise BadCorrection(f"{_called(tag)}: longer than {longest} characters")
    allowed = "\r\n\f\t" if vr in ("LT", "ST", "UT") else ""
    if any(ord(character) < 32 and character not in allowed for character in text):
        raise BadCorrection(f"{_called(tag)}: holds control characters")
    if vr in ("IS", "DS"):
        return int(text) if vr == "IS" else float(text)
    return text


def _name(tag: int, value: Any) -> dict[str, str]:
    if isinstance(value, str):
        groups = dict(zip(_GROUPS, value.split("="), strict=False))
        if value.count("=") > 2:
            raise BadCorrection(f"{_called(tag)}: a name has at most three groups")
    elif isinstance(value, Mapping) and value.keys() <= set(_GROUPS):
        groups = {name: str(text) for name, text in value.items()}
    else:
        raise BadCorrection(f"{_called(tag)}: give a name")
    for text in groups.values():
        if len(text) > 64 or text.count("^") > 4 or "\\" in text or "=" in text or not text.isprintable():
            raise BadCorrection(f"{_called(tag)}: a group has at most 64 characters and five components")
    return {name: text.strip() for name, text in groups.items() if text.strip()}


def _number(tag: int, vr: str, value: Any) -> float | int:
    try:
        number = float(value) if vr in ("FL", "FD") else int(str(value))
    except (TypeError, ValueError):
        raise BadCorrection(f"{_called(tag)}: not a number") from None
    low, high = _NUMBERS.get(vr, (float("-inf"), float("inf")))
    if not low <= number <= high:
        raise BadCorrection(f"{_called(tag)}: from {low} to {high}")
    return number


def _level_of(tag: int) -> Target:
    if tag in PATIENT_TAGS:
        return Target.PATIENT
    if tag in STUDY_TAGS:
        return Target.STUDY
    return Target.SERIES if tag in SERIES_TAGS else Target.INSTANCE


def _called(tag: int) -> str:
    return keyword_of(tag) or show(tag)
