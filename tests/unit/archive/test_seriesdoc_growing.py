"""Parts of documents of growing series: when another is due, what is held, what is forgotten."""

import pytest

from filmroom.archive.seriesdoc_growing import MAX_HEADER_BYTES, MAX_OBJECTS, MAX_SERIES, PART_OBJECTS, Growing
from filmroom.archive.seriesdoc_work import Made, Source

pytestmark = pytest.mark.capability("3.1.3", "6.1.2")


def part(count: int, length: int = 5000) -> Made:
    return Made(tuple(Source(f"1.{n}", "/pack", n, length, "1.2") for n in range(count)), b"")


def test_a_part_is_due_once_there_is_enough_news() -> None:
    growing, uids = Growing(), ("1", "2")
    growing.news(uids, PART_OBJECTS - 1)
    assert growing.due() == []
    growing.news(uids, 1)
    assert growing.due() == [(uids, 0)]
    assert growing.due() == []
    growing.add(uids, part(100), 400)
    growing.news(uids, PART_OBJECTS)
    assert growing.due() == [(uids, 400)]


def test_the_whole_document_takes_the_place_of_its_parts() -> None:
    growing, uids = Growing(), ("1", "2")
    growing.whole(uids, part(3), 3)
    assert growing.parts(uids) == []  # it does not grow
    growing.news(uids, 1)
    growing.add(uids, part(100), 100)
    growing.add(uids, part(50), 150)
    assert [len(each.sources) for each in growing.parts(uids)] == [100, 50]
    growing.whole(uids, whole := part(160), 160)
    assert growing.parts(uids) == [whole]


def test_the_oldest_is_forgotten_beyond_the_limits() -> None:
    growing = Growing()
    for number in range(MAX_SERIES + 5):
        growing.news(("1", str(number)), 1)
    assert len(growing._series) == MAX_SERIES
    for number in range(MAX_OBJECTS // 1000 + 1):
        growing.add(("2", str(number)), part(1000), 1)
    assert (growing.parts(("2", "0")), len(growing.parts(("2", "1")))) == ([], 1)
    growing.news(("3", "1"), 1)
    growing.add(("3", "1"), part(2, MAX_HEADER_BYTES), 1)
    assert growing.parts(("3", "1")) == []
