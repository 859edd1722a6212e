"""PS3.5 annexes H to K and 6.1.2: the standard's own examples, byte for byte."""

import pytest

from filmroom.dicom.charset import CharacterSet, character_set

pytestmark = pytest.mark.capability("1.2.9", "1.1.11")

ESC = b"\x1b"
KANJI, KANA, BACK_ASCII, BACK_ROMAJI = ESC + b"$B", ESC + b"$B", ESC + b"(B", ESC + b"(J"
HANGUL, HANZI = ESC + b"$)C", ESC + b"$)A"

EXAMPLES = {
    # H.3.1: default repertoire and JIS X 0208 by code extension
    "H.3.1": (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=" + KANJI + b";3ED" + BACK_ASCII + b"^" + KANJI + b"B@O:" + BACK_ASCII
        + b"=" + KANA + b"$d$^$@" + BACK_ASCII + b"^" + KANA + b"$?$m$&" + BACK_ASCII,
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    # H.3.2: JIS X 0201 as the first set
    "H.3.2": (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=" + KANJI + b";3ED" + BACK_ROMAJI + b"^" + KANJI + b"B@O:" + BACK_ROMAJI
        + b"=" + KANA + b"$d$^$@" + BACK_ROMAJI + b"^" + KANA + b"$?$m$&" + BACK_ROMAJI,
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    # I.2: KS X 1001 by code extension
    "I.2": (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=" + HANGUL + b"\xfb\xf3^" + HANGUL + b"\xd1\xce\xd4\xd7"
        + b"=" + HANGUL + b"\xc8\xab^" + HANGUL + b"\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    # J.1: UTF-8
    "J.1": (
        "ISO_IR 192",
        b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=",
        "Wang^XiaoDong=王^小東=",
    ),
    # J.3: GB18030
    "J.3": (
        "GB18030",
        b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=",
        "Wang^XiaoDong=王^小东=",
    ),
    # K.2: GB 2312 by code extension
    "K.2": (
        "\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=" + HANZI + b"\xd5\xc5^" + HANZI + b"\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "raw", "text"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_are_read(declared: str, raw: bytes, text: str) -> None:
    assert character_set(declared).decode_checked(raw, "PN") == (text, False)


@pytest.mark.parametrize(("declared", "raw", "text"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_are_written_byte_for_byte(declared: str, raw: bytes, text: str) -> None:
    assert character_set(declared).encode(text, "PN") == raw


def test_k3_each_line_of_a_text_calls_its_set_again() -> None:
    chinese = character_set("\\ISO 2022 IR 58")
    text = "1.第一行文字。\r\n2.第二行文字。\r\n"
    raw = chinese.encode(text, "LT")
    assert raw is not None
    lines = raw.split(b"\r\n")
    assert [line.count(HANZI) for line in lines] == [1, 1, 0]
    assert chinese.decode_checked(raw, "LT") == (text, False)


def test_61253_sets_return_to_the_first_ones_before_a_delimiter() -> None:
    japanese = character_set("\\ISO 2022 IR 87")
    raw = japanese.encode("山\\田^郎=や", "PN")
    assert raw is not None
    for delimiter in (b"\\", b"^", b"="):
        assert BACK_ASCII + delimiter in raw
    assert raw.endswith(BACK_ASCII)


def test_61253_a_backslash_in_a_text_of_one_value_resets_nothing() -> None:
    korean: CharacterSet = character_set("\\ISO 2022 IR 149")
    raw = HANGUL + b"\xb1\xe8\\\xc8\xf1"
    assert korean.decode_checked(raw, "LT") == ("김\\희", False)
    assert korean.decode_checked(raw, "LO")[1]


def test_6123_the_yen_sign_of_romaji_is_the_delimiter() -> None:
    assert character_set("ISO_IR 13").decode(b"A\\B").split("\\") == ["A", "B"]


def test_ps33_c12112_sets_that_stand_alone_ignore_what_follows_them() -> None:
    assert character_set("ISO_IR 192\\ISO 2022 IR 87").values == ("ISO_IR 192",)
    assert character_set("GB18030\\ISO_IR 100").values == ("GB18030",)
