"""Hangul and kana in Latin letters; traditional characters in simplified form; what fuzzy names gain by it."""

import pytest

from filmroom.dicom.matching import matches
from filmroom.dicom.names import name_terms
from filmroom.dicom.question import Key, Wildcard
from filmroom.dicom.romanise import romanised
from filmroom.dicom.simplified import simplified

pytestmark = pytest.mark.capability("1.2.7")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("やまだ", ("yamada",)),
        ("ヤマダ", ("yamada",)),
        ("ﾔﾏﾀﾞ", ("yamada",)),
        ("たろう", ("taro",)),
        ("きょうこ", ("kyoko",)),
        ("じゅんいち", ("junichi",)),
        ("はっとり", ("hattori",)),
        ("まっちゃ", ("matcha",)),
        ("홍길동", ("honggildong", "hong", "gildong")),
        ("김희중", ("gimhuijung", "kimhuijung", "kim", "gim", "huijung")),
        ("山田", ()),
        ("doe", ()),
        ("иван", ()),
        ("やa", ()),
    ],
)
def test_words_of_hangul_and_kana_are_read(word: str, expected: tuple[str, ...]) -> None:
    assert romanised(word) == expected


def test_every_syllable_of_hangul_has_a_reading() -> None:
    assert all(romanised(chr(code)) for code in range(0xAC00, 0xD7A4))


def test_traditional_becomes_simplified_and_nothing_else_changes() -> None:
    assert simplified("歐陽偉東 Ouyang やまだ") == "欧阳伟东 Ouyang やまだ"


NAMES = {
    "traditional": {"Alphabetic": "Ouyang^Weidong", "Ideographic": "歐陽^偉東"},
    "simplified": {"Ideographic": "欧阳^伟东"},
    "japanese": {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
    "kana": {"Phonetic": "ヤマダ^タロウ"},
    "korean": {"Ideographic": "金^喜中", "Phonetic": "김^희중"},
    "russian": {"Alphabetic": "Иванов^Пётр"},
    "latin": {"Alphabetic": "Doe^John"},
}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("欧阳伟东", {"traditional", "simplified"}),
        ("歐陽偉東", {"traditional", "simplified"}),
        ("伟东^欧阳", {"traditional", "simplified"}),
        ("oywd", {"traditional", "simplified"}),
        ("weidong ouyang", {"traditional", "simplified"}),
        ("yamada", {"japanese", "kana"}),
        ("taro yamada", {"japanese", "kana"}),
        ("kim", {"korean"}),
        ("huijung*", {"korean"}),
        ("петр", {"russian"}),
        ("Кузнецов", set()),
        ("田中", set()),
        ("박", set()),
        ("すずき*", set()),
    ],
)
def test_fuzzy_names_are_found_in_any_script_and_never_everyone(asked: str, found: set[str]) -> None:
    key = Key((0x00100010,), "PN", Wildcard(asked))
    of = {who for who, name in NAMES.items() if matches(key, _named(name), fuzzy=True)}
    assert of == found


def _named(name: dict[str, str]) -> dict[str, dict[str, object]]:
    return {"00100010": {"vr": "PN", "Value": [name]}}


def test_terms_stay_few() -> None:
    assert len(name_terms("ouyang^weidong", "歐陽^偉東", "")) < 20
