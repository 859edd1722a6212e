"""Names and free text made comparable: what search columns hold and what a question is turned into to meet them."""

import os
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Final

from filmroom.dicom.romanise import romanised
from filmroom.dicom.simplified import simplified
from filmroom.dicom.surnames import LONGEST_SURNAME, SURNAMES

# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS: Final = str.maketrans(
    {
        "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t", "þ": "th", "æ": "ae", "œ": "oe",
        "ĸ": "k", "ƒ": "f", "ɓ": "b", "ɗ": "d", "ə": "e", "\u2019": "'", "\u2018": "'", "\u2010": "-", "\u2011": "-",
        "\u3000": " ", "\u00a0": " ", "\u30fb": " ",
    }
)  # fmt: skip

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
# A name longer than this is no name; its tail is not indexed.
MAX_NAME_CHARACTERS: Final = 256
MAX_TERMS: Final = 200


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Text without case, accents and width: ``Łukasz`` is ``lukasz``; width of Latin and kana is evened out."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS)
    plain = (c for c in unicodedata.normalize("NFD", folded) if not _is_accent(c))
    return unicodedata.normalize("NFC", "".join(plain))


def _is_accent(character: str) -> bool:
    """Accents of alphabets are dropped; the voicing marks of kana are letters of their own and stay."""
    return unicodedata.combining(character) > 0 and character not in "\u3099\u309a"


def normalise_name(name: str) -> str:
    """One component group of a person name as the search columns hold it.

    Folded, components trimmed and single-spaced, empty trailing components dropped: ``"DOE ^ John^^"`` is
    ``doe^john``. Wildcards pass through, so a question's pattern is normalised by the same function.
    """
    components = [" ".join(part.split()) for part in fold(name[:MAX_NAME_CHARACTERS]).split("^")]
    return "^".join(components).rstrip("^")


def name_sort(alphabetic: str, ideographic: str, phonetic: str) -> str:
    """What names are ordered by: the alphabetic group, or the reading of the ideographic one, or the phonetic one."""
    if alphabetic and not _HAN.search(alphabetic):
        return alphabetic
    written = ideographic or alphabetic
    return " ".join(_readings(written)[0]) if _HAN.search(written) else written or phonetic


def name_terms(*groups: str) -> list[str]:
    """What fuzzy search looks in for the normalised component groups of one name, in a stable order.

    Words; for Chinese characters also their pinyin without tones (whole, by syllable), its initials, and pairs of
    neighbouring characters in simplified form. All readings of the first character count, for surnames are often read
    wrong. Of hangul and kana also how they are written in Latin letters.
    """
    terms: dict[str, None] = {}
    for group in groups:
        words = _WORD.findall(group.replace("^", " "))
        terms.update(dict.fromkeys(map(simplified, words)))
        terms.update(dict.fromkeys(latin for word in words for latin in romanised(word)))
        family = len(group.partition("^")[0]) if "^" in group else 0
        for run in _RUN.findall(group.replace("^", "").replace(" ", "")):
            terms.update(dict.fromkeys(_han_terms(run, family)))
    return list(terms)[:MAX_TERMS]


def name_query_terms(text: str) -> list[str]:
    """What a fuzzy question looks for in ``name_terms``; all must be there. A ``*`` at the end asks for a beginning.

    Order and component groups do not matter. Two or more Chinese characters are looked for as neighbouring pairs, so
    that a part of the name is enough.
    """
    wanted: dict[str, None] = {}
    plain = simplified(fold(text[:MAX_NAME_CHARACTERS]))
    for word in plain.replace("^", " ").replace("=", " ").replace("?", "*").split():
        start = word.rstrip("*")
        for run in _RUN.findall(start):
            wanted.update(dict.fromkeys(run[at : at + 2] for at in range(max(1, len(run) - 1))))
        latin = _WORD.findall(_RUN.sub(" ", start))
        wanted.update(dict.fromkeys(latin[:-1]))
        if latin:
            wanted[latin[-1] + ("*" if word.endswith("*") and start.endswith(latin[-1]) else "")] = None
    return list(wanted)


def _han_terms(run: str, family: int) -> Iterable[str]:
    """``family`` is how many characters of the run are the family name, 0 where the name does not say."""
    plain = simplified(run)
    yield plain
    yield from (plain[at : at + 2] for at in range(len(plain) - 1))
    yield from plain
    family = family or (2 if run[:2] in SURNAMES else 1)
    for syllables in _readings(run):
        yield "".join(syllables)
        yield "".join(syllable[0] for syllable in syllables)
        yield from syllables
        yield from filter(None, ("".join(syllables[:family]), "".join(syllables[family:])))


@lru_cache(maxsize=8192)
def _readings(text: str) -> list[list[str]]:
    """The pinyin of a name, syllable by syllable: as a surname is read first, then with other first readings."""
    han = "".join(_HAN.findall(text))
    if not han:
        return [[text]]
    surname = next((han[:n] for n in range(LONGEST_SURNAME, 0, -1) if han[:n] in SURNAMES), "")
    rest = [_sounds(character)[0] for character in han[len(surname) :]]
    readings = [SURNAMES[surname].split() + rest] if surname else []
    common = [_sounds(character)[0] for character in han]
    for first in _sounds(han[0]):
        reading = [first, *common[1:]]
        if reading not in readings:
            readings.append(reading)
    return readings


@lru_cache(maxsize=16_384)
def _sounds(character: str) -> list[str]:
    """Every reading of one character without tones, the most common first; itself when it has none."""
    pypinyin = _pypinyin()
    sounds: list[str] = pypinyin.pinyin(character, style=pypinyin.Style.NORMAL, heteronym=True)[0]
    return sounds


@cache
def _pypinyin() -> Any:
    """The readings, loaded with the first Chinese name; without the phrases (50 MB): words are not names."""
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")
    import pypinyin

    return pypinyin
