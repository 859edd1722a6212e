"""When a destination takes deliveries."""

from datetime import UTC, datetime

import pytest

from filmroom.archive.devices_policy import DevicePolicy
from filmroom.archive.devices_rules import Fault
from filmroom.archive.sending_hours import opening, span


def at(day: int, clock: str) -> datetime:
    """A moment of the week that begins on Monday, 7 January 2030."""
    return datetime(2030, 1, 7 + day, int(clock[:2]), int(clock[3:]), 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("08:00-17:00", [(0, "08:00"), (6, "16:59")], [(0, "17:00"), (0, "07:59")]),
        ("19:00-06:30", [(0, "19:00"), (0, "23:59"), (0, "00:00"), (3, "06:29")], [(0, "06:30"), (0, "18:59")]),
        ("sat-sun 00:00-24:00", [(5, "00:00"), (6, "23:59")], [(4, "23:59"), (0, "00:00")]),
        ("fri 22:00-02:00", [(4, "22:00"), (5, "01:59")], [(4, "01:00"), (5, "22:00")]),
        ("sun-mon 10:00-11:00", [(6, "10:00"), (0, "10:59")], [(1, "10:00"), (5, "10:00")]),
    ],
)
@pytest.mark.capability("1.3.6")
def test_a_span_covers_its_time_on_its_days(
    text: str, inside: list[tuple[int, str]], outside: list[tuple[int, str]]
) -> None:
    found = span(text)
    assert str(found) == text
    assert all(found.covers(at(*each)) for each in inside)
    assert not any(found.covers(at(*each)) for each in outside)


@pytest.mark.parametrize("text", ["", "8-17", "08:00", "25:00-26:00", "08:61-09:00", "24:00-01:00", "xyz 08:00-09:00"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match=r"span|time|tuple"):
        span(text)


def test_the_next_opening() -> None:
    night = ("19:00-06:30", "sat-sun 00:00-24:00")
    now = at(0, "20:00")
    assert opening(night, now) == now
    assert opening((), now) == now
    assert opening(night, at(0, "12:00")) == at(0, "19:00").replace(second=0)
    assert opening(("fri 22:00-23:00",), at(5, "08:00")) == at(11, "22:00").replace(second=0)
    assert opening(("sat 00:00-06:00",), at(4, "23:59")) == at(5, "00:00").replace(second=0)


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"failover": ["10.0.0.2:104", "CT2@[::1]:11112"]}, None),
        ({"hours": ["SAT-SUN 00:00-24:00"]}, {"hours": ["sat-sun 00:00-24:00"]}),
        ({"calling_ae": "OTHER", "priority": "high", "bytes_per_s": 500_000}, None),
        ({"quiet_s": 5.0, "notify_ian": True, "notify_mpps": True, "forward_mpps": ["RIS"]}, None),
        ({"calling_ae": ""}, {}),
    ],
)
def test_terms_of_sending_are_kept(row: dict[str, object], kept: dict[str, object] | None) -> None:
    faults: list[Fault] = []
    assert (DevicePolicy.parse(row, faults).to_row(), faults) == (row if kept is None else kept, [])


@pytest.mark.parametrize(
    "row",
    [
        *({"failover": [each]} for each in ("host", "host:0", "a b:104", "host:104:", 5, "@host:104")),
        *({"hours": [each]} for each in ("always", 5, "19:00-")),
        {"calling_ae": "much too long a title"},
        {"priority": "soon"},
        {"bytes_per_s": 1},
        {"forward_mpps": "RIS"},
        {"notify_ian": "yes"},
        {"quiet_s": "soon"},
    ],
)
def test_terms_that_cannot_be_met_are_refused(row: dict[str, object]) -> None:
    faults: list[Fault] = []
    DevicePolicy.parse(row, faults)
    assert len(faults) == 1
    assert faults[0].pointer.startswith("/" + next(iter(row)))
