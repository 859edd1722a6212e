"""Questions read from identifiers and from QIDO parameters."""

import pytest
from tests.fixtures.dicom_bytes import EXPLICIT

from filmroom.base.errors import RemoteFault
from filmroom.dicom.identifiers import Identifiers
from filmroom.dicom.matching import (
    ALL,
    AllOf,
    AnyOf,
    EmptyValue,
    Key,
    Level,
    Match,
    Order,
    Range,
    SequenceMatch,
    Single,
    Universal,
    Wildcard,
    moments,
    name_patterns,
    question_from_dataset,
    question_from_query,
)
from filmroom.dicom.question import JsonDataset, hex_key

pytestmark = pytest.mark.capability("1.2.5")
NAME, DATE, TIME, UID, MODALITIES, NUMBER = 0x00100010, 0x00080020, 0x00080030, 0x0020000D, 0x00080061, 0x00200011
DESCRIPTION, STAMP, REQUEST, STEP = 0x00081030, 0x0008002A, 0x00400275, 0x00400009


def asked(tag: int, *values: object, vr: str = "LO") -> JsonDataset:
    return {"00080052": {"vr": "CS", "Value": ["STUDY"]}, hex_key(tag): {"vr": vr, "Value": list(values)}}


def match_of(tag: int, *values: object) -> Match:
    question = question_from_dataset(asked(tag, *values))
    assert len(question.keys) == 1
    return question.keys[0].match


@pytest.mark.parametrize(
    ("tag", "values", "expected"),
    [
        (DESCRIPTION, [], Universal()),
        (DESCRIPTION, ["*"], Universal()),
        (DESCRIPTION, ['""'], EmptyValue()),
        (DESCRIPTION, ["HEAD"], Single("HEAD")),
        (DESCRIPTION, ["100%_\\x"], Single("100%_\\x")),
        (DESCRIPTION, ["HE*D"], Wildcard("HE*D")),
        (DESCRIPTION, ["HE?D"], Wildcard("HE?D")),
        (UID, ["1.2"], Single("1.2")),
        (UID, ["1.2", "1.3"], AnyOf(("1.2", "1.3"))),
        (MODALITIES, ["CT", "MR"], AnyOf(("CT", "MR"))),
        (MODALITIES, ["CT", "M*"], AnyOf(("CT", "M*"), wildcard=True)),
        (NUMBER, [7], Single("7")),
        (NUMBER, ["7.0"], Single("7")),
        (NUMBER, ["*"], Universal()),
        (DATE, ["20240101"], Single("20240101")),
        (DATE, ["2024.01.01"], Single("20240101")),
        (DATE, ["20240101-20240131"], Range("20240101", "20240131")),
        (DATE, ["20240101-"], Range("20240101", "")),
        (DATE, ["-20240131"], Range("", "20240131")),
        (DATE, ["*"], Universal()),
        (DATE, ["-"], Universal()),
        (TIME, ["10"], Range("100000.000000", "105959.999999")),
        (TIME, ["101112.123456"], Single("101112.123456")),
        (TIME, ["10-12"], Range("100000.000000", "125959.999999")),
        (TIME, ["-1230"], Range("", "123059.999999")),
        (STAMP, ["2024"], Range("20240101000000.000000", "20241231235959.999999")),
        (STAMP, ["2023-2024"], Range("20230101000000.000000", "20241231235959.999999")),
        (STAMP, ["20240101-0500"], Range("20240101000000.000000", "20240101235959.999999")),
        (STAMP, ["20240101-0500-20240102-0500"], Range("20240101000000.000000", "20240102235959.999999")),
        (STAMP, ["-2024"], Range("", "20241231235959.999999")),
    ],
)
def test_what_a_value_asks(tag: int, values: list[object], expected: Match) -> None:
    assert match_of(tag, *values) == expected


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        (DATE, ["2024"]),
        (DATE, ["202401*"]),
        (DATE, ["20240101", "20240102"]),
        (DATE, ["20240101-tomorrow"]),
        (TIME, ["25"]),
        (TIME, ["10?0"]),
        (STAMP, ["yesterday"]),
        (STAMP, ["20241301"]),
        (UID, ["1.2.*"]),
        (UID, ["abc"]),
        (NUMBER, ["one"]),
        (NUMBER, ["1*"]),
    ],
)
def test_what_is_no_question_says_which_key(tag: int, values: list[object]) -> None:
    with pytest.raises(RemoteFault, match=f"{tag >> 16:04X},{tag & 0xFFFF:04X}"):
        match_of(tag, *values)


