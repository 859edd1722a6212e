"""Media types: lenient in, exact out."""

import pytest

from filmroom.base.errors import NotReadable
from filmroom.wire.http.mediatypes import ANY, Choice, choices, encodings, parse, parse_list, write

OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ('multipart/related; type="application/dicom"; boundary=x', "multipart/related", ("application/dicom", "x")),
        ("multipart/related;type=application/dicom;boundary=x", "multipart/related", ("application/dicom", "x")),
        (
            'Multipart/Related ; TYPE = "application/dicom" ; boundary="x"',
            "multipart/related",
            ("application/dicom", "x"),
        ),
        (
            'multipart/related; type="application/dicom"; boundary="a\\"b;c"',
            "multipart/related",
            ("application/dicom", 'a"b;c'),
        ),
        ("multipart/related;; type=application/dicom; boundary=x;", "multipart/related", ("application/dicom", "x")),
    ],
)
def test_a_content_type_is_read_whatever_its_quoting(text: str, name: str, parameters: tuple[str, str]):
    media = parse(text)
    assert (media.name, media.parameters["type"], media.parameters["boundary"]) == (name, *parameters)


@pytest.mark.parametrize("text", ["", "nonsense", "/", "a/", ";q=1", "\0/\0"])
def test_no_media_type_is_refused(text: str):
    with pytest.raises(NotReadable):
        parse(text)


@pytest.mark.capability("6.2.1")
def test_accept_is_ordered_by_weight_then_place():
    names = [each.name for each in parse_list("a/a;q=0.5, b/b, c/c;q=0, d/d;q=0.9, e/e;q=banana, ,,rubbish, f/f;q=nan")]
    assert names == ["b/b", "e/e", "f/f", "d/d", "a/a"]


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, [Choice(ANY)]),
        ("", [Choice(ANY)]),
        ("*/*", [Choice(ANY)]),
        ("rubbish", [Choice(ANY)]),
        ("multipart/related", [Choice(ANY, "", True)]),
        (f"multipart/related; type={OCTETS}; transfer-syntax=*", [Choice(OCTETS, "*", True)]),
        (f'multipart/related; type="{OCTETS}"; transfer-syntax=1.2.3', [Choice(OCTETS, "1.2.3", True)]),
        ("image/jpeg", [Choice("image/jpeg", "", False)]),
        ("a/a;q=0", []),
    ],
)
def test_what_a_client_takes(accept: str | None, expected: list[Choice]):
    assert choices(accept) == expected


def test_the_accept_parameter_goes_before_the_header():
    assert choices("text/html", ["application/dicom json"]) == [Choice("application/dicom+json", "", False)]


def test_wildcards_cover():
    assert Choice("image/*").covers("image/png")
    assert not Choice("image/*").covers("application/dicom")
    assert Choice(ANY).covers("application/dicom")


def test_what_goes_out_is_quoted_when_it_must_be():
    assert write("a/b", transfer_syntax="1.2", type="c/d") == 'a/b; transfer-syntax=1.2; type="c/d"'
    assert write("a/b", name='x"y') == 'a/b; name="x\\"y"'


def test_content_codings():
    assert encodings("gzip, br;q=0, ZSTD;q=0.5, identity") == {"gzip", "zstd", "identity"}
    assert encodings(None) == frozenset()
