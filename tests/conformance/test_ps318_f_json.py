"""PS3.18 annex F: the DICOM JSON model, section by section."""

import struct

import orjson
import pytest
from tests.fixtures.dicom_bytes import BIG, EXPLICIT, element, sequence

from filmroom.dicom.json import JsonMaker, dataset_to_json

pytestmark = pytest.mark.capability("6.2.4")


def value(tag: int, vr: str, raw: bytes, syntax: str = EXPLICIT) -> object:
    return dataset_to_json(element(tag, vr, raw, syntax), syntax)[f"{tag:08X}"]


def test_f22_keys_are_eight_upper_case_digits_in_ascending_order() -> None:
    data = element(0x0008103E, "LO", b"AB") + element(0x0020000D, "UI", b"1.2\0")
    assert JsonMaker(EXPLICIT).make(data) == (
        b'{"0008103E":{"vr":"LO","Value":["AB"]},"0020000D":{"vr":"UI","Value":["1.2"]}}'
    )


def test_f22_group_lengths_and_the_file_header_are_absent() -> None:
    data = element(0x00020010, "UI", b"1.2\0") + element(0x00080000, "UL", bytes(4)) + element(0x00080060, "CS", b"CT")
    assert set(dataset_to_json(data, EXPLICIT)) == {"00080060"}


def test_f22_the_character_set_is_utf_8() -> None:
    data = element(0x00080005, "CS", b"ISO_IR 100") + element(0x00100020, "LO", b"\xc4x")
    found = dataset_to_json(data, EXPLICIT)
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00100020"] == {"vr": "LO", "Value": ["Äx"]}
    assert "Äx".encode() in JsonMaker(EXPLICIT).make(data)


@pytest.mark.parametrize(
    ("vr", "raw", "values"),
    [
        ("AE", b"FILMROOM ", ["FILMROOM"]),
        ("AS", b"045Y", ["045Y"]),
        ("AT", b"\x10\0\x20\0\x08\0\x18\0", ["00100020", "00080018"]),
        ("CS", b"A \\ B ", ["A", "B"]),
        ("DA", b"20240101", ["20240101"]),
        ("DS", b"1.50\\-2\\3e2 ", [1.5, -2, 300]),
        ("DT", b"2024010112", ["2024010112"]),
        ("FD", struct.pack("<2d", 0.1, -2.5), [0.1, -2.5]),
        ("FL", struct.pack("<f", 0.5), [0.5]),
        ("IS", b"12\\-3 ", [12, -3]),
        ("LO", b" a b \\c", ["a b", "c"]),
        ("LT", b" line\\one\r\n ", [" line\\one\r\n"]),
        ("SH", b"ab", ["ab"]),
        ("SL", struct.pack("<i", -5), [-5]),
        ("SS", struct.pack("<h", -5), [-5]),
        ("ST", b"text", ["text"]),
        ("SV", struct.pack("<q", -5), [-5]),
        ("TM", b"101112.5", ["101112.5"]),
        ("UC", b"a\\b ", ["a", "b"]),
        ("UI", b"1.2\\1.3\0", ["1.2", "1.3"]),
        ("UL", struct.pack("<I", 2**32 - 1), [2**32 - 1]),
        ("UR", b"http://x/\\y ", ["http://x/\\y"]),
        ("US", struct.pack("<2H", 1, 65535), [1, 65535]),
        ("UT", b"long text ", ["long text"]),
        ("UV", struct.pack("<Q", 2**40), [2**40]),
    ],
)
def test_f23_each_vr_has_its_json_type(vr: str, raw: bytes, values: list[object]) -> None:
    assert value(0x00091001, vr, raw) == {"vr": vr, "Value": values}


@pytest.mark.parametrize(
    ("raw", "token"),
    [
        (b"1.50", b"1.50"),  # the digits as received
        (b"+1.5", b"1.5"),
        (b".5", b"0.5"),
        (b"007", b"7"),
        (b"1.", b"1"),
        (b"12345678901234567", b'"12345678901234567"'),  # more than a double holds
        (b"1e999", b'"1e999"'),
        (b"1_0", b'"1_0"'),
        (b"NaN", b'"NaN"'),
        (b"n/a", b'"n/a"'),
        (b"1\\\\3", b"1,null,3"),
    ],
)
def test_f23_decimal_strings_are_numbers_where_they_are_numbers(raw: bytes, token: bytes) -> None:
    text = JsonMaker(EXPLICIT).make(element(0x00181310, "DS", raw))
    assert text == b'{"00181310":{"vr":"DS","Value":[' + token + b"]}}"
    orjson.loads(text)