def test_negotiated_multiple_values_must_all_be_there() -> None:
    question = question_from_dataset(asked(MODALITIES, "CT", "PT"), multiple_values=True)
    assert question.keys[0].match == AllOf(("CT", "PT"))


def test_level_and_control_attributes_are_not_matched() -> None:
    identifier = asked(DESCRIPTION) | {"00080005": {"vr": "CS"}, "00080201": {"vr": "SH", "Value": ["+0800"]}}
    question = question_from_dataset(identifier, zoned=True)
    assert question.level is Level.STUDY
    assert question.timezone == "+0800"
    assert question_from_dataset(identifier).timezone is None
    assert [key.path for key in question.keys] == [(DESCRIPTION,)]


@pytest.mark.parametrize("level", ["", "WARD", None])
def test_a_missing_or_unknown_level_is_refused(level: str | None) -> None:
    with pytest.raises(RemoteFault, match=r"0008,0052"):
        question_from_dataset({"00080052": {"vr": "CS", "Value": [level]}})


def test_sequences_ask_inside_one_item_and_return_what_they_name() -> None:
    item = {hex_key(STEP): {"vr": "SH", "Value": ["S*"]}, "00401001": {"vr": "SH"}}
    question = question_from_dataset(asked(REQUEST, item, vr="SQ"), Level.SERIES)
    inner = (Key((STEP,), "SH", Wildcard("S*")), Key((0x00401001,), "SH", Universal()))
    assert question.keys == (Key((REQUEST,), "SQ", SequenceMatch(inner)),)
    assert question.returns == ((REQUEST, STEP), (REQUEST, 0x00401001))


@pytest.mark.parametrize("items", [[], [{}]])
def test_an_empty_sequence_asks_for_all_of_it(items: list[JsonDataset]) -> None:
    question = question_from_dataset(asked(REQUEST, *items, vr="SQ"), Level.SERIES)
    assert question.keys[0].match == Universal()
    assert question.returns == ((REQUEST,),)


def test_an_identifier_comes_and_goes_in_the_askers_character_set() -> None:
    codec = Identifiers()
    raw = codec.encode(asked(NAME, {"Alphabetic": "Müller*"}, vr="PN"), EXPLICIT, "ISO_IR 100")
    assert codec.charset(raw, EXPLICIT) == "ISO_IR 100"
    assert codec.charset(b"", EXPLICIT) == ""
    question = codec.question(codec.decode(raw, EXPLICIT), Level.STUDY, character_set="ISO_IR 100")
    assert question.keys == (Key((NAME,), "PN", Wildcard("Müller*")),)
    assert question.character_set == "ISO_IR 100"


def test_a_long_uid_list_comes_through_whole() -> None:
    uids = [f"1.2.840.{n}" for n in range(40_000)]
    codec = Identifiers()
    raw = codec.encode(asked(UID, *uids, vr="UI"), "1.2.840.10008.1.2", "")
    assert codec.question(codec.decode(raw, "1.2.840.10008.1.2"), Level.STUDY).keys[0].match == AnyOf(tuple(uids))


