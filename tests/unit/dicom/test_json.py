"""DICOM JSON out of data sets: the memo changes nothing, hostile data end well."""

import orjson
import pytest
from tests.fixtures.dicom_bytes import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    SYNTAXES,
    deflate,
    element,
    mark,
    sequence,
)

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.elements import UNDEFINED
from filmroom.dicom.json import ElementPath, JsonMaker, dataset_to_json, inflate

pytestmark = pytest.mark.capability("6.2.4")


def header(syntax: str = EXPLICIT, name: bytes = b"DOE^JOHN", number: bytes = b"1 ") -> bytes:
    code = sequence(0x00081032, [element(0x00080100, "SH", b"CT01", syntax)], syntax)
    return b"".join(
        (
            element(0x00080005, "CS", b"ISO_IR 100", syntax),
            element(0x00080060, "CS", b"CT", syntax),
            code,
            element(0x00100010, "PN", name, syntax),
            element(0x00200013, "IS", number, syntax),
            element(0x00280010, "US", b"\0\2" if syntax == BIG else b"\2\0", syntax),
        )
    )


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_one_object_in_every_syntax(syntax: str) -> None:
    assert dataset_to_json(header(syntax, "Müller".encode("latin1")), syntax) == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["CT01"]}}]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]},
        "00200013": {"vr": "IS", "Value": [1]},
        "00280010": {"vr": "US", "Value": [2]},
    }


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_remembered_is_what_would_be_made(syntax: str) -> None:
    maker = JsonMaker(syntax)
    for round_ in range(3):
        for number in (b"1 ", b"2 ", b"1 "):
            for name in (b"DOE^JOHN", b"ROE^JANE"):
                data = header(syntax, name, number)
                assert maker.make(data) == JsonMaker(syntax).make(data), round_


def test_the_same_bytes_in_another_character_set_are_another_text() -> None:
    maker = JsonMaker(EXPLICIT)
    name = element(0x00100010, "PN", b"\xc4\xe3")
    latin = orjson.loads(maker.make(element(0x00080005, "CS", b"ISO_IR 100") + name))
    chinese = orjson.loads(maker.make(element(0x00080005, "CS", b"GBK ") + name))
    assert latin["00100010"]["Value"] == [{"Alphabetic": "Äã"}]
    assert chinese["00100010"]["Value"] == [{"Alphabetic": "你"}]


def test_pixels_need_only_their_first_twelve_bytes() -> None:
    seen: list[ElementPath] = []

    def uri(path: ElementPath) -> str:
        seen.append(path)
        return "../bulk/pixels"

    data = header() + element(0x7FE00010, "OW", bytes(100_000))
    cut = data[: len(header()) + 12]
    expected = {"vr": "OW", "BulkDataURI": "../bulk/pixels"}
    assert orjson.loads(JsonMaker(EXPLICIT).make(cut, uri))["7FE00010"] == expected
    assert dataset_to_json(data, EXPLICIT, bulk_uri=uri)["7FE00010"] == expected
    assert dataset_to_json(data, EXPLICIT)["7FE00010"] == {"vr": "OW"}
    assert seen == [(0x7FE00010,)] * 2


def test_long_binaries_are_referred_to_by_their_path() -> None:
    wave = element(0x54001010, "OW", bytes(5000))
    data = sequence(0x54000100, [wave, wave]) + element(0x60003000, "OW", bytes(5000))
    found = dataset_to_json(data, EXPLICIT, bulk_uri=lambda path: "/".join(f"{part:X}" for part in path))
    items = found["54000100"]["Value"]
    assert [item["54001010"]["BulkDataURI"] for item in items] == ["54000100/0/54001010", "54000100/1/54001010"]
    assert found["60003000"]["BulkDataURI"] == "60003000"


def test_addresses_are_never_remembered() -> None:
    maker = JsonMaker(EXPLICIT)
    data = sequence(0x54000100, [element(0x54001010, "OW", bytes(5000))], defined=True)
    for name in ("a", "b"):
        found = orjson.loads(maker.make(data, lambda path, name=name: name))  # type: ignore[misc]
        assert found["54000100"]["Value"][0]["54001010"]["BulkDataURI"] == name


def test_a_patch_replaces_adds_and_removes() -> None:
    patch = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "NEW"}]}, "00200013": None, "00081190": {"vr": "UR"}}
    found = orjson.loads(JsonMaker(EXPLICIT).make(header(), patch=patch))
    assert found["00100010"]["Value"] == [{"Alphabetic": "NEW"}]
    assert "00200013" not in found
    assert found["00081190"] == {"vr": "UR"}


