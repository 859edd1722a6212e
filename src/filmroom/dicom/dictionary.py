"""The data dictionary by number and by keyword (PS3.6 chapter 6), arranged for speed over pydicom's tables."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

# Explicit VRs with a 16-bit length, and those with 2 reserved bytes and a 32-bit length (PS3.5 7.1.2).
SHORT_VRS: Final = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()
)  # fmt: skip
LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
VR_NAMES: Final[Mapping[bytes, str]] = MappingProxyType({vr: vr.decode() for vr in SHORT_VRS | LONG_VRS})

# What an ambiguous dictionary entry is taken for when the data set does not say (PS3.5 A.1: implicit is OW).
_AMBIGUOUS = {"US or SS": "US", "OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW", "NONE": "UN"}

_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_HEX = re.compile(r"[0-9A-Fa-f]{8}")


def _one_vr(vr: str) -> str:
    return _AMBIGUOUS.get(vr, vr)


VR_OF: Final[Mapping[int, str]] = MappingProxyType({tag: _one_vr(entry[0]) for tag, entry in DicomDictionary.items()})
TAG_OF: Final[Mapping[str, int]] = MappingProxyType({entry[4]: tag for tag, entry in DicomDictionary.items()})
# Tags whose dictionary entry leaves the VR open: US or SS, OB or OW.
AMBIGUOUS_TAGS: Final = frozenset(tag for tag, entry in DicomDictionary.items() if " or " in entry[0])
_REPEATERS: Final = {
    (int(mask.replace("x", "0"), 16), int(re.sub("[^x]", "f", mask).replace("x", "0"), 16)): _one_vr(entry[0])
    for mask, entry in RepeatersDictionary.items()
}


@lru_cache(maxsize=4096)
def _unlisted_vr(tag: int) -> str:
    element = tag & 0xFFFF
    if element == 0:
        return "UL"
    if tag & 0x10000:
        return "LO" if 0x10 <= element <= 0xFF else "UN"
    for (base, mask), vr in _REPEATERS.items():
        if tag & mask == base:
            return vr
    return "UN"


def vr_of(tag: int) -> str:
    """The VR of a public tag, of a private creator or of a group length; UN when the dictionary does not know."""
    return VR_OF.get(tag) or _unlisted_vr(tag)


def tag_of(text: str) -> int | None:
    """The tag that a keyword or eight hex digits name; None when neither does."""
    if _HEX.fullmatch(text):
        return int(text, 16)
    return TAG_OF.get(text) if _KEYWORD.fullmatch(text) else None


def keyword_of(tag: int) -> str:
    """The keyword of a tag, '' when the dictionary does not know it."""
    entry = DicomDictionary.get(tag)
    return entry[4] if entry is not None else ""


def show(tag: int) -> str:
    """A tag as people write it: (0010,0020)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