def test_qido_parameters() -> None:
    question = question_from_query(
        [
            ("PatientName", "Doe*"),
            ("00080020", "20240101-"),
            ("ModalitiesInStudy", "CT,MR"),
            ("StudyInstanceUID", "1.2,1.3"),
            ("StudyInstanceUID", "1.4"),
            ("RequestAttributesSequence.ScheduledProcedureStepID", "S1"),
            ("00400275.00401001", "R1"),
            ("includefield", "StudyDescription,00081032"),
            ("includefield", "RequestAttributesSequence.00400007"),
            ("fuzzymatching", "true"),
            ("limit", "50"),
            ("offset", "100"),
            ("orderby", "-StudyDate,PatientName"),
        ],
        Level.STUDY,
    )
    inner = (Key((STEP,), "SH", Single("S1")), Key((0x00401001,), "SH", Single("R1")))
    assert question.keys == (
        Key((NAME,), "PN", Wildcard("Doe*")),
        Key((DATE,), "DA", Range("20240101", "")),
        Key((MODALITIES,), "CS", AnyOf(("CT", "MR"))),
        Key((UID,), "UI", AnyOf(("1.2", "1.3", "1.4"))),
        Key((REQUEST,), "SQ", SequenceMatch(inner)),
    )
    assert question.returns == ((DESCRIPTION,), (0x00081032,), (REQUEST, 0x00400007))
    assert (question.fuzzy, question.limit, question.offset) == (True, 50, 100)
    assert question.order == (Order((DATE,), descending=True), Order((NAME,)))


def test_qido_defaults_and_all() -> None:
    assert question_from_query([], Level.SERIES).limit is None
    assert question_from_query([("includefield", "all")], Level.SERIES).returns is ALL
    assert question_from_query([("accept", "application/dicom+json")], Level.STUDY).keys == ()


def test_qido_uids_of_the_path_win() -> None:
    question = question_from_query([("StudyInstanceUID", "9.9")], Level.SERIES, fixed={UID: "1.2"})
    assert question.keys == (Key((UID,), "UI", Single("1.2")),)


def test_qido_flags_change_the_matching() -> None:
    multiple = question_from_query([("ModalitiesInStudy", "CT\\PT"), ("multiplevaluematching", "true")], Level.STUDY)
    assert multiple.keys[0].match == AllOf(("CT", "PT"))
    assert question_from_query([("PatientID", '""')], Level.STUDY).keys[0].match == Single('""')
    empty = question_from_query([("PatientID", '""'), ("emptyvaluematching", "true")], Level.STUDY)
    assert empty.keys[0].match == EmptyValue()


@pytest.mark.parametrize(
    "wrong",
    [
        ("NoSuchKeyword", "x"),
        ("patientname", "x"),
        ("0010001", "x"),
        ("PatientName.PatientID", "x"),
        ("limit", "-1"),
        ("limit", "many"),
        ("offset", "1.5"),
        ("offset", "²"),
        ("fuzzymatching", "yes"),
        ("includefield", "Nonsense"),
        ("orderby", "Nonsense"),
        ("StudyDate", "today"),
        (".".join(["00081115"] * 500), "x"),
        ("", "x"),
    ],
)
def test_qido_refuses_what_it_cannot_understand(wrong: tuple[str, str]) -> None:
    with pytest.raises(RemoteFault):
        question_from_query([wrong], Level.STUDY)


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("DOE^John", (("doe^john",),)),
        ("DOE^*", (("doe^*", "doe"),)),
        ("DOE*", (("doe*",),)),
        ("Müll?r^^*", (("mull?r^^*", "mull?r^"),)),
        ("=王*", ((), ("王*",))),
        ("*=王", ((), ("王",))),
    ],
)
def test_name_patterns(text: str, patterns: tuple[tuple[str, ...], ...]) -> None:
    assert name_patterns(text) == patterns


@pytest.mark.capability("1.2.6")
def test_date_and_time_as_one_range() -> None:
    date, time = Range("20240101", "20240102"), Range("220000.000000", "020000.999999")
    assert moments(date, time) == Range("20240101220000.000000", "20240102020000.999999")
    assert moments(Single("20240101"), Range("", "120000.999999")) == Range(
        "20240101000000.000000", "20240101120000.999999"
    )
    assert moments(Universal(), time) is None
