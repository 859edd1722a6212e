"""The condition language: what is said is what is meant, and what is wrong is said where it is."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmroom.dicom.conditions import ALWAYS, SUBJECTS, And, Attribute, Not, Or, Span, Subject, Test, show
from filmroom.dicom.conditions_eval import Asked, JsonValues, attributes_of, compiled, explained
from filmroom.dicom.conditions_parse import BadCondition, parse

CHEST = {
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "AXIAL"]},
    "00080020": {"vr": "DA", "Value": ["20260301"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Anna", "Ideographic": "王^小明"}]},
    "00100030": {"vr": "DA", "Value": ["20160302"]},
    "00180050": {"vr": "DS", "Value": [1.25]},
    "00081030": {"vr": "LO", "Value": ["Thorax nativ"]},
    "00081032": {
        "vr": "SQ",
        "Value": [{"00080100": {"vr": "SH", "Value": ["CTHX"]}, "00080102": {"vr": "SH", "Value": ["99LOCAL"]}}],
    },
    "00400275": {
        "vr": "SQ",
        "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}}, {"00400009": {"vr": "SH", "Value": ["S2"]}}],
    },
}
MONDAY_NIGHT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def asked(**more: Any) -> Asked:
    given_: dict[str, Any] = {"values": JsonValues(CHEST), "calling": "CT1", "host": "10.0.0.7", "now": MONDAY_NIGHT}
    return Asked(**(given_ | more))


@pytest.mark.capability("1.1.10")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "always",
        "Modality = CT",
        ["modality_is_not_a_name = x", "Modality = ct"][1],
        "Modality in (MR, CT)",
        "Modality != MR",
        "StudyComments != anything",
        "not StudyComments exists",
        "ImageType = AXIAL",
        "00080060 = CT",
        "(0008,0060) = CT",
        "RequestAttributesSequence.ScheduledProcedureStepID = S2",
        "(0040,0275).(0040,0009) = S1",
        'PatientName = "muller^anna=王^小明"',
        'PatientName like "MULLER*"',
        "StudyDescription like tho*na?iv",
        'StudyDescription matches "Thorax .*"',
        "SliceThickness < 2 and SliceThickness >= 1.25",
        "SliceThickness in (1..2)",
        "StudyDate in (20260101..20261231)",
        "calling like CT* and host = 10.0.0.7",
        "age < 10y and age >= 9y",
        "code = CTHX and code = CTHX^99LOCAL",
        "hour in (22..6)",
        "time in (23:00..06:30)",
        "weekday in (sat..mon)",
        "weekday = mon and hour > 20",
        "Modality = MR or Modality = CT and calling = CT1",
        "not (Modality = MR or calling = XX)",
    ],
)
def test_what_is_true_of_a_chest_ct_sent_on_monday_night(text: str) -> None:
    condition = parse(text)
    assert compiled(condition)(asked())
    assert explained(condition, asked()).holds


@pytest.mark.parametrize(
    "text",
    [
        "Modality = MR",
        "Modality = MR and calling = CT1",
        "(Modality = MR or Modality = CT) and calling = XX",
        "StudyComments exists",
        "StudyComments = x",
        "StudyComments < 5",
        "age < 9y",
        "hour in (0..6)",
        "weekday in (tue..sun)",
        "StudyDescription like thorax",
        'StudyDescription matches "Thorax"',
        "not always",
    ],
)
def test_what_is_not(text: str) -> None:
    condition = parse(text)
    assert not compiled(condition)(asked())
    assert not explained(condition, asked()).holds


def test_the_night_ends() -> None:
    night = compiled(parse("time in (22:00..06:30)"))
    assert night(asked(now=datetime(2026, 3, 2, 6, 30, tzinfo=UTC)))
    assert not night(asked(now=datetime(2026, 3, 2, 6, 31, tzinfo=UTC)))
    assert not night(asked(now=datetime(2026, 3, 2, 21, 59, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("Modality", 8, "one of = !="),
        ("Modality = ", 11, "a value"),
        ("Modallity = CT", 0, "an attribute: Modallity is none"),
        ("Modality in CT", 12, "'('"),
        ("Modality in (CT MR)", 16, "',' or ')'"),
        ("Modality = CT calling = X", 14, "'and', 'or' or the end"),
        ("(Modality = CT", 14, "')'"),
        ('Modality = "CT', 11, "the closing quote"),
        ("age < 18", 6, "an age such as"),
        ("hour = 24", 7, "an hour from 0 to 23"),
        ("time = 7", 7, "a time of the day"),
        ("weekday = monday", 10, "one of mon tue"),
        ("age like 1*", 4, "a comparison"),
        ("ReferencedStudySequence.Foo = 1", 24, "an attribute: Foo"),
        ('PatientID matches "(a+)+"', 18, "without a repetition within a repetition"),
        ('PatientID matches "(a"', 18, "a regular expression"),
        ('PatientID matches "(a)\\\\1"', 18, "without references"),
        ('PatientID matches "a*a*a*a*"', 18, "at most 3 repetitions"),
        ("(" * 40 + "always", 31, "at most 30 levels"),
        ("# comment", 0, "a name, a value or a sign"),
    ],
)
def test_a_fault_says_where_it_is_and_what_was_expected(text: str, at: int, expected: str) -> None:
    with pytest.raises(BadCondition) as fault:
        parse(text)
    assert (fault.value.at, expected in fault.value.expected) == (at, True), str(fault.value)


def test_an_explanation_shows_what_each_part_saw() -> None:
    lines = list(explained(parse("Modality = MR and calling = CT1"), asked()).lines())
    assert lines == [
        "no   Modality = MR and calling = CT1",
        "  no   Modality = MR   found 'CT'",
        "  yes  calling = CT1   found 'CT1'",
    ]


def test_what_must_be_at_hand_to_ask() -> None:
    condition = parse("RequestAttributesSequence.ScheduledProcedureStepID = 1 and age < 1y or calling = X")
    assert attributes_of(condition) == {0x00400275, 0x00101010, 0x00100030, 0x00080020}


@pytest.mark.timeout(20)  # a backtracking matcher would not be done in a year
@pytest.mark.parametrize("text", ["PatientComments like " + "*a" * 40 + "*b", 'PatientComments matches "a*a*a*b"'])
def test_no_pattern_backtracks(text: str) -> None:
    comments = JsonValues({"00104000": {"vr": "LT", "Value": ["a" * 10_000]}})
    assert not compiled(parse(text))(Asked(values=comments))


_subjects = st.sampled_from([Attribute((0x00080060,)), Attribute((0x00400275, 0x00400009)), Attribute((0x00091001,))])
_free = st.text(max_size=12)
_comparisons = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "like"])
_listed = st.lists(_free | st.builds(Span, _free, _free), min_size=1, max_size=4).map(tuple)
_leaves = (
    st.builds(lambda s, o, v: Test(s, o, (v,)), _subjects | st.just(Subject("calling")), _comparisons, _free)
    | st.builds(lambda s, v: Test(s, "in", v), _subjects, _listed)
    | st.builds(lambda s: Test(s, "exists"), st.builds(Subject, st.sampled_from(list(SUBJECTS))))
    | st.builds(lambda n: Test(Subject("age"), "<", (f"{n}y",)), st.integers(0, 120))
    | st.just(ALWAYS)
)
_conditions = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_conditions)
def test_printed_and_read_again_it_is_the_same(condition: Any) -> None:
    assert parse(show(condition)) == condition


@settings(max_examples=60, deadline=None)
@given(_conditions)
def test_fast_and_explained_agree(condition: Any) -> None:
    assert compiled(condition)(asked()) == explained(condition, asked()).holds


_scraps = st.lists(
    st.sampled_from(
        ["(", ")", "and", "or", "not", "in", "Modality", "=", '"x"', "..", ",", "age", "matches", '"a*"', " "]
    )
    | st.text(max_size=4)
)


@settings(max_examples=120, deadline=None)
@given(_scraps.map(" ".join) | st.text(max_size=60))
def test_whatever_is_typed_ends_in_a_condition_or_a_sentence(text: str) -> None:
    with contextlib.suppress(BadCondition):
        compiled(parse(text))(asked())
