"""PS3.4 C.2.2.2, sentence by sentence, on the reference matcher."""

from typing import Any

import pytest

from filmroom.dicom.matching import Level, matches_all, question_from_dataset
from filmroom.dicom.question import JsonDataset

pytestmark = pytest.mark.capability("1.2.5")

ENTITY: JsonDataset = {
    "00080020": {"vr": "DA", "Value": ["20240215"]},
    "00080030": {"vr": "TM", "Value": ["101530"]},
    "0008002A": {"vr": "DT", "Value": ["20240215101530.5"]},
    "00080050": {"vr": "SH", "Value": ["_1234%"]},
    "00080061": {"vr": "CS", "Value": ["CT", "SR", "PT"]},
    "00080080": {"vr": "LO", "Value": ["St. Mary's"]},
    "00081030": {"vr": "LO", "Value": ["Schädel CT"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^Xiaodong", "Ideographic": "张^小东"}]},
    "00100020": {"vr": "LO", "Value": ["a\\b?"]},
    "00100030": {"vr": "DA"},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00200011": {"vr": "IS", "Value": [7]},
    "00101020": {"vr": "DS", "Value": [1.8]},
    "00400275": {
        "vr": "SQ",
        "Value": [
            {"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH", "Value": ["R1"]}},
            {"00400009": {"vr": "SH", "Value": ["S2"]}, "00401001": {"vr": "SH", "Value": ["R2"]}},
        ],
    },
}


def found(tag: str, *values: Any, vr: str = "LO", **negotiated: bool) -> bool:
    question = question_from_dataset({tag: {"vr": vr, "Value": list(values)}}, Level.STUDY, **negotiated)
    return matches_all(question, ENTITY)


# C.2.2.2.1 Single value matching


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("00080050", "_1234%", True),
        ("00080050", "x1234y", False),  # _ and % are characters, no wildcards
        ("00080050", "_1234", False),
        ("00080080", "St. Mary's", True),
        ("00080080", "st. mary's", False),  # case counts, but for PN
        ("0020000D", "1.2.3", True),
        ("0020000D", "1.2", False),
        ("00200011", 7, True),
        ("00200011", "007", True),
        ("00200011", 70, False),
        ("00101020", "1.80", True),
        ("00080020", "20240215", True),
        ("00080020", "2024.02.15", True),
        ("00080020", "20240216", False),
    ],
)
def test_c22221_a_single_value_matches_the_same_value(tag: str, value: Any, expected: bool) -> None:
    assert found(tag, value) is expected


def test_c22221_any_value_of_a_multi_valued_attribute_may_match() -> None:
    assert found("00080061", "SR")
    assert not found("00080061", "MR")


def test_c22221_an_attribute_without_value_matches_no_single_value() -> None:
    assert not found("00100030", "19700101")
    assert not found("00104000", "anything")


# C.2.2.2.1.1 Person names


@pytest.mark.parametrize(
    "value",
    [
        "ZHANG^XIAODONG",
        "zhang^xiaodong^^",
        "Zhàng^Xiǎodōng",
        "张^小东",
        "Zhang^Xiaodong=张^小东",
        "=张^小东",
        "zhang^*",
    ],
)
def test_c222211_names_match_without_case_and_accents_by_component_group(value: str) -> None:
    assert found("00100010", value)


@pytest.mark.parametrize("value", ["Zhang", "Xiaodong^Zhang", "张小东", "Zhang^Xiaodong=李^四", "=zhang^xiaodong"])
def test_c222211_names_do_not_match_by_part_or_order(value: str) -> None:
    assert not found("00100010", value)


@pytest.mark.capability("1.2.7")
@pytest.mark.parametrize("value", ["xiaodong zhang", "zhangxiaodong", "zxd", "小东", "xiao*", "ZHANG"])
def test_c222211_fuzzy_matching_of_names_finds_words_pinyin_and_initials(value: str) -> None:
    assert found("00100010", value, fuzzy=True)


@pytest.mark.capability("1.2.7")
@pytest.mark.parametrize("value", ["李", "wang", "xd", "xiaodongg"])
def test_c222211_fuzzy_matching_does_not_find_everyone(value: str) -> None:
    assert not found("00100010", value, fuzzy=True)


# C.2.2.2.2 List of UID matching


def test_c22222_a_list_of_uids_matches_each_of_them() -> None:
    assert found("0020000D", "1.2.9", "1.2.3", "1.2.3.4")
    assert not found("0020000D", "1.2.9", "1.2.3.4")


# C.2.2.2.3 Universal matching


@pytest.mark.parametrize("tag", ["00080080", "00100030", "00104000", "00200011", "00400275"])
def test_c22223_a_key_without_value_matches_all_entities(tag: str) -> None:
    assert found(tag, vr="SQ" if tag == "00400275" else "LO")


