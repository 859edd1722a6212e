"""What stands in place of a value that must not be empty: the same for everybody."""

from collections.abc import Mapping
from typing import Any, Final

WORD: Final = "ANONYMIZED"
_VALUES: Final[Mapping[str, bytes]] = {
    "DA": b"19000101",
    "TM": b"000000",
    "DT": b"19000101000000",
    "AS": b"000Y",
    "DS": b"0",
    "IS": b"0",
    "AT": b"\0\0\0\0",
    "UR": b"urn:anonymized",
}
_WORDS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})


def dummy_value(vr: str, length: int) -> bytes:
    """A value of that VR that says nothing; ``length`` bytes of zeros for binary ones."""
    if vr in _WORDS:
        return WORD.encode()
    return _VALUES.get(vr) or bytes(length + length % 2)


def code_item(value: str, scheme: str, meaning: str) -> dict[str, Any]:
    """An item of a code sequence, as DICOM JSON."""
    return {
        "00080100": {"vr": "SH", "Value": [value]},
        "00080102": {"vr": "SH", "Value": [scheme]},
        "00080104": {"vr": "LO", "Value": [meaning]},
    }


def dummy_sequence(tag: int) -> dict[str, Any]:
    """A sequence with one item that says nothing, as DICOM JSON; empty where the sequence can be left out."""
    item: dict[str, Any]
    if tag == 0x0040A730:  # the content of a report
        item = {
            "0040A010": {"vr": "CS", "Value": ["CONTAINS"]},
            "0040A040": {"vr": "CS", "Value": ["TEXT"]},
            "0040A043": {"vr": "SQ", "Value": [code_item("121106", "DCM", "Comment")]},
            "0040A160": {"vr": "UT", "Value": [WORD]},
        }
    elif tag == 0x0040A073:  # who verified it
        item = {
            "0040A027": {"vr": "LO", "Value": [WORD]},
            "0040A030": {"vr": "DT", "Value": ["19000101000000"]},
            "0040A075": {"vr": "PN", "Value": [{"Alphabetic": WORD}]},
            "0040A088": {"vr": "SQ"},
        }
    elif tag == 0x00401101:  # who somebody is
        item = code_item(WORD, "99ANON", WORD)
    else:
        return {}
    return {f"{tag:08X}": {"vr": "SQ", "Value": [item]}}
