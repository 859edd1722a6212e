"""The Basic Application Level Confidentiality Profile and its options as a decision for each attribute (PS3.15 E)."""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from filmroom.dicom.deidentify_table import ROWS, SAFE_PRIVATE
from filmroom.dicom.dictionary import VR_OF, vr_of


class Option(Enum):
    """An option of the profile (PS3.15 E.3)."""

    CLEAN_PIXELS = "clean-pixels"
    CLEAN_GRAPHICS = "clean-graphics"
    CLEAN_STRUCTURED_CONTENT = "clean-structured-content"
    CLEAN_DESCRIPTORS = "clean-descriptors"
    RETAIN_FULL_DATES = "retain-full-dates"
    RETAIN_MODIFIED_DATES = "retain-modified-dates"
    RETAIN_PATIENT_CHARACTERISTICS = "retain-patient-characteristics"
    RETAIN_DEVICE = "retain-device"
    RETAIN_UIDS = "retain-uids"
    RETAIN_SAFE_PRIVATE = "retain-safe-private"
    RETAIN_INSTITUTION = "retain-institution"


# (0012,0064): code of the scheme DCM and its meaning (PS3.16 CID 7050).
BASIC_PROFILE: Final = ("113100", "Basic Application Confidentiality Profile")
CODES: Final[Mapping[Option, tuple[str, str]]] = MappingProxyType(
    {
        Option.CLEAN_PIXELS: ("113101", "Clean Pixel Data Option"),
        Option.CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
        Option.CLEAN_STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
        Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
        Option.RETAIN_FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
        Option.RETAIN_MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        Option.RETAIN_PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
        Option.RETAIN_DEVICE: ("113109", "Retain Device Identity Option"),
        Option.RETAIN_UIDS: ("113110", "Retain UIDs Option"),
        Option.RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
        Option.RETAIN_INSTITUTION: ("113112", "Retain Institution Identity Option"),
    }
)


class Action(Enum):
    """What is done with an attribute (PS3.15 table E.1-1a)."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    CLEAN = "C"
    KEEP = "K"


_LISTED: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = MappingProxyType(
    {tag: (code, options) for code, options, tags in ROWS for tag in tags.split()}
)
# Groups whose listed element numbers stand for every repetition: curves and overlays.
_REPEATING: Final = {0x50: "50xxxxxx", 0x60: ""}
_SAFE: Final = frozenset((creator, tag) for creator, tags in SAFE_PRIVATE.items() for tag in tags.split())
_DATES: Final = frozenset({"DA", "DT", "TM"})
# Where a code leaves a choice, the first of these that is offered: what keeps the object conformant, then what is left.
_CHOICE: Final = (("U*", Action.UID), ("D", Action.DUMMY), ("Z", Action.EMPTY), ("X", Action.REMOVE))
_SEQUENCE_CHOICE: Final = (("U*", Action.UID), ("Z", Action.EMPTY), ("X", Action.REMOVE), ("D", Action.DUMMY))
# Free text of the content of reports and graphics, which the table leaves to the sequence around it.
_TEXT_VALUES: Final = frozenset({0x0040A160, 0x00700006, 0x00420010})


@lru_cache(maxsize=16384)
def action(tag: int, options: frozenset[Option]) -> Action:
    """What becomes of a public attribute. What PS3.6 does not know is removed, and so is every name not listed."""
    code, more = _row(tag)
    vr = vr_of(tag)
    if not code:
        return _unlisted(tag, vr, options)
    said = [more[option.value] for option in options if option.value in more]
    if "K" in said:
        return Action.KEEP
    if "C" in said:
        return Action.CLEAN if vr in _DATES or tag >> 24 not in _REPEATING else Action.REMOVE
    offered = code.split("/")
    if vr == "SQ" and Option.RETAIN_UIDS.value in more and len(offered) > 1:
        return Action.UID  # references and nothing else: they follow the objects they name
    order = _SEQUENCE_CHOICE if vr == "SQ" else _CHOICE
    return next((each for letter, each in order if letter in offered), Action(offered[0]))


def is_safe_private(creator: str, tag: int) -> bool:
    """Whether a private element is known to tell nothing of the patient (PS3.15 table E.3.10-1)."""
    return (creator, f"{tag >> 16:04X}{tag & 0xFF:02X}") in _SAFE


def identifies(tag: int, options: frozenset[Option]) -> bool:
    """Whether the value of an attribute is to be looked for in all that stays: who it is about, not what was done."""
    code, more = _row(tag)
    if not code:
        return vr_of(tag) == "PN"
    if action(tag, options) in (Action.KEEP, Action.UID):
        return False
    descriptive = {"clean-descriptors", "retain-device", "retain-patient-characteristics"}
    return not (descriptive & more.keys()) and (vr_of(tag) not in _DATES or tag == 0x00100030)


def _row(tag: int) -> tuple[str, Mapping[str, str]]:
    group = tag >> 24
    if group in _REPEATING:
        return _LISTED.get(_REPEATING[group] or f"60xx{tag & 0xFFFF:04X}", ("", {}))
    return _LISTED.get(f"{tag:08X}", ("", {}))


def _unlisted(tag: int, vr: str, options: frozenset[Option]) -> Action:
    if tag in _TEXT_VALUES:
        cleaned = {Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_DESCRIPTORS, Option.CLEAN_GRAPHICS} & options
        return Action.CLEAN if cleaned else Action.DUMMY
    if tag not in VR_OF and tag >> 24 not in _REPEATING:
        return Action.REMOVE
    if vr == "PN":
        return Action.EMPTY
    if vr in _DATES:
        if Option.RETAIN_FULL_DATES in options:
            return Action.KEEP
        return Action.CLEAN if Option.RETAIN_MODIFIED_DATES in options else Action.EMPTY
    return Action.KEEP
