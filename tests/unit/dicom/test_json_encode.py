"""DICOM JSON into data sets."""

import io

import pydicom
import pytest
from tests.fixtures.dicom_bytes import BIG, DEFLATED, EXPLICIT, IMPLICIT

from filmroom.base.errors import NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.json import dataset_to_json, json_to_dataset
from filmroom.dicom.question import JsonDataset

pytestmark = pytest.mark.capability("1.2.9", "6.2.4")

ALL_VRS: JsonDataset = {
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3"]},
    "00080020": {"vr": "DA"},
    "0008002A": {"vr": "DT", "Value": ["20240101101010.5+0800"]},
    "00080120": {"vr": "UR", "Value": ["http://example.org/a b"]},
    "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["A"]}}, {}]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Phonetic": "C"}, {"Ideographic": "D"}]},
    "00181310": {"vr": "US", "Value": [0, 512, 512, 0]},
    "00186020": {"vr": "SL", "Value": [-5]},
    "00189073": {"vr": "FD", "Value": [0.1]},
    "00201041": {"vr": "DS", "Value": [-12.5, 3]},
    "00209165": {"vr": "AT", "Value": ["00209057"]},
    "0040A121": {"vr": "DA", "Value": ["20240101"]},
    "00420011": {"vr": "OB", "InlineBinary": "AQIDBA=="},
    "00701A03": {"vr": "FL", "Value": [1.5, "NaN", "Infinity"]},
    "00720082": {"vr": "SV", "Value": [-1, "-9223372036854775807"]},
    "7FE00001": {"vr": "OV", "InlineBinary": "AQIDBAUGBwg="},
}


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_every_vr_there_and_back(syntax: str) -> None:
    source = {k: v for k, v in ALL_VRS.items() if k != "00701A03" or syntax != IMPLICIT}  # no such tag to look up
    assert dataset_to_json(json_to_dataset(source, syntax), syntax) == source


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_pydicom_reads_it(syntax: str) -> None:
    source = {k: v for k, v in ALL_VRS.items() if k not in ("00701A03", "00720082", "00080008")}
    raw = json_to_dataset(source, syntax)
    uid = pydicom.uid.UID(syntax)
    read = pydicom.filereader.read_dataset(io.BytesIO(raw), uid.is_implicit_VR, uid.is_little_endian)
    assert read.PatientName[0].components == ("A^B", "", "C")
    assert read.AcquisitionMatrix == [0, 512, 512, 0]
    assert read.ProcedureCodeSequence[0].CodeValue == "A"
    assert [element.tag for element in read] == sorted(element.tag for element in read)


def test_lengths_are_even_and_padding_is_right() -> None:
    raw = json_to_dataset(
        {"00080018": {"vr": "UI", "Value": ["1.2.3"]}, "00100020": {"vr": "LO", "Value": ["ABC"]}}, EXPLICIT
    )
    assert raw == b"\x08\0\x18\0UI\x06\x001.2.3\0" + b"\x10\0\x20\0LO\x04\0ABC "


def name(text: str) -> JsonDataset:
    return {"00100010": {"vr": "PN", "Value": [{"Alphabetic": text}]}}


@pytest.mark.parametrize(
    ("text", "wanted", "declared"),
    [
        ("Plain", "ISO_IR 100", None),
        ("Müller", "ISO_IR 100", b"ISO_IR 100"),
        ("Müller", "", b"ISO_IR 192"),
        ("王^小东", "ISO_IR 100", b"ISO_IR 192"),
        ("王^小东", "GB18030", b"GB18030 "),
        ("王^小东", "\\ISO 2022 IR 58", b"\\ISO 2022 IR 58"),
        ("山田", "ISO 2022 IR 13\\ISO 2022 IR 87", b"ISO 2022 IR 13\\ISO 2022 IR 87 "),
    ],
)
def test_text_is_in_the_wanted_set_when_it_fits_else_in_utf_8(text: str, wanted: str, declared: bytes | None) -> None:
    raw = json_to_dataset(name(text), EXPLICIT, wanted)
    read = pydicom.filereader.read_dataset(io.BytesIO(raw), False, True)
    if declared is None:
        assert "SpecificCharacterSet" not in read
    else:
        assert declared in raw
    assert dataset_to_json(raw, EXPLICIT)["00100010"] == name(text)["00100010"]


def test_text_inside_sequences_counts_for_the_declaration() -> None:
    raw = json_to_dataset({"00081115": {"vr": "SQ", "Value": [name("王")]}}, EXPLICIT, "GB18030")
    assert raw.startswith(b"\x08\0\x05\0CS\x08\0GB18030 ")


def test_elements_before_the_character_set_stay_before_it() -> None:
    raw = json_to_dataset({"00020010": {"vr": "UI", "Value": ["1.2"]}, **name("王")}, EXPLICIT)
    assert next(iter(pydicom.filereader.read_dataset(io.BytesIO(raw), False, True))).tag == 0x00020010


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (0.1, "0.1"),
        (-1234567.123456789, "-1234567.1234568"),
        (1e-17, "1e-17"),
        ("+1.5", "+1.5"),
        (1e300, "1e+300"),
    ],
)
def test_decimals_fit_sixteen_characters(number: float | str, text: str) -> None:
    raw = json_to_dataset({"00181310": {"vr": "DS", "Value": [number]}}, EXPLICIT)
    assert raw[8:].decode().strip() == text
    assert len(raw[8:]) <= 16


def test_a_value_too_long_for_its_vr_is_written_as_un() -> None:
    long = ["1.2.840.113619.2." + str(n) for n in range(10_000)]
    raw = json_to_dataset({"00080018": {"vr": "UI", "Value": long}}, EXPLICIT)
    assert raw[4:6] == b"UN"
    assert dataset_to_json(raw, EXPLICIT, bulk_bytes=1 << 20)["00080018"]["Value"] == long


def test_bulk_data_are_fetched_when_somebody_can() -> None:
    source: JsonDataset = {"7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    assert json_to_dataset(source, EXPLICIT)[-4:] == b"\0\0\0\0"
    assert json_to_dataset(source, EXPLICIT, bulk={"pixels": b"\1\2\3"}.__getitem__)[-4:] == b"\1\2\3\0"


@pytest.mark.capability("1.0.11")
@pytest.mark.parametrize(
    "wrong",
    [
        {"nonsense": {"vr": "LO", "Value": ["x"]}},
        {"00100010": {"vr": "PNX", "Value": ["x"]}},
        {"00100010": ["x"]},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": ["x"]}},
        {"00420011": {"vr": "OB", "InlineBinary": "a"}},
        {"00081115": {"vr": "SQ", "Value": ["x"]}},
        {"00100010": {"vr": "é", "Value": ["x"]}},
        {"00181310": {"vr": "DS", "Value": [{"a": 1}]}, "0018": {}},
    ],
)
def test_what_is_no_dicom_json_is_refused(wrong: JsonDataset) -> None:
    with pytest.raises(NotReadable):
        json_to_dataset(wrong, EXPLICIT)


@pytest.mark.capability("1.0.11")
def test_nesting_has_a_limit() -> None:
    deep: JsonDataset = {}
    for _ in range(MAX_SEQUENCE_DEPTH + 2):
        deep = {"00081115": {"vr": "SQ", "Value": [deep]}}
    with pytest.raises(NotReadable, match="deeper"):
        json_to_dataset(deep, EXPLICIT)
