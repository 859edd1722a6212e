"""PS3.4 C.5.1.1: what is negotiated changes how dates, names and lists are matched and answered."""

import pytest
from tests.fixtures.indexed import index_some

from filmroom.archive.devices import DevicePolicy
from filmroom.archive.query import Query
from filmroom.db.pool import Database
from filmroom.dicom.matching import question_from_dataset
from filmroom.dicom.question import JsonDataset, Level
from filmroom.net.dimse.models import STUDY_ROOT
from filmroom.net.dimse.offers import offers
from filmroom.security.principals import SYSTEM

pytestmark = pytest.mark.capability("1.2.6")


def _object(number: int, date: str, time: str, zone: str | None, modality: str = "CT") -> JsonDataset:
    made: JsonDataset = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        "00080018": {"vr": "UI", "Value": [f"1.2.{number}.1.1"]},
        "00080020": {"vr": "DA", "Value": [date]},
        "00080023": {"vr": "DA", "Value": [date]},
        "00080030": {"vr": "TM", "Value": [time]},
        "00080033": {"vr": "TM", "Value": [time]},
        "00080060": {"vr": "CS", "Value": [modality]},
        "00100020": {"vr": "LO", "Value": [f"P{number}"]},
        "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "0020000E": {"vr": "UI", "Value": [f"1.2.{number}.1"]},
        "00400244": {"vr": "DA", "Value": [date]},
        "00400245": {"vr": "TM", "Value": [time]},
    }
    return made | ({"00080201": {"vr": "SH", "Value": [zone]}} if zone else {})


@pytest.fixture
async def query(database: Database) -> Query:
    await index_some(database, [
        _object(1, "20240101", "010000", "+0800"),  # 17:00 of the day before in UTC
        _object(2, "20240101", "010000", "+0000"),
        _object(3, "20240101", "010000", None),
        _object(4, "20231231", "200000", "-0500"),  # 01:00 of the first of January in UTC
    ])  # fmt: skip
    return Query(database, retrieve_ae_title="FILMROOM")


def _keys(date: str, time: str = "", zone: str = "+0000", level: str = "STUDY") -> JsonDataset:
    at, clock = {
        "STUDY": ("00080020", "00080030"),
        "SERIES": ("00400244", "00400245"),
        "IMAGE": ("00080023", "00080033"),
    }[level]
    return {
        at: {"vr": "DA", "Value": [date]},
        clock: {"vr": "TM", "Value": [time]} if time else {"vr": "TM"},
        "00080201": {"vr": "SH", "Value": [zone]},
        "0020000D": {"vr": "UI"},
    }


async def _asked(
    query: Query, keys: JsonDataset, level: Level = Level.STUDY, **negotiated: bool
) -> dict[str, JsonDataset]:
    question = question_from_dataset(keys, level, **negotiated)
    return {answer["0020000D"]["Value"][0]: answer async for answer in query.find(SYSTEM, question)}


async def test_without_negotiation_the_asker_s_zone_means_nothing(query: Query) -> None:
    assert set(await _asked(query, _keys("20240101"))) == {"1.2.1", "1.2.2", "1.2.3"}


async def test_dates_are_matched_as_the_asker_s_clock_shows_them(query: Query) -> None:
    assert set(await _asked(query, _keys("20240101"), zoned=True)) == {"1.2.2", "1.2.3", "1.2.4"}
    assert set(await _asked(query, _keys("20231231"), zoned=True)) == {"1.2.1"}
    assert set(await _asked(query, _keys("20240101", zone="+0800"), zoned=True)) == {"1.2.1", "1.2.2", "1.2.3", "1.2.4"}


async def test_times_too_and_combined_with_dates(query: Query) -> None:
    assert set(await _asked(query, _keys("-20240101", "1630-1730"), zoned=True)) == {"1.2.1"}
    span = _keys("20231231-20240101", "1630-0059")
    assert set(await _asked(query, span, zoned=True, combined_datetime=True)) == {"1.2.1"}
    assert await query.count(SYSTEM, question_from_dataset(span, Level.STUDY, zoned=True, combined_datetime=True)) == 1


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
async def test_the_same_holds_at_the_levels_below(query: Query, level: str) -> None:
    asked = _keys("20231231", "1700", level=level)
    assert set(await _asked(query, asked, Level(level), zoned=True)) == {"1.2.1"}


async def test_answers_are_in_the_asker_s_zone_and_say_so(query: Query) -> None:
    """PS3.4 C.4.1.1.3.2: the offset is there when the times are to be read by it, and only then."""
    found = await _asked(query, _keys("20231231-20240101"), zoned=True)
    assert found["1.2.1"]["00080020"]["Value"] == ["20231231"]
    assert found["1.2.1"]["00080030"]["Value"] == ["170000"]
    assert found["1.2.1"]["00080201"]["Value"] == ["+0000"]
    assert found["1.2.3"]["00080030"]["Value"] == ["010000"]
    assert "00080201" not in found["1.2.3"]


@pytest.mark.capability("1.2.5")
async def test_a_list_means_any_or_every_value_as_negotiated(query: Query, database: Database) -> None:
    await index_some(database, [
        _object(5, "20200101", "10", None, "PT"),
        _object(5, "20200101", "10", None, "CT") | {
            "00080018": {"vr": "UI", "Value": ["1.2.5.2.1"]}, "0020000E": {"vr": "UI", "Value": ["1.2.5.2"]},
        },
    ])  # fmt: skip
    keys: JsonDataset = {"00080061": {"vr": "CS", "Value": ["CT", "PT"]}, "0020000D": {"vr": "UI"}}
    assert len(await _asked(query, keys)) == 5
    assert set(await _asked(query, keys, multiple_values=True)) == {"1.2.5"}


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"\x01", b"\x01"),
        (b"\x01\x01\x01", b"\x01\x01\x01"),
        (b"\x01\x01\x01\x01\x01", b"\x01\x01\x01\x01\x00"),
        (b"\x00\x01\x00\x01\x00\x01\x01", b"\x00\x01\x00\x01\x00\x01\x01"),
        (b"\x01" * 12, b"\x01\x01\x01\x01\x00\x01\x01"),
    ],
)
def test_we_agree_to_what_is_asked_and_can_be_done(asked: bytes, answered: bytes) -> None:
    offer = offers(DevicePolicy(), accept_unknown=True)(STUDY_ROOT.find)
    assert offer is not None
    assert offer.extended is not None
    assert offer.extended(asked) == answered
