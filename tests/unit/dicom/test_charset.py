"""Character sets: what is declared, what is meant, and what is neither."""

import pytest

from filmroom.dicom.charset import ASCII_ONLY, UTF8, character_set, choose

pytestmark = pytest.mark.capability("1.1.11", "1.2.9")

SINGLE_BYTE = {
    "ISO_IR 100": "Äneas^Rüdiger",
    "ISO_IR 101": "Wałęsa^Łukasz",
    "ISO_IR 109": "Ġorġ^Ħamrun",
    "ISO_IR 110": "Bērziņš^Jānis",
    "ISO_IR 144": "Люксембург",
    "ISO_IR 127": "قباني^لنزار",
    "ISO_IR 126": "Διονυσιος",
    "ISO_IR 138": "שרון^דבורה",
    "ISO_IR 148": "Çavuşoğlu^Şule",
    "ISO_IR 203": "Œuvre^€",
    "ISO_IR 166": "สมชาย^ใจดี",
    "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "ISO_IR 192": "王^小東=やまだ",
    "GB18030": "王^小东\U0002070e",
    "GBK": "王^小東",
}


@pytest.mark.parametrize(("declared", "text"), SINGLE_BYTE.items())
def test_every_set_writes_and_reads_its_own_text(declared: str, text: str) -> None:
    charset = character_set(declared)
    raw = charset.encode(text, "PN")
    assert raw is not None
    assert charset.decode_checked(raw, "PN") == (text, False)


@pytest.mark.parametrize("declared", [d for d in SINGLE_BYTE if d.startswith("ISO_IR 1") and d != "ISO_IR 192"])
def test_code_extensions_carry_every_single_byte_set(declared: str) -> None:
    extended = character_set("\\" + declared.replace("ISO_IR", "ISO 2022 IR"))
    text = "Plain^" + SINGLE_BYTE[declared]
    raw = extended.encode(text, "PN")
    assert raw is not None
    assert b"\x1b" in raw
    assert extended.decode_checked(raw, "PN") == (text, False)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 87\\ISO 2022 IR 159", "丂鷗^山田"),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东="),
        ("ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126", "Müller^Иван^Ωμέγα"),
        ("\\ISO 2022 IR 87", "第一行\r\n第二行 line\t三"),
    ],
)
def test_code_extensions_there_and_back(declared: str, text: str) -> None:
    charset = character_set(declared)
    raw = charset.encode(text, "PN")
    assert raw is not None
    assert charset.decode_checked(raw, "PN") == (text, False)


def test_decoding_comes_before_splitting() -> None:
    tricky = "誠\\乗^乣=俓"  # GBK: second bytes of these are 0x5C, 0x5C, 0x5E, 0x5E in some reading
    for declared in ("GBK", "GB18030"):
        charset = character_set(declared)
        raw = charset.encode(tricky, "PN")
        assert raw is not None
        assert charset.decode(raw, "PN") == tricky
    assert character_set("GBK").decode(b"\xd5\x5c") == b"\xd5\x5c".decode("gbk")
    assert "\\" not in character_set("GBK").decode(b"\xd5\x5c")


@pytest.mark.parametrize(
    ("spelling", "meant"),
    [
        ("iso_ir 192", "ISO_IR 192"),
        ("ISO-IR 100", "ISO_IR 100"),
        ("ISO IR 100", "ISO_IR 100"),
        ("ISO_IR_192", "ISO_IR 192"),
        ("UTF-8", "ISO_IR 192"),
        (" ISO_IR 144 ", "ISO_IR 144"),
        ("ISO_2022_IR_100", "ISO_IR 100"),
    ],
)
def test_careless_spellings_are_taken_as_meant(spelling: str, meant: str) -> None:
    text = SINGLE_BYTE[meant]
    raw = character_set(meant).encode(text)
    assert raw is not None
    assert character_set(spelling).decode_checked(raw) == (text, False)


@pytest.mark.parametrize(
    ("raw", "text"),
    [("张三".encode(), "张三"), ("张三".encode("gb18030"), "张三"), (b"M\xfcller", "Müller")],
)
def test_bytes_that_nothing_declares_are_read_by_rule_and_marked(raw: bytes, text: str) -> None:
    assert ASCII_ONLY.decode_checked(raw) == (text, True)
    assert character_set("NO SUCH SET").decode_checked(raw) == (text, True)


def test_text_that_is_not_as_declared_is_marked_too() -> None:
    assert UTF8.decode_checked("张三".encode("gbk")) == ("张三", True)


def test_a_default_stands_in_for_what_is_not_declared() -> None:
    assert character_set(b"", "GBK").decode_checked("张三".encode("gbk")) == ("张三", False)
    assert character_set(b"ISO_IR 100 ", "GBK").decode_checked(b"\xc4") == ("Ä", False)


@pytest.mark.parametrize(
    "declared",
    ["ISO_IR 192\\ISO 2022 IR 87", "ISO 2022 IR 87", "\\\\\\", "ISO_IR 100\\GBK", "ISO 2022 IR 58\\X", "\\ISO_IR 192"],
)
@pytest.mark.parametrize(
    "raw", [b"\x1b", b"\x1b$B\x30", b"\x1b$)C\xb0", b"\xff\xfe\x1b(B", b"\x1b$B0!^0!\x1b(Z\xa1", b"A\x1b"]
)
def test_a_bad_mix_never_raises(declared: str, raw: bytes) -> None:
    assert isinstance(character_set(declared).decode(raw, "PN"), str)


def test_escapes_are_followed_even_when_undeclared() -> None:
    raw = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    assert character_set("ISO_IR 100").decode_checked(raw, "PN") == ("Yamada^Tarou=山田^太郎", False)


def test_what_a_set_cannot_write_it_refuses() -> None:
    assert character_set("ISO_IR 100").encode("张") is None
    assert character_set("\\ISO 2022 IR 87").encode("홍") is None
    assert ASCII_ONLY.encode("é") is None
    assert character_set("ISO_IR 13").encode("山") is None


def test_the_wanted_set_is_chosen_when_it_can_and_utf_8_when_not() -> None:
    latin = character_set("ISO_IR 100")
    assert choose("Müller", latin) is latin
    assert choose("王", latin) is UTF8


def test_sets_in_g1_end_with_the_component() -> None:
    raw = b"\x1b$)C\xb1\xe8^\xc8\xf1"  # the second component does not call Hangul again
    text, suspect = character_set("\\ISO 2022 IR 149").decode_checked(raw, "PN")
    assert text.startswith("김^")
    assert suspect