def test_groups_lengths_and_repeated_elements_leave_valid_json() -> None:
    data = element(0x00080000, "UL", b"\0\0\0\0") + header() + element(0x00100010, "PN", b"LAST")
    found = orjson.loads(JsonMaker(EXPLICIT).make(data))
    assert found["00100010"]["Value"] == [{"Alphabetic": "LAST"}]
    assert "00080000" not in found


def test_undeclared_text_gets_a_declaration() -> None:
    found = dataset_to_json(element(0x00100010, "PN", "王".encode() + b" "), EXPLICIT)
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00100010"]["Value"] == [{"Alphabetic": "王"}]
    assert "00080005" not in dataset_to_json(element(0x00100010, "PN", b"WANG"), EXPLICIT)


@pytest.mark.capability("1.1.12")
def test_un_becomes_what_the_dictionary_knows() -> None:
    data = element(0x00100010, "UN", b"DOE^JOHN") + element(0x00091001, "UN", b"ab")
    inner = element(0x00080100, "", b"CODE", IMPLICIT)
    data += sequence(0x00091002, [], vr="UN")[:-8]
    data += mark(0xFFFEE000, length=UNDEFINED) + inner + mark(0xFFFEE00D) + mark(0xFFFEE0DD)
    found = dataset_to_json(data, EXPLICIT)
    assert found["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "DOE^JOHN"}]}
    assert found["00091001"] == {"vr": "UN", "InlineBinary": "YWI="}
    assert found["00091002"] == {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["CODE"]}}]}


def test_the_sign_of_us_or_ss_follows_pixel_representation() -> None:
    smallest = element(0x00280106, "", b"\xff\xff", IMPLICIT)
    signed = element(0x00280103, "", b"\1\0", IMPLICIT) + smallest
    maker = JsonMaker(IMPLICIT)
    assert orjson.loads(maker.make(signed))["00280106"] == {"vr": "SS", "Value": [-1]}
    assert orjson.loads(maker.make(smallest))["00280106"] == {"vr": "US", "Value": [65535]}


def test_an_items_own_character_set_is_its_own() -> None:
    item = element(0x00080005, "CS", b"GB18030 ") + element(0x00100010, "PN", "王".encode("gb18030"))
    data = element(0x00080005, "CS", b"ISO_IR 100") + sequence(0x00081115, [item])
    data += element(0x00100010, "PN", "Ä ".encode("latin1"))
    found = dataset_to_json(data, EXPLICIT)
    assert found["00081115"]["Value"][0]["00100010"]["Value"] == [{"Alphabetic": "王"}]
    assert found["00100010"]["Value"] == [{"Alphabetic": "Ä"}]


@pytest.mark.capability("1.0.11")
@pytest.mark.parametrize("defined", [True, False])
def test_nesting_deeper_than_the_limit_is_left_out(defined: bool) -> None:
    data = element(0x00080100, "SH", b"DEEP")
    for _ in range(MAX_SEQUENCE_DEPTH + 10):
        data = sequence(0x00081115, [data], defined=defined)
    text = JsonMaker(EXPLICIT).make(data)
    assert b"DEEP" not in text
    assert text.count(b"00081115") == MAX_SEQUENCE_DEPTH + 1


def test_encapsulated_pixels_in_an_icon_are_stepped_over() -> None:
    icon = element(0x7FE00010, "OB", mark(0xFFFEE000) + mark(0xFFFEE000, length=4) + b"1234", length=UNDEFINED)
    data = sequence(0x00880200, [icon + mark(0xFFFEE0DD)]) + element(0x00880906, "ST", b"on")
    found = dataset_to_json(data, JPEG, bulk_uri=lambda path: "x")
    assert found["00880200"]["Value"] == [{"7FE00010": {"vr": "OB", "BulkDataURI": "x"}}]
    assert found["00880906"]["Value"] == ["on"]


@pytest.mark.capability("1.0.11")
def test_deflated_data_are_inflated_within_measure() -> None:
    assert dataset_to_json(deflate(header()), DEFLATED) == dataset_to_json(header(), EXPLICIT)
    with pytest.raises(LimitReached):
        inflate(deflate(bytes(100_000_000)))
    with pytest.raises(NotReadable):
        inflate(b"\xff" * 50)


def test_every_cut_of_a_header_gives_json() -> None:
    data = header() + sequence(0x00081115, [element(0x00080100, "SH", b"CT01")], defined=True) + header(number=b"9 ")
    for length in range(len(data)):
        assert isinstance(orjson.loads(JsonMaker(EXPLICIT).make(data[:length])), dict)