# C.2.2.2.4 Wild card matching


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("00080080", "St*", True),
        ("00080080", "*Mary*", True),
        ("00080080", "St.*s", True),
        ("00080080", "St. Mary's*", True),  # * stands for nothing as well
        ("00080080", "St? Mary's", True),
        ("00080080", "St?Mary's", False),  # ? stands for one character
        ("00080080", "ST*", False),  # case counts
        ("00081030", "schadel*", True),  # but not in descriptions
        ("00080050", "_*%", True),
        ("00080050", "%*", False),
        ("00080050", "?234%", False),
        ("00100020", "a\\b?", True),
        ("00100020", "a\\b*", True),
        ("00100010", "ZH*^XIAO*", True),
        ("00100010", "张*", True),
        ("00100010", "?^小东", True),
        ("00080061", "C*", True),
        ("00080061", "M*", False),
        ("00100030", "*", True),  # * alone is universal: absent values match
        ("00104000", "*", True),
        ("00104000", "**", False),
    ],
)
def test_c22224_asterisk_and_question_mark(tag: str, value: str, expected: bool) -> None:
    assert found(tag, value) is expected


def test_c22224_a_pattern_of_many_asterisks_is_cheap() -> None:
    assert not found("00080080", "*a" * 30 + "*" * 200 + "Z")


# C.2.2.2.5 Range matching


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        ("00080020", "20240215-20240215", True),
        ("00080020", "20240201-20240215", True),
        ("00080020", "20240215-20240229", True),
        ("00080020", "20240216-20240229", False),
        ("00080020", "20240215-", True),
        ("00080020", "-20240215", True),
        ("00080020", "-20240214", False),
        ("00080020", "20240216-", False),
        ("00080030", "10", True),  # all of the hour
        ("00080030", "11", False),
        ("00080030", "1015", True),
        ("00080030", "101530", True),
        ("00080030", "101530.5", False),
        ("00080030", "09-10", True),
        ("00080030", "1016-", False),
        ("00080030", "-101529", False),
        ("0008002A", "20240215", True),
        ("0008002A", "2024021510-2024021511", True),
        ("0008002A", "20240215101530.5", True),
        ("0008002A", "2025-", False),
    ],
)
def test_c22225_ranges_are_inclusive_and_may_be_open(tag: str, value: str, expected: bool) -> None:
    assert found(tag, value) is expected


def test_c22225_an_absent_date_is_in_no_range() -> None:
    assert not found("00100030", "19000101-")


@pytest.mark.capability("1.2.6")
@pytest.mark.parametrize(
    ("date", "time", "apart", "combined"),
    [
        ("20240214-20240216", "1200-0800", False, True),  # from noon of the 14th to 8 of the 16th
        ("20240215-20240215", "10-11", True, True),
        ("20240215-20240216", "1100-1000", False, False),
        ("20240215-", "10-", True, True),
        ("-20240215", "-0900", False, False),
    ],
)
def test_c222253_date_and_time_are_one_range_when_negotiated(date: str, time: str, apart: bool, combined: bool) -> None:
    identifier: JsonDataset = {
        "00080020": {"vr": "DA", "Value": [date]},
        "00080030": {"vr": "TM", "Value": [time]},
    }
    assert matches_all(question_from_dataset(identifier, Level.STUDY), ENTITY) is apart
    together = question_from_dataset(identifier, Level.STUDY, combined_datetime=True)
    assert matches_all(together, ENTITY) is combined


# C.2.2.2.6 Sequence matching


@pytest.mark.parametrize(
    ("step", "procedure", "expected"),
    [
        (["S1"], ["R1"], True),
        (["S2"], ["R2"], True),
        (["S1"], ["R2"], False),  # both true, but never of one item
        (["S*"], [], True),
        (["S3"], [], False),
        ([], [], True),
    ],
)
def test_c22226_one_item_must_match_all_item_keys(step: list[str], procedure: list[str], expected: bool) -> None:
    item = {"00400009": {"vr": "SH", "Value": step}, "00401001": {"vr": "SH", "Value": procedure}}
    assert found("00400275", item, vr="SQ") is expected


def test_c22226_an_item_of_universal_keys_matches_entities_without_the_sequence() -> None:
    item = {"00080100": {"vr": "SH"}}
    assert found("00081032", item, vr="SQ")
    item = {"00080100": {"vr": "SH", "Value": ["X"]}}
    assert not found("00081032", item, vr="SQ")


# C.2.2.2.7 Empty value matching


@pytest.mark.parametrize(("tag", "expected"), [("00100030", True), ("00104000", True), ("00100020", False)])
def test_c22227_two_quotation_marks_ask_for_entities_without_a_value(tag: str, expected: bool) -> None:
    assert found(tag, '""') is expected


# C.2.2.2.8 Multiple value matching


def test_c22228_every_value_must_be_there_when_negotiated() -> None:
    assert found("00080061", "PT", "CT", multiple_values=True)
    assert not found("00080061", "CT", "MR", multiple_values=True)


def test_c22228_without_negotiation_any_value_is_enough() -> None:
    assert found("00080061", "CT", "MR")
    assert found("00080061", "M*", "P*")
    assert not found("00080061", "MR", "US")
