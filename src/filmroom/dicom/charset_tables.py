"""Defined terms of Specific Character Set and their code elements (PS3.3 C.12.1.1.2, tables C.12-2 to C.12-5)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

ESC: Final = 0x1B


@dataclass(frozen=True, slots=True)
class CodeElement:
    """One set of characters that an escape sequence calls into G0 (bytes 0x21-0x7E) or G1 (0xA1-0xFE).

    ``width`` is bytes per character. ``codec`` is Python's name for a codec that reads this set's bytes, with
    ``prefix`` before each character, once they are set to the half that the codec expects.
    """

    name: str
    escape: bytes
    g1: bool
    width: int
    codec: str
    prefix: bytes = b""


ASCII: Final = CodeElement("ISO-IR 6", b"(B", False, 1, "ascii")
ROMAJI: Final = CodeElement("ISO-IR 14", b"(J", False, 1, "ascii")
KATAKANA: Final = CodeElement("ISO-IR 13", b")I", True, 1, "shift_jis")
KANJI: Final = CodeElement("ISO-IR 87", b"$B", False, 2, "euc_jp")
KANJI_1978: Final = CodeElement("ISO-IR 42", b"$@", False, 2, "euc_jp")
KANJI_EXTRA: Final = CodeElement("ISO-IR 159", b"$(D", False, 2, "euc_jp", b"\x8f")
HANGUL: Final = CodeElement("ISO-IR 149", b"$)C", True, 2, "cp949")
HANZI: Final = CodeElement("ISO-IR 58", b"$)A", True, 2, "gbk")


def _latin(number: int, final: bytes, codec: str) -> CodeElement:
    return CodeElement(f"ISO-IR {number}", b"-" + final, True, 1, codec)


_SINGLE: Final = MappingProxyType(
    {
        100: _latin(100, b"A", "iso8859_1"),
        101: _latin(101, b"B", "iso8859_2"),
        109: _latin(109, b"C", "iso8859_3"),
        110: _latin(110, b"D", "iso8859_4"),
        126: _latin(126, b"F", "iso8859_7"),
        127: _latin(127, b"G", "iso8859_6"),
        138: _latin(138, b"H", "iso8859_8"),
        144: _latin(144, b"L", "iso8859_5"),
        148: _latin(148, b"M", "iso8859_9"),
        166: _latin(166, b"T", "iso8859_11"),
        203: _latin(203, b"b", "iso8859_15"),
    }
)
# Sets by ISO registration number: what may stand in G0 and in G1 when the term is the first one.
_BY_NUMBER: Final = MappingProxyType(
    {
        6: (ASCII, None),
        13: (ROMAJI, KATAKANA),
        14: (ROMAJI, None),
        87: (KANJI, None),
        159: (KANJI_EXTRA, None),
        149: (ASCII, HANGUL),
        58: (ASCII, HANZI),
        **{number: (ASCII, element) for number, element in _SINGLE.items()},
    }
)
ELEMENTS: Final = (
    ASCII, ROMAJI, KATAKANA, KANJI, KANJI_1978, KANJI_EXTRA, HANGUL, HANZI, *_SINGLE.values(),
)  # fmt: skip
BY_ESCAPE: Final = MappingProxyType({element.escape: element for element in ELEMENTS})

# Sets that stand alone: no code extensions, every byte belongs to them (C.12.1.1.2).
_WHOLE: Final = MappingProxyType({192: "utf_8"})
_WHOLE_NAMES: Final = MappingProxyType(
    {"GB18030": "gb18030", "GBK": "gbk", "GB2312": "gb18030", "UTF-8": "utf_8", "UTF8": "utf_8", "CP936": "gbk"}
)
_TERM = re.compile(r"(?:ISO)?[ _\-]*(?:2022)?[ _\-]*IR[ _\-]*(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Term:
    """One value of Specific Character Set, understood: either ``whole`` (a codec) or G0 and G1 sets."""

    text: str
    whole: str = ""
    g0: CodeElement = ASCII
    g1: CodeElement | None = None
    known: bool = True


@lru_cache(maxsize=256)
def term(text: str) -> Term:
    """Understand one defined term; careless spellings (``ISO-IR 100``, ``iso_ir 192``) are taken as meant."""
    plain = text.strip(" \0").upper()
    if not plain:
        return Term("", g0=ASCII)
    if plain in _WHOLE_NAMES:
        return Term(plain, whole=_WHOLE_NAMES[plain])
    match = _TERM.fullmatch(plain)
    number = int(match[1]) if match is not None else -1
    if number in _WHOLE:
        return Term(plain, whole=_WHOLE[number])
    if number in _BY_NUMBER:
        g0, g1 = _BY_NUMBER[number]
        return Term(plain, g0=g0, g1=g1)
    return Term(plain, known=False)
