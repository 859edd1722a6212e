"""What the index keeps of one object."""

import pytest
from tests.fixtures.dicom_bytes import BIG, EXPLICIT, IMPLICIT, SYNTAXES, element, header_three_ways, sequence

from filmroom.base.errors import NotReadable
from filmroom.dicom.attributes import full_record, index_record, integer, quick_keys, text
from filmroom.dicom.headertap import Header

pytestmark = pytest.mark.capability("1.2.2", "1.2.3", "1.2.4")


def obj(syntax: str = EXPLICIT, **changes: bytes) -> Header:
    values = {
        "charset": b"\\ISO 2022 IR 58",
        "name": b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "number": b" 17 ",
        "study": b"1.2.3\0",
        "description": "Abdömen Größe".encode("latin1"),
        "rows": b"\2\0" if syntax != BIG else b"\0\2",
    } | changes
    parts = [
        element(0x00080005, "CS", values["charset"], syntax),
        element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0", syntax),
        element(0x00080018, "UI", b"1.2.3.4.5\0", syntax),
        element(0x00080020, "DA", b"2024.02.03", syntax),
        element(0x00080030, "TM", b"1015", syntax),
        element(0x00080050, "SH", b" A17 ", syntax),
        sequence(0x00080051, [element(0x00400031, "UT", b"RIS ", syntax)], syntax),
        element(0x00080060, "CS", b"CT", syntax),
        element(0x00080090, "PN", b"House^Gregory", syntax),
        element(0x0008103E, "LO", b"AXIAL Thin", syntax),
        element(0x00100010, "PN", values["name"], syntax),
        element(0x00100020, "LO", b"P1", syntax),
        element(0x00100021, "LO", b"HOSP", syntax),
        element(0x0020000D, "UI", values["study"], syntax),
        element(0x0020000E, "UI", b"1.2.3.4\0", syntax),
        element(0x00200011, "IS", b"3 ", syntax),
        element(0x00200013, "IS", values["number"], syntax),
        element(0x00280010, "US", values["rows"], syntax),
        sequence(0x00400275, [element(0x00400009, "SH", b"SPS1", syntax)], syntax),
    ]
    return header_three_ways(b"".join(p for p in parts if p), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_columns_of_every_level(syntax: str) -> None:
    record = index_record(obj(syntax))
    assert (record.patient.patient_id, record.patient.issuer) == ("P1", "HOSP")
    assert record.patient.name_alphabetic == "zhang^xiaodong"
    assert record.patient.name_ideographic == "张^小东"
    assert "zxd" in record.patient.name_terms
    assert (record.study.study_date, record.study.study_time) == ("20240203", "101500.000000")
    assert (record.study.accession, record.study.accession_issuer) == ("A17", "RIS")
    assert record.study.referring == "house^gregory"
    assert (record.series.modality, record.series.series_number) == ("CT", 3)
    assert record.series.description == "axial thin"
    assert (record.image.instance_number, record.image.rows) == (17, 2)
    assert record.image.transfer_syntax == syntax
    assert record.image.attributes is None


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_attributes_are_dicom_json_with_sequences(syntax: str) -> None:
    record = index_record(obj(syntax))
    name = {"Alphabetic": "Zhang^XiaoDong", "Ideographic": "张^小东"}
    assert record.patient.attributes["00100010"] == {"vr": "PN", "Value": [name]}
    request = {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["SPS1"]}}]}
    assert record.series.attributes["00400275"] == request


def test_objects_of_a_series_have_one_signature_and_others_another() -> None:
    first = quick_keys(obj()).signature
    assert quick_keys(obj(number=b"18")).signature == first
    assert quick_keys(obj(name=b"Zhang^San ")).signature != first
    assert quick_keys(obj(charset=b"GB18030 ")).signature != first
    assert quick_keys(obj(IMPLICIT)).signature != first
    assert full_record(obj()).study_signature == first


def test_a_default_character_set_counts_for_objects_without_one() -> None:
    header = obj(charset=b"", name="张^三".encode("gbk"))
    assert full_record(header, "GBK").patient.attributes["00100010"]["Value"] == [{"Alphabetic": "张^三"}]
    assert quick_keys(header, "GBK").signature != quick_keys(header).signature


@pytest.mark.capability("1.1.12")
@pytest.mark.parametrize(
    ("uid", "reason"), [(b"", "is missing"), (b"1.2.x\0", "is not a UID"), (b"1" * 66, "not a UID")]
)
def test_an_object_without_its_uids_is_refused_with_a_reason(uid: bytes, reason: str) -> None:
    with pytest.raises(NotReadable, match=rf"StudyInstanceUID \(0020,000D\) .*{reason}"):
        quick_keys(obj(study=uid))


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"12", 12),
        (b"+7 ", 7),
        (b"1.0 ", 1),
        (b"1\\2 ", 1),
        (b"x ", None),
        (b"", None),
        (b"99999999999 ", None),
        (b"inf", None),
    ],
)
def test_integers_are_read_with_tolerance(raw: bytes, number: int | None) -> None:
    assert integer(obj(number=raw), 0x00200013) == number


def test_documents_keep_their_own_keys() -> None:
    base = element(0x00080016, "UI", b"1.2\0") + element(0x00080018, "UI", b"1.2.3\0")
    base += element(0x0020000D, "UI", b"1.2\0") + element(0x0020000E, "UI", b"1.3\0")
    header = header_three_ways(base + element(0x0040A491, "CS", b"COMPLETE") + element(0x0040A493, "CS", b""))
    assert quick_keys(header).image.attributes == {"0040A491": {"vr": "CS", "Value": ["COMPLETE"]}}


def test_text_of_absent_attributes_is_empty() -> None:
    assert text(obj(), 0x00104000) == ""


def test_nul_inside_a_text_is_in_no_column() -> None:
    """PS3.5 6.1: some writers hand out a C string with its end and what follows it; PostgreSQL takes no NUL."""
    record = index_record(obj(name=b"Do\0e^Ja\0n\0", charset=b"ISO_IR 100", number=b"1\0"))
    assert record.patient.name_alphabetic == "doe^jan"
    assert "\0" not in repr(record)
