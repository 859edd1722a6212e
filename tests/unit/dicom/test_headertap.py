"""The header tap: whole, byte by byte, with more following, and against those who mean harm."""

import struct
import tracemalloc

import pytest
from tests.fixtures.dicom_bytes import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    SYNTAXES,
    deflate,
    element,
    header_three_ways,
    mark,
    sequence,
)

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.elements import UNDEFINED
from filmroom.dicom.headertap import MAX_WANTED_BYTES, HeaderTap

NAME, ID, CHARSET, REQUEST = 0x00100010, 0x00100020, 0x00080005, 0x00400275
MODALITY = 0x00080060


def basic(syntax: str = EXPLICIT) -> bytes:
    return element(MODALITY, "CS", b"CT", syntax) + element(NAME, "PN", b"DOE^JOHN", syntax)


def pixels(syntax: str = EXPLICIT, length: int = 8) -> bytes:
    return element(0x7FE00010, "OW", b"\1" * length, syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_wanted_values_and_where_the_pixels_begin(syntax: str) -> None:
    data = basic(syntax) + pixels(syntax)
    header = header_three_ways(data, syntax)
    assert header.value(NAME) == b"DOE^JOHN"
    assert header.elements[MODALITY].vr == "CS"
    assert header.header_bytes == len(basic(syntax))
    assert header.pixel_offset == len(data) - 8
    assert header.pixel_length == 8
    assert header.pixel_tag == 0x7FE00010


def test_nothing_is_wanted_after_the_pixels_have_begun() -> None:
    tap = HeaderTap(EXPLICIT)
    assert not tap.feed(basic() + pixels()[:14])
    assert not tap.feed(b"anything at all")
    assert tap.finish().pixel_length == 8


def test_without_pixels_the_header_is_the_whole_data_set() -> None:
    header = header_three_ways(basic())
    assert header.pixel_offset is None
    assert header.header_bytes == len(basic())


@pytest.mark.parametrize("tag", [0x7FE00008, 0x7FE00009, 0x7FE00010])
def test_each_kind_of_pixel_data_ends_the_header(tag: int) -> None:
    assert header_three_ways(basic() + element(tag, "OB", b"12")).pixel_tag == tag


def test_encapsulated_pixels_have_no_length() -> None:
    data = basic() + element(0x7FE00010, "OB", mark(0xFFFEE000), length=UNDEFINED)
    header = header_three_ways(data, JPEG)
    assert header.pixel_length is None
    assert header.pixel_vr == "OB"
    assert header.pixel_offset == len(basic()) + 12


def test_pixels_inside_an_icon_do_not_end_the_header() -> None:
    icon = element(0x7FE00010, "OB", mark(0xFFFEE000) + mark(0xFFFEE000, length=4) + b"1234", length=UNDEFINED)
    data = sequence(0x00880200, [icon + mark(0xFFFEE0DD)]) + element(0x00880906, "ST", b"on")
    assert header_three_ways(data + pixels()).header_bytes == len(data)


def test_pixels_that_end_early_are_noted() -> None:
    tap = HeaderTap(EXPLICIT)
    data = basic() + pixels(length=100)
    tap.feed(data[:-50])
    assert tap.finish(len(data) - 50).truncated
    assert not tap.finish(len(data)).truncated


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("defined", [True, False])
def test_sequences_are_passed_over_whatever_their_length_says(syntax: str, defined: bool) -> None:
    inner = sequence(0x00081199, [element(NAME, "PN", b"NOT THIS", syntax)] * 2, syntax, defined=not defined)
    data = sequence(0x00081115, [inner, b""], syntax, defined=defined) + basic(syntax)
    header = header_three_ways(data, syntax)
    assert header.value(NAME) == b"DOE^JOHN"
    assert header.header_bytes == len(data)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_wanted_sequence_is_kept_without_its_delimiter(syntax: str) -> None:
    item = element(0x00400009, "SH", b"STEP", syntax)
    items = mark(0xFFFEE000, syntax, UNDEFINED) + item + mark(0xFFFEE00D, syntax)
    header = header_three_ways(sequence(REQUEST, [item], syntax) + pixels(syntax), syntax)
    assert header.value(REQUEST) == items
    assert header.elements[REQUEST].vr == "SQ"


@pytest.mark.capability("1.1.12")
def test_un_of_undefined_length_is_implicit_inside() -> None:
    inner = sequence(0x00091002, [element(0x00091003, "", b"x" * 6, IMPLICIT)], IMPLICIT)
    data = sequence(0x00091001, [], vr="UN")[:-8] + mark(0xFFFEE000, length=UNDEFINED) + inner
    data += mark(0xFFFEE00D) + mark(0xFFFEE0DD) + basic()
    assert header_three_ways(data).value(NAME) == b"DOE^JOHN"


@pytest.mark.capability("1.1.12")
def test_un_of_undefined_length_that_stays_explicit_is_read_too() -> None:
    inner = element(0x00091003, "OB", b"1234") + element(0x00091004, "LO", b"ABCD")
    assert header_three_ways(sequence(0x00091001, [inner], vr="UN") + basic()).value(NAME) == b"DOE^JOHN"


@pytest.mark.capability("1.1.12")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_group_lengths_private_and_odd_elements_do_no_harm(syntax: str) -> None:
    data = b"".join(
        (
            element(0x00080000, "UL", b"\xff\xff\xff\xff", syntax),
            element(0x00080008, "CS", b"ORIGINAL\\P", syntax),
            element(0x00090010, "LO", b"ACME 1.0", syntax),
            element(0x00091010, "UN", b"odd", syntax),
            basic(syntax),
            element(0x00100000, "UL", b"\0\0\0\0", syntax),
            element(ID, "LO", b"odd", syntax),
        )
    )
    header = header_three_ways(data + pixels(syntax), syntax)
    assert header.value(ID) == b"odd"
    assert header.header_bytes == len(data)


@pytest.mark.capability("1.1.12")
@pytest.mark.parametrize(("said", "meant"), [(EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)])
def test_the_first_element_has_the_last_word_about_explicit_and_implicit(said: str, meant: str) -> None:
    header = header_three_ways(basic(meant) + pixels(meant), said)
    assert header.value(NAME) == b"DOE^JOHN"
    assert header.implicit == (meant == IMPLICIT)


@pytest.mark.capability("1.1.12")
def test_an_implicit_element_among_explicit_ones() -> None:
    data = basic() + element(0x00181030, "", b"HEAD", IMPLICIT) + element(ID, "LO", b"1234")
    assert header_three_ways(data).value(ID) == b"1234"


@pytest.mark.parametrize("after", [b"\0\0\4\0\0\0ABCD", b"\4\0ABCD"])
def test_a_vr_to_come_is_stepped_over(after: bytes) -> None:
    unknown = struct.pack("<HH", 0x0018, 0x9999) + b"ZZ" + after
    assert header_three_ways(basic() + unknown + element(ID, "LO", b"1234")).value(ID) == b"1234"


def test_a_missing_item_end_is_forgiven() -> None:
    body = mark(0xFFFEE000, length=UNDEFINED) + element(0x00080100, "SH", b"AB") + mark(0xFFFEE0DD)
    data = element(0x00081032, "SQ", body, length=UNDEFINED) + basic()
    assert header_three_ways(data).value(NAME) == b"DOE^JOHN"


def test_padding_behind_the_last_element_is_forgiven() -> None:
    assert header_three_ways(basic() + bytes(5)).value(NAME) == b"DOE^JOHN"


def test_a_deflated_data_set_is_inflated_as_it_comes() -> None:
    header = header_three_ways(deflate(basic() + pixels()), DEFLATED)
    assert header.value(NAME) == b"DOE^JOHN"
    assert header.header_bytes == len(basic())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (basic()[:-3], "inside an element"),
        (basic() + element(0x00181050, "DS", b"AB", length=400), "398 bytes before"),
        (basic() + element(ID, "LO", b"AB", length=400), "inside an element"),
        (sequence(0x00081115, [basic()])[:-8], "inside a sequence"),
        (basic() + element(0x00091010, "UN", b"", length=0xFFFFFFFE), "before its last element"),
        (element(0x00081115, "SQ", basic(), length=UNDEFINED), "where an item was expected"),
    ],
)
def test_what_is_torn_or_broken_says_so(data: bytes, reason: str) -> None:
    for step in (len(data) or 1, 1):
        tap = HeaderTap(EXPLICIT)
        with pytest.raises(NotReadable, match=reason):
            feed_all(tap, data, step)


