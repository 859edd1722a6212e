"""Which job sends what, and what an answer means for the sender."""

import pytest

from filmroom.archive.lanes import away_s
from filmroom.archive.sending import PART_OBJECTS, parts
from filmroom.archive.sending_work import MAX_ATTEMPTS, Fate, fate
from filmroom.base.errors import Retry
from filmroom.net.dimse.outgoing import Sent


@pytest.mark.parametrize(
    ("sizes", "associations", "expected"),
    [
        ([3], 1, [3]),
        ([3, 3], 1, [6]),
        ([100, 100, 100], 1, [200, 100]),
        ([600], 1, [256, 256, 88]),
        ([10, 10, 10, 10], 2, [20, 20]),
        ([10, 10, 10, 10], 4, [10, 10, 10, 10]),
        ([1, 1, 100], 3, [2, 100]),
        ([300, 5], 1, [256, 49]),
    ],
)
@pytest.mark.capability("1.1.17")
def test_a_series_stays_whole_where_it_can(sizes: list[int], associations: int, expected: list[int]) -> None:
    series = [f"1.{number}" for number, size in enumerate(sizes) for _ in range(size)]
    found = parts(series, associations)
    assert [found.count(part) for part in range(found[-1] + 1)] == expected
    assert found == sorted(found)
    assert max(found.count(part) for part in found) <= PART_OBJECTS


@pytest.mark.parametrize(
    ("sent", "attempts", "unsure", "expected"),
    [
        (Sent("1", "2", 0), 1, False, Fate.SENT),
        (Sent("1", "2", 0xB007), 1, False, Fate.WARNED),
        (Sent("1", "2", 0xA700), 9, False, Fate.WAIT),
        (Sent("1", "2", 0xA7FF), 1, False, Fate.WAIT),
        (Sent("1", "2", 0x0213), 1, False, Fate.WAIT),
        (Sent("1", "2", 0xA900), 1, False, Fate.FAILED),
        (Sent("1", "2", 0xC000), 1, False, Fate.FAILED),
        (Sent("1", "2", 0x0124), 1, False, Fate.FAILED),
        (Sent("1", "2", 0x0110), 1, False, Fate.AGAIN),
        (Sent("1", "2", 0x0110), MAX_ATTEMPTS, False, Fate.FAILED),
        (Sent("1", "2", 0x0111), 1, False, Fate.FAILED),
        (Sent("1", "2", 0x0111), 2, True, Fate.WARNED),
        (Sent("1", "2", None, "", Retry.UNSURE), 1, False, Fate.AGAIN),
        (Sent("1", "2", None, "", Retry.UNSURE), MAX_ATTEMPTS, True, Fate.FAILED),
        (Sent("1", "2", None, "", Retry.NEVER), 1, False, Fate.FAILED),
        (Sent("1", "2", None, "", Retry.SAFE), 1, False, Fate.AGAIN),
        (Sent("1", "2", None, "", Retry.SAFE, away=True), 99, False, Fate.WAIT),
    ],
)
@pytest.mark.capability("4.2.1")
def test_what_an_answer_means(sent: Sent, attempts: int, unsure: bool, expected: Fate) -> None:
    assert fate(sent, attempts, unsure) is expected


def test_a_destination_is_left_alone_longer_each_time() -> None:
    assert [away_s(failures) for failures in (1, 2, 3, 50)] == [5, 10, 20, 600]
