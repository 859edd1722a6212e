"""Text of a data set: bytes in the peer's character sets to Unicode and back (PS3.5 chapter 6, annexes H to K).

Decoding comes before splitting: the second byte of a GBK or GB18030 character can be a backslash, a caret or an
equals sign. Decoding never fails; what is not as declared is read by rule and marked as suspect.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from filmroom.dicom.charset_tables import (
    ASCII,
    BY_ESCAPE,
    ESC,
    HANGUL,
    HANZI,
    KATAKANA,
    ROMAJI,
    CodeElement,
    Term,
    term,
)

# What sets are back to the first ones after, by VR (PS3.5 6.1.2.5.3). TAB, LF, FF and CR end a line in every text.
_LINE: Final = frozenset(b"\t\n\f\r")
_RESETS: Final = {"PN": _LINE | frozenset(b"\\^="), "LT": _LINE, "ST": _LINE, "UT": _LINE}
_RESETS_OTHER: Final = _LINE | frozenset(b"\\")

# Tried in this order for bytes above 0x7F that no declared set explains; after them, Latin-1.
_FALLBACKS = ("utf_8", "gb18030")

UTF8_TERM: Final = "ISO_IR 192"
# VRs whose text Specific Character Set governs (PS3.5 6.1.2.3); all others are ASCII.
TEXT_VRS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_ESCAPES = re.compile(rb"\x1b(\$[()]?[\x40-\x7e]|[()\-][\x40-\x7e])")


@dataclass(frozen=True, slots=True, eq=False)
class CharacterSet:
    """The character sets of one data set, ready to decode and encode. Compared by identity: a fast key."""

    terms: tuple[Term, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The defined terms, as (0008,0005) holds them."""
        return tuple(one.text for one in self.terms)

    def decode(self, raw: bytes, vr: str = "LO") -> str:
        """The whole value as text, delimiters still in it. ``vr`` decides which of them reset the sets."""
        return self.decode_checked(raw, vr)[0]

    def decode_checked(self, raw: bytes, vr: str = "LO") -> tuple[str, bool]:
        """The text, and whether it is suspect: not what the declared character set allows."""
        if raw.isascii() and ESC not in raw:
            return raw.decode("ascii"), False
        first = self.terms[0]
        if first.whole:
            return _decode_whole(raw, first.whole)
        if ESC in raw:
            return _Iso2022(first, _RESETS.get(vr, _RESETS_OTHER)).decode(raw)
        if first.g1 is None:
            return _guess(raw), True
        if first.g1 is KATAKANA:  # files marked ISO_IR 13 often hold plain Shift JIS, its superset
            return _decode_or_guess(raw, "shift_jis")
        return _decode_or_guess(raw, first.g1.codec)

    def encode(self, text: str, vr: str = "LO") -> bytes | None:
        """The bytes of ``text`` (delimiters in it) in these sets, or None when some character has no place in them."""
        if text.isascii():
            return text.encode("ascii")
        first = self.terms[0]
        if first.whole:
            return _encode(text, first.whole)
        if len(self.terms) == 1 and first.g1 is not None and first.g1.width == 1:
            return _encode(text, first.g1.codec) if first.g1 is not KATAKANA else _encode_katakana(text)
        return _encode_2022(text, self.terms, _RESETS.get(vr, _RESETS_OTHER))


def character_set(value: bytes | str | Sequence[str], default: str = "") -> CharacterSet:
    """The character sets that a value of (0008,0005) names; ``default`` stands for an empty or absent one."""
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace")
    else:
        text = value if isinstance(value, str) else "\\".join(value)
    return _character_set(text.strip(" \0") or default)


@lru_cache(maxsize=256)
def _character_set(text: str) -> CharacterSet:
    terms = tuple(term(value) for value in text.split("\\"))
    if terms[0].whole:  # stands alone: what follows it is an error and without meaning
        return CharacterSet(terms[:1])
    return CharacterSet(tuple(one for number, one in enumerate(terms) if not number or not one.whole))


ASCII_ONLY: Final = character_set("")
UTF8: Final = character_set(UTF8_TERM)


def choose(text: str, wanted: CharacterSet) -> CharacterSet:
    """The set to answer in: the wanted one when it can write ``text``, else UTF-8 (PS3.4 C.4.1.1.3.2)."""
    return wanted if wanted.encode(text, "PN") is not None else UTF8


def reads_gb(value: str) -> bool:
    """Whether a device that names these sets writes Chinese in GB codes: it will read GB18030 rather than UTF-8."""
    return any(one.g1 is HANZI or one.whole in ("gbk", "gb18030") for one in character_set(value).terms)


def _encode(text: str, codec: str) -> bytes | None:
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        return None


def _encode_katakana(text: str) -> bytes | None:
    """JIS X 0201: one byte a character; Shift JIS would also offer two."""
    raw = _encode(text, "shift_jis")
    return raw if raw is not None and len(raw) == len(text) else None


def _decode_whole(raw: bytes, codec: str) -> tuple[str, bool]:
    try:
        return raw.decode(codec), False
    except UnicodeDecodeError:
        return _guess(raw), True


def _decode_or_guess(raw: bytes, codec: str) -> tuple[str, bool]:
    try:
        return raw.decode(codec), False
    except UnicodeDecodeError:
        return _guess(raw), True


def _guess(raw: bytes) -> str:
    """The first fallback that reads all of ``raw`` and makes sense; Latin-1 reads anything."""
    for codec in _FALLBACKS:
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if codec != "gb18030" or _looks_chinese(text):
            return text
    return raw.decode("iso8859_1")