def feed_all(tap: HeaderTap, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        tap.feed(data[at : at + step])
    tap.finish()


@pytest.mark.capability("1.0.11")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_nesting_beyond_the_limit_is_refused(syntax: str) -> None:
    one = element(0x00081115, "SQ", mark(0xFFFEE000, syntax, UNDEFINED), syntax, length=UNDEFINED)
    within = HeaderTap(syntax)
    assert within.feed(one * MAX_SEQUENCE_DEPTH)
    with pytest.raises(NotReadable, match="deeper"):
        HeaderTap(syntax).feed(one * 100_000)


@pytest.mark.capability("1.0.11")
def test_a_length_of_four_gigabytes_costs_nothing() -> None:
    tap = HeaderTap(EXPLICIT)
    tracemalloc.start()
    tap.feed(basic() + element(ID, "UT", b"", length=0xFFFFFFF0) + bytes(1000))
    for _ in range(200):
        tap.feed(bytes(65_536))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000
    with pytest.raises(NotReadable):
        tap.finish()


@pytest.mark.capability("1.1.3", "1.0.11")
@pytest.mark.parametrize("tag", [0x54000100, 0x00420011, REQUEST])
def test_bulk_outside_the_pixels_is_not_held(tag: int) -> None:
    body = mark(0xFFFEE000, length=UNDEFINED) + element(0x54001010, "OW", b"", length=20_000_000)
    tap = HeaderTap(EXPLICIT)
    tap.feed(basic() + element(tag, "SQ", body, length=UNDEFINED))
    tracemalloc.start()
    for _ in range(400):
        tap.feed(bytes(50_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    tap.feed(mark(0xFFFEE00D) + mark(0xFFFEE0DD) + element(ID, "LO", b"1234"))
    header = tap.finish()
    assert peak < 500_000
    assert tag not in header.elements


def test_a_wanted_value_too_long_to_keep_is_named() -> None:
    long = element(0x00102000, "UT", b"x" * (MAX_WANTED_BYTES + 2))
    header = header_three_ways(basic() + long + element(0x00104000, "LT", b"ok"))
    assert header.oversized == {0x00102000}
    assert header.value(0x00104000) == b"ok"


@pytest.mark.capability("1.0.11")
def test_a_deflated_bomb_is_stopped() -> None:
    bomb = deflate(basic() + element(0x00420011, "OB", bytes(50_000_000)))
    assert len(bomb) < 60_000
    with pytest.raises(LimitReached):
        HeaderTap(DEFLATED).feed(bomb)


def test_padding_behind_a_deflated_stream_is_passed_over() -> None:
    padded = deflate(basic() + element(0x00420011, "OB", bytes(200_000))) + bytes(50)
    assert header_three_ways(padded, DEFLATED).value(NAME) == b"DOE^JOHN"


def test_a_deflated_stream_that_ends_early_is_refused() -> None:
    tap = HeaderTap(DEFLATED)
    with pytest.raises(NotReadable):
        feed_all(tap, deflate(basic() + element(ID, "LO", b"1234"))[:-4], 1000)


@pytest.mark.parametrize("junk", [b"\xff" * 100, b"not deflate data", b"\x78\x9c" + bytes(50)])
def test_what_cannot_be_inflated_is_refused(junk: bytes) -> None:
    tap = HeaderTap(DEFLATED)
    with pytest.raises(NotReadable):
        feed_all(tap, junk, len(junk))


def test_only_what_is_asked_for_is_kept() -> None:
    header = header_three_ways(basic() + element(ID, "LO", b"1234"), EXPLICIT, frozenset({ID}))
    assert set(header.elements) == {ID}


def test_big_endian_sequences() -> None:
    item = element(0x00081150, "UI", b"1.2\0", BIG)
    data = sequence(0x00081110, [item, item], BIG, defined=True) + basic(BIG)
    assert header_three_ways(data, BIG).value(0x00081110)[:8] == mark(0xFFFEE000, BIG, len(item))
