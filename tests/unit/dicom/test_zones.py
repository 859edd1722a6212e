"""Dates and times as they read in another zone."""

import pytest

from filmroom.dicom.question import Range, Single, Universal
from filmroom.dicom.zones import in_zone, moved, widened, zone_of

pytestmark = pytest.mark.capability("1.2.6")


@pytest.mark.parametrize(
    ("date", "time", "source", "target", "expected"),
    [
        ("20240101", "010000.000000", "+0800", "+0000", ("20231231", "170000.000000")),
        ("20231231", "233000.000000", "-0500", "+0100", ("20240101", "053000.000000")),
        ("20240101", "0130", "+0530", "+0800", ("20240101", "040000.000000")),
        ("20240101", "", "+0800", "+0000", ("20240101", "")),
        ("", "0100", "+0800", "+0000", ("", "0100")),
        ("20240101", "1000", "+0100", "+0100", ("20240101", "1000")),
    ],
)
def test_a_date_with_a_time_moves_and_one_without_stays(
    date: str, time: str, source: str, target: str, expected: tuple[str, str]
) -> None:
    assert moved(date, time, source, target) == expected


def test_every_pair_of_a_data_set_moves_and_nothing_else() -> None:
    study = {
        "00080020": {"vr": "DA", "Value": ["20240101"]},
        "00080030": {"vr": "TM", "Value": ["003000"]},
        "00100030": {"vr": "DA", "Value": ["19700101"]},
        "00080201": {"vr": "SH", "Value": ["+0800"]},
    }
    assert zone_of(study) == "+0800"
    there = in_zone(study, "+0800", "+0000")
    assert there["00080020"]["Value"] == ["20231231"]
    assert there["00080030"]["Value"] == ["163000"]
    assert there["00100030"] == study["00100030"]


def test_a_date_key_is_a_day_wider_where_zones_are_not_known() -> None:
    assert widened(Single("20240301")) == Range("20240229", "20240302")
    assert widened(Range("", "20231231")) == Range("", "20240101")
    assert widened(Universal()) == Universal()