def _looks_chinese(text: str) -> bool:
    """Whether at least half of what is not ASCII is of GB2312: an umlaut before a letter is GBK as well, but rare."""
    foreign = [character for character in text if not character.isascii()]
    common = sum(_encode(character, "gb2312") is not None for character in foreign)
    return 2 * common >= len(foreign)


class _Iso2022:
    """Reader of text with code extensions (PS3.5 6.1.2.5). Every known escape sequence is followed, declared or not."""

    def __init__(self, first: Term, resets: frozenset[int]) -> None:
        self._first_g0 = first.g0 if first.g0.width == 1 else ASCII
        self._first = first
        self._resets = resets
        self._suspect = False
        self._reset()

    def _reset(self) -> None:
        self._g0, self._g1 = self._first_g0, self._first.g1
        if self._first.g0.width == 2:  # a two-byte set as first value, against C.12.1.1.2
            self._g0 = ASCII

    def decode(self, raw: bytes) -> tuple[str, bool]:
        out: list[str] = []
        position, end = 0, len(raw)
        while position < end:
            byte = raw[position]
            if byte == ESC:
                position = self._escape(raw, position, out)
            elif byte < 0x80:
                position = self._left(raw, position, out)
            else:
                position = self._right(raw, position, out)
        return "".join(out), self._suspect

    def _escape(self, raw: bytes, position: int, out: list[str]) -> int:
        match = _ESCAPES.match(raw, position)
        element = BY_ESCAPE.get(match[1]) if match is not None else None
        if element is None:
            self._suspect = True
            out.append("\ufffd")
            return position + 1
        if element.g1:
            self._g1 = element
        else:
            self._g0 = element
        return position + 1 + len(element.escape)

    def _left(self, raw: bytes, position: int, out: list[str]) -> int:
        """Bytes under G0. Within a two-byte set only control characters can be delimiters."""
        end = position
        if self._g0.width == 1:
            while end < len(raw) and raw[end] < 0x80 and raw[end] != ESC:
                end += 1
                if raw[end - 1] in self._resets:
                    out.append(raw[position:end].decode("ascii"))
                    self._reset()
                    return end
            out.append(raw[position:end].decode("ascii"))
            return end
        if raw[position] < 0x21:
            out.append(chr(raw[position]))
            if raw[position] in self._resets:
                self._reset()
            return position + 1
        while end + 1 < len(raw) and 0x21 <= raw[end] < 0x7F and 0x21 <= raw[end + 1] < 0x7F:
            end += 2
        if end == position:
            self._suspect = True
            out.append("\ufffd")
            return position + 1
        out.append(self._text(bytes(b | 0x80 for b in raw[position:end]), self._g0))
        return end

    def _right(self, raw: bytes, position: int, out: list[str]) -> int:
        """A run of bytes under G1."""
        end = position
        while end < len(raw) and raw[end] >= 0x80:
            end += 1
        if self._g1 is None:
            self._suspect = True
            out.append(_guess(raw[position:end]))
        else:
            out.append(self._text(raw[position:end], self._g1))
        return end

    def _text(self, run: bytes, element: CodeElement) -> str:
        if element.prefix:
            run = b"".join(element.prefix + run[at : at + 2] for at in range(0, len(run), 2))
        try:
            return run.decode(element.codec)
        except UnicodeDecodeError:
            self._suspect = True
            return run.decode(element.codec, "replace")


def _encode_2022(text: str, terms: Sequence[Term], resets: frozenset[int]) -> bytes | None:
    """Write with code extensions, each set called where it is first needed after a delimiter (PS3.5 6.1.2.5.3)."""
    first = terms[0]
    home = first.g0 if first.g0.width == 1 else ASCII
    elements = _elements(terms)
    out = bytearray()
    g0, g1 = home, first.g1 if first.g1 not in (HANGUL, HANZI) else None
    for character in text:
        if character < "\x80":
            if g0 is not home:
                out += b"\x1b" + home.escape
                g0 = home
            out += character.encode("ascii")
            if ord(character) in resets:
                g1 = first.g1 if first.g1 not in (HANGUL, HANZI) else None
            continue
        chosen = _place(character, elements, (g0, g1))
        if chosen is None:
            return None
        element, code = chosen
        if element not in (g0, g1):
            out += b"\x1b" + element.escape
        if element.g1:
            g1 = element
        else:
            g0 = element
        out += code
    if g0 is not home:
        out += b"\x1b" + home.escape
    return bytes(out)


def _elements(terms: Sequence[Term]) -> tuple[CodeElement, ...]:
    """The sets that the terms offer for characters beyond ASCII, in the order they are named."""
    found: list[CodeElement] = []
    for one in terms:
        found += [e for e in (one.g0, one.g1) if e is not None and e not in (ASCII, ROMAJI)]
    return tuple(dict.fromkeys(found))


def _place(
    character: str, elements: Sequence[CodeElement], active: tuple[CodeElement, CodeElement | None]
) -> tuple[CodeElement, bytes] | None:
    """The set and bytes for one character: one already called if it can, else the first named that can."""
    for element in [e for e in active if e in elements] + list(elements):
        assert element is not None
        code = _code(character, element)
        if code is not None:
            return element, code
    return None


@lru_cache(maxsize=4096)
def _code(character: str, element: CodeElement) -> bytes | None:
    raw = _encode(character, "gb2312" if element is HANZI else "euc_kr" if element is HANGUL else element.codec)
    if raw is None or raw[: len(element.prefix)] != element.prefix:
        return None
    raw = raw[len(element.prefix) :]
    if len(raw) != element.width or (any(byte < 0xA1 for byte in raw) and element.width == 2):
        return None
    if element.width == 1 and raw[0] < 0x80:
        return None
    return raw if element.g1 else bytes(byte & 0x7F for byte in raw)