def test_f23_what_json_has_no_number_for_is_a_string() -> None:
    raw = struct.pack("<3d", float("nan"), float("inf"), float("-inf"))
    assert value(0x00091001, "FD", raw) == {"vr": "FD", "Value": ["NaN", "Infinity", "-Infinity"]}
    assert value(0x00091001, "UV", struct.pack("<Q", 2**63)) == {"vr": "UV", "Value": [str(2**63)]}


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (b"Doe^John", [{"Alphabetic": "Doe^John"}]),
        (b"Doe==Do ", [{"Alphabetic": "Doe", "Phonetic": "Do"}]),
        (b"=X", [{"Ideographic": "X"}]),
        (b"A\\B=C ", [{"Alphabetic": "A"}, {"Alphabetic": "B", "Ideographic": "C"}]),
        (b"A\\\\C ", [{"Alphabetic": "A"}, None, {"Alphabetic": "C"}]),
    ],
)
def test_f22_names_are_objects_of_component_groups(raw: bytes, values: list[object]) -> None:
    assert value(0x00100010, "PN", raw) == {"vr": "PN", "Value": values}


@pytest.mark.parametrize("vr", ["PN", "LO", "DS", "IS", "US", "OB", "UN", "SQ", "AT", "UI", "DA", "LT"])
def test_f25_an_attribute_without_value_keeps_its_vr_alone(vr: str) -> None:
    assert value(0x00091001, vr, b"") == {"vr": vr}


@pytest.mark.parametrize(("vr", "raw"), [("LO", b"  "), ("PN", b"= "), ("DS", b"\\ "), ("UI", b"\0"), ("PN", b"\\")])
def test_f25_padding_alone_is_no_value(vr: str, raw: bytes) -> None:
    assert value(0x00091001, vr, raw) == {"vr": vr}


def test_f25_an_empty_value_among_others_is_null() -> None:
    assert value(0x00080008, "CS", b"A\\\\B ") == {"vr": "CS", "Value": ["A", None, "B"]}


def test_f25_items_may_be_empty() -> None:
    data = sequence(0x00081032, [b"", element(0x00080100, "SH", b"A ")])
    assert dataset_to_json(data, EXPLICIT)["00081032"] == {
        "vr": "SQ",
        "Value": [{}, {"00080100": {"vr": "SH", "Value": ["A"]}}],
    }


def test_f26_bulk_data_have_an_address() -> None:
    found = dataset_to_json(element(0x00420011, "OB", bytes(5000)), EXPLICIT, bulk_uri=lambda path: f"b/{path[0]:08X}")
    assert found == {"00420011": {"vr": "OB", "BulkDataURI": "b/00420011"}}


@pytest.mark.parametrize("vr", ["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
def test_f27_short_binaries_stand_inline(vr: str) -> None:
    assert value(0x00091001, vr, bytes(range(8))) == {"vr": vr, "InlineBinary": "AAECAwQFBgc="}


@pytest.mark.parametrize(
    ("vr", "little"),
    [("OB", "AAECAwQFBgc="), ("OW", "AQADAgUEBwY="), ("OF", "AwIBAAcGBQQ="), ("OD", "BwYFBAMCAQA=")],
)
def test_f27_inline_binaries_are_little_endian(vr: str, little: str) -> None:
    assert value(0x00091001, vr, bytes(range(8)), BIG) == {"vr": vr, "InlineBinary": little}


def test_text_is_escaped_as_json_asks() -> None:
    raw = b'quote " slash \\ tab \t bell \x07 '
    text = JsonMaker(EXPLICIT).make(element(0x00104000, "LT", raw))
    assert orjson.loads(text)["00104000"]["Value"] == ['quote " slash \\ tab \t bell \x07']
