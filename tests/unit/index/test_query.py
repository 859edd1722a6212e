"""Questions as SQL: values are bound, never written; keys of identity give plans that can be kept."""

import re

import pytest

from filmroom.dicom.matching import question_from_query
from filmroom.dicom.question import Level, Order, Question, Single
from filmroom.index.query import compile_count, compile_page, order_of, unsupported
from filmroom.index.query_terms import Parameters, like_pattern, text_condition

HOSTILE = "x'; DROP TABLE study; --\\\"$1 :name %_"
KEYS = (
    "PatientID", "PatientName", "StudyDescription", "AccessionNumber", "InstitutionName", "AdmissionID", "StationName",
    "ReferringPhysicianName", "RequestAttributesSequence.ScheduledProcedureStepID", "IssuerOfPatientID",
)  # fmt: skip


@pytest.mark.capability("1.2.5")
@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("pattern", ["{}", "*{}*", "{}?"])
def test_no_value_of_a_question_is_part_of_the_statement(level: Level, pattern: str) -> None:
    question = question_from_query([(key, pattern.format(HOSTILE)) for key in KEYS], level)
    for compiled in (compile_page(question, 10), compile_count(question)):
        assert "DROP" not in compiled.sql
        numbers = {int(number) for number in re.findall(r"\$(\d+)", compiled.sql)}
        assert numbers == set(range(1, len(compiled.values) + 1))


@pytest.mark.parametrize(
    ("wildcard", "pattern"),
    [("a*", "a%"), ("?b", "_b"), ("100%", "100\\%"), ("a_b*", "a\\_b%"), ("c:\\x*", "c:\\\\x%"), ("**", "%%")],
)
@pytest.mark.capability("1.2.5")
def test_wildcards_are_translated_and_like_wildcards_escaped(wildcard: str, pattern: str) -> None:
    assert like_pattern(wildcard) == pattern


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud800", ""])
def test_a_value_that_no_row_can_hold_matches_nothing(value: str) -> None:
    assert text_condition("s.accession", Single(value), Parameters()) == "false"


@pytest.mark.parametrize(
    ("keys", "varied"),
    [
        ({"StudyInstanceUID": "1.2"}, False),
        ({"StudyInstanceUID": "1.2,1.3"}, False),
        ({"PatientID": "P1", "PatientSex": "F"}, False),
        ({"PatientID": "P*"}, True),
        ({"StudyDate": "20240101-"}, True),
        ({"ModalitiesInStudy": "CT"}, True),
        ({}, False),
    ],
)
def test_only_keys_of_identity_have_one_plan_for_all_values(keys: dict[str, str], varied: bool) -> None:
    assert compile_page(question_from_query(list(keys.items()), Level.STUDY), 10).varied is varied


def test_the_patient_is_joined_only_where_needed() -> None:
    by_id = question_from_query([("PatientID", "P1")], Level.STUDY)
    assert "patient AS p" not in compile_count(by_id).sql
    by_name = question_from_query([("PatientName", "A*")], Level.STUDY)
    assert "patient AS p" in compile_count(by_name).sql


@pytest.mark.parametrize("level", Level)
def test_every_order_ends_with_a_key_so_that_it_is_total(level: Level) -> None:
    for order in ((), (Order((0x00100010,)),), (Order((0x00080020,), descending=True), Order((0x00080030,)))):
        assert order_of(Question(level=level, order=order))[-1].sql.endswith(".pk")


@pytest.mark.capability("3.2.1")
def test_the_next_page_is_found_by_an_index_range_not_by_counting() -> None:
    compiled = compile_page(Question(level=Level.STUDY), 10, after=("20240101", "", 7))
    assert "(s.study_date, s.study_time, s.pk) < ($1::text, $2::text, $3::bigint)" in compiled.sql
    assert "OFFSET" not in compiled.sql


@pytest.mark.capability("1.2.10")
def test_attributes_beyond_the_index_are_reported() -> None:
    question = question_from_query([("SliceThickness", "5"), ("includefield", "KVP,PatientName,Rows")], Level.STUDY)
    assert unsupported(question) == ((0x00180050,), (0x00180060,), (0x00280010,))
