"""What rules make of attributes, and what a sender's text is really written in."""

from typing import Any

import pytest

from filmroom.archive.coercion import ACTIONS, action_of, actions_of, apply, repaired_charset
from filmroom.archive.rules_policy import KEYS, BadPolicy, CharsetRepair, StorePolicy, from_row
from filmroom.base.errors import NotReadable
from filmroom.dicom.elements import RawElement
from filmroom.dicom.headertap import Header

CT: dict[int, Any] = {
    0x00100020: {"vr": "LO", "Value": ["0815"]},
    0x00080050: {"vr": "SH", "Value": ["A1"]},
    0x00081030: {"vr": "LO", "Value": ["CT thorax"]},
    0x00180015: {"vr": "CS", "Value": ["BRUSTKORB"]},
    0x00080008: {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
}


def changed(*rows: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    apply(actions_of(list(rows)), changes, CT.get)
    return changes


@pytest.mark.capability("1.1.10")
@pytest.mark.parametrize(
    ("row", "made"),
    [
        ({"set": "InstitutionName", "value": "St. Anna"}, {"00080080": {"vr": "LO", "Value": ["St. Anna"]}}),
        ({"set": "StudyDate", "value": ""}, {"00080020": {"vr": "DA"}}),
        ({"copy": "StudyID", "from": "AccessionNumber"}, {"00200010": {"vr": "SH", "Value": ["A1"]}}),
        ({"copy": "StudyID", "from": "AdmissionID"}, {}),
        ({"remove": "StudyDescription"}, {"00081030": None}),
        ({"remove": "StudyID"}, {}),
        ({"empty": "StudyDescription"}, {"00081030": {"vr": "LO"}}),
        (
            {"replace": "StudyDescription", "pattern": "CT (.*)", "with": r"\1 CT"},
            {"00081030": {"vr": "LO", "Value": ["thorax CT"]}},
        ),
        ({"prefix": "PatientID", "value": "H1-"}, {"00100020": {"vr": "LO", "Value": ["H1-0815"]}}),
        ({"prefix": "PatientID", "value": "08"}, {}),
        ({"suffix": "AccessionNumber", "value": "X"}, {"00080050": {"vr": "SH", "Value": ["A1X"]}}),
        (
            {"map": "BodyPartExamined", "table": {"BRUSTKORB": "CHEST"}},
            {"00180015": {"vr": "CS", "Value": ["CHEST"]}},
        ),
        ({"map": "PatientID", "table": {"1": "2"}}, {}),
        ({"map": "PatientID", "table": {}, "otherwise": "0"}, {"00100020": {"vr": "LO", "Value": ["0"]}}),
        ({"suffix": "AccessionNumber", "value": "much too long for an SH"}, {}),
    ],
)
def test_each_action(row: dict[str, Any], made: dict[str, Any]) -> None:
    assert changed(row) == made


def test_later_actions_see_what_earlier_ones_made_and_going_back_changes_nothing() -> None:
    both = changed({"prefix": "PatientID", "value": "A"}, {"copy": "StudyID", "from": "PatientID"})
    assert both["00200010"]["Value"] == ["A0815"]
    assert changed({"prefix": "PatientID", "value": "A"}, {"set": "PatientID", "value": "0815"}) == {}


@pytest.mark.parametrize(
    "row",
    [
        {},
        [],
        {"set": "PatientID", "remove": "PatientID"},
        {"set": "NoSuch", "value": "x"},
        {"set": "StudyInstanceUID", "value": "1.2"},
        {"set": "SpecificCharacterSet", "value": "GBK"},
        {"set": "StudyDate", "value": "yesterday"},
        {"remove": "PixelData"},
        {"prefix": "PatientID"},
        {"replace": "PatientID", "pattern": "(a+)+", "with": ""},
        {"map": "PatientID", "table": {"a": 1}},
        {"copy": "PatientID"},
    ],
)
def test_what_is_no_action(row: Any) -> None:
    with pytest.raises(NotReadable):
        action_of(row)
    assert len(ACTIONS) == 8


def header(said: str, name: bytes) -> Header:
    elements = {0x00100010: RawElement(0x00100010, "PN", name)}
    if said:
        elements[0x00080005] = RawElement(0x00080005, "CS", said.encode())
    return Header(
        transfer_syntax="1.2.840.10008.1.2.1", implicit=False, big_endian=False, elements=elements, header_bytes=0
    )


CHINESE, GERMAN = "王^小明".encode("gb18030"), "Müller^Jörg".encode("latin-1")


@pytest.mark.capability("1.1.11")
@pytest.mark.parametrize(
    ("said", "name", "wanted", "when", "repaired"),
    [
        ("ISO_IR 100", CHINESE, "GB18030", "detect", "GB18030"),
        ("ISO_IR 100", CHINESE, "GBK", "detect", "GBK"),
        ("ISO_IR 100", GERMAN, "GB18030", "detect", ""),
        ("ISO_IR 192", CHINESE, "GB18030", "detect", "GB18030"),
        ("ISO_IR 192", "王".encode(), "GB18030", "detect", ""),
        ("ISO_IR 100", "Müller".encode(), "ISO_IR 192", "detect", "ISO_IR 192"),
        ("ISO_IR 100", b"Smith", "GB18030", "detect", ""),
        ("ISO_IR 100", CHINESE, "GB18030", "missing", ""),
        ("", CHINESE, "GB18030", "missing", "GB18030"),
        ("ISO_IR 6", CHINESE, "GB18030", "missing", "GB18030"),
        ("", b"Smith", "GB18030", "missing", ""),
        ("ISO_IR 100", "Иванов".encode("iso8859_5"), "ISO_IR 144", "detect", ""),
        ("ISO_IR 100", "Иванов".encode("iso8859_5"), "ISO_IR 144", "always", "ISO_IR 144"),
        ("GB18030", CHINESE, "GB18030", "always", ""),
        ("ISO_IR 100", CHINESE, "GB18030", "never", ""),
    ],
)
def test_the_character_set_of_a_sender(said: str, name: bytes, wanted: str, when: str, repaired: str) -> None:
    assert repaired_charset(header(said, name), wanted, CharsetRepair(when)) == repaired


@pytest.mark.capability("1.1.6", "1.1.8")
def test_a_policy_is_read_as_a_whole() -> None:
    assert from_row({}) == StorePolicy()
    made = from_row(
        {"replacing": "same-source", "charset": "GBK", "charset_repair": "detect", "compare": ["PatientName"]}
    )
    assert (made.charset, made.duplicates.replacing.value, made.identity.compare) == (
        "GBK",
        "same-source",
        ("PatientName",),
    )
    assert all(sentence.endswith(".") for sentence in KEYS.values())
    for wrong in (
        {"replacing": "sometimes"},
        {"nonsense": 1},
        {"charset_repair": "detect"},
        {"charset": "KLINGON"},
        {"compare": ["StudyDate"]},
        {"trusted_issuers": "HOSP"},
        {"kept_days": -1},
    ):
        with pytest.raises(BadPolicy):
            from_row(wrong)
