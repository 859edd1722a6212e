"""Hangul and kana in Latin letters, as names are commonly written: to find a name, not to print one."""

import unicodedata
from collections.abc import Iterable
from typing import Final

# Revised Romanization of Korean, letter by letter: syllables of names do not assimilate.
# fmt: off
_INITIALS: Final = ("g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h")
_VOWELS: Final = (
    "a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu", "eu",
    "ui", "i",
)
_FINALS: Final = (
    "", "k", "k", "ks", "n", "nj", "nh", "t", "l", "lk", "lm", "lb", "ls", "lt", "lp", "lh", "m", "p", "ps", "t", "t",
    "ng", "t", "t", "k", "t", "p", "t",
)
# Family names that hardly anybody writes by that rule.
_SURNAMES: Final = {
    "김": "kim", "이": "lee", "박": "park", "최": "choi", "정": "jung", "강": "kang", "조": "cho", "윤": "yoon",
    "임": "lim", "신": "shin", "권": "kwon", "오": "oh", "우": "woo", "구": "koo", "유": "yoo", "고": "ko",
}
# fmt: on
_HANGUL: Final = range(0xAC00, 0xD7A4)

# Hepburn; long vowels are then written short, as passports have them.
_KANA_ROWS: Final = {
    "": "あa いi うu えe おo",
    "k": "か き く け こ", "g": "が ぎ ぐ げ ご", "s": "さ - す せ そ", "z": "ざ - ず ぜ ぞ", "t": "た - - て と",
    "d": "だ - - で ど", "n": "な に ぬ ね の", "h": "は ひ - へ ほ", "b": "ば び ぶ べ ぼ", "p": "ぱ ぴ ぷ ぺ ぽ",
    "m": "ま み む め も", "y": "や - ゆ - よ", "r": "ら り る れ ろ", "w": "わ - - - -",
}  # fmt: skip
_KANA: Final = {
    kana[0]: row + vowel
    for row, line in _KANA_ROWS.items()
    for kana, vowel in zip(line.split(), "aiueo", strict=True)
    if kana != "-"
} | {
    "し": "shi", "じ": "ji", "ち": "chi", "ぢ": "ji", "つ": "tsu", "づ": "zu", "ふ": "fu", "を": "o", "ん": "n",
    "ゔ": "vu", "ぁ": "a", "ぃ": "i", "ぅ": "u", "ぇ": "e", "ぉ": "o",
}  # fmt: skip
_SMALL_Y: Final = {"ゃ": "a", "ゅ": "u", "ょ": "o"}
_LONG: Final = (("ou", "o"), ("oo", "o"), ("uu", "u"))


def romanised(word: str) -> tuple[str, ...]:
    """How a word of hangul or of kana is written in Latin letters, none for any other word.

    Of a Korean name written in one piece also the family name, by custom and by rule, and the rest.
    """
    if word.isascii():
        return ()
    composed = unicodedata.normalize("NFC", word)
    if all(ord(character) in _HANGUL for character in composed):
        return tuple(dict.fromkeys(filter(None, _korean_readings(composed))))
    read = _japanese(word)
    return (read,) if read else ()


def _korean_readings(word: str) -> Iterable[str]:
    family = _SURNAMES.get(word[0], "")
    yield _korean(word)
    if family:
        yield family + _korean(word[1:])
    if len(word) > 1:
        yield from (family, _korean(word[0]), _korean(word[1:]))
    elif family:
        yield family


def _korean(word: str) -> str:
    parts = []
    for character in word:
        initial, rest = divmod(ord(character) - 0xAC00, 588)
        vowel, final = divmod(rest, 28)
        parts.append(_INITIALS[initial] + _VOWELS[vowel] + _FINALS[final])
    return "".join(parts)


def _japanese(word: str) -> str:
    # Katakana stand 0x60 above hiragana; narrow ones are made wide by NFKC.
    plain = (chr(ord(c) - 0x60) if "\u30a1" <= c <= "\u30f4" else c for c in unicodedata.normalize("NFKC", word))
    out: list[str] = []
    doubled = False
    for kana in plain:
        if kana == "っ":
            doubled = True
        elif kana in _SMALL_Y and out and out[-1].endswith("i"):
            stem = out.pop()[:-1]
            out.append(stem + ("" if stem.endswith(("sh", "ch", "j")) else "y") + _SMALL_Y[kana])
        elif kana in _KANA:
            sound = _KANA[kana]
            out.append(("t" if sound.startswith("ch") else sound[0]) + sound if doubled else sound)
            doubled = False
        elif kana != "ー":
            return ""
    text = "".join(out)
    for long, short in _LONG:
        text = text.replace(long, short)
    return text
