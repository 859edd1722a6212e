"""Dates and times as comparable text."""

import pytest

from filmroom.dicom.dates import date_value, datetime_value, minutes, shift, time_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20240229", "20240229"),
        ("2024.02.29", "20240229"),
        (" 20240101 ", "20240101"),
        ("20230229", ""),
        ("2024", ""),
        ("", ""),
        ("2024010112", ""),
        ("00000000", ""),
        ("٢٠٢٤٠١٠١", ""),
    ],
)
def test_dates(text: str, value: str) -> None:
    assert date_value(text) == value


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("10", "100000.000000", "105959.999999"),
        ("1030", "103000.000000", "103059.999999"),
        ("103015", "103015.000000", "103015.999999"),
        ("103015.5", "103015.500000", "103015.599999"),
        ("103015.123456", "103015.123456", "103015.123456"),
        ("10:30:15", "103015.000000", "103015.999999"),
        ("235960", "235960.000000", "235960.999999"),
        ("24", "", ""),
        ("1", "", ""),
        ("", "", ""),
        ("103015.1234567", "", ""),
    ],
)
def test_times_fill_what_is_left_out(text: str, low: str, high: str) -> None:
    assert time_value(text) == low
    assert time_value(text, high=True) == high


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "20240101000000.000000", "20241231235959.999999"),
        ("202402", "20240201000000.000000", "20240229235959.999999"),
        ("20240203", "20240203000000.000000", "20240203235959.999999"),
        ("2024020310", "20240203100000.000000", "20240203105959.999999"),
        ("20240230", "", ""),
        ("202413", "", ""),
        ("999912", "99991201000000.000000", "99991231235959.999999"),
    ],
)
def test_points_in_time(text: str, low: str, high: str) -> None:
    assert datetime_value(text) == low
    assert datetime_value(text, high=True) == high


def test_a_point_in_time_with_an_offset_moves() -> None:
    assert datetime_value("20240101003000+0800", timezone="+0000") == "20231231163000.000000"
    assert datetime_value("20240101003000+0800") == "20240101003000.000000"
    assert shift("20240101000000.000000", None, "+0100") == "20240101000000.000000"
    assert minutes("-0330") == -210
    assert minutes("later") is None
