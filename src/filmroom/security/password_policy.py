"""Which new passwords are taken (NIST SP 800-63B 3.1.1): long ones that nobody guesses. Pure."""

import re
from collections.abc import Iterable

from filmroom.base.errors import FilmroomError
from filmroom.security.password_words import GUESSED

MIN_LENGTH = 10
# Longer input only costs time; 1,024 bytes hold any passphrase.
MAX_BYTES = 1024
# What is left of a password when everything a guessing program tries first counts as one character.
MIN_WORTH = 6
MAX_WORD = 32

_LOOKALIKES = str.maketrans("013457@$!|", "oieastasil")
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop")
_YEAR = re.compile(r"(?:19|20)\d\d")
_REPEATED = re.compile(r"(.{1,4}?)\1{2,}", re.DOTALL)


class PasswordRefused(FilmroomError):
    """The new password cannot be used; the message says why, ``why`` is its key: short, long, guessed, same, used."""

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


def accept_new(password: str, *names: str, min_length: int = MIN_LENGTH) -> None:
    """Raise PasswordRefused when ``password`` is too weak to be set; ``names`` are the account's."""
    if len(password) < min_length:
        raise PasswordRefused("short", f"a password has at least {min_length} characters")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise PasswordRefused("long", f"a password has at most {MAX_BYTES} bytes")
    if worth(password, names) < MIN_WORTH:
        raise PasswordRefused("guessed", "this password is too easy to guess")


def worth(password: str, names: Iterable[str] = ()) -> int:
    """The length of ``password`` when each known word, name, year, sequence and repetition counts as one character."""
    own = {part for name in names for part in re.split(r"[\W_]+", name.casefold()) if len(part) >= 3}
    plain = password.casefold()
    left = _shortened(plain, own)
    # Written with look-alikes (p4ssw0rd) it may be a word after all.
    return min(len(left), len(_shortened(_folded(plain), own)))


def _folded(text: str) -> str:
    return text.translate(_LOOKALIKES)


def _shortened(text: str, own: set[str]) -> str:
    text = _REPEATED.sub("\0", text)
    made, at = [], 0
    while at < len(text):
        at += max(1, _word_at(text, at, own), _year_at(text, at), _run_at(text, at))
        made.append("\0")
    return "".join(made)


def _word_at(text: str, at: int, own: set[str]) -> int:
    """The length of the longest known word that begins here and is no part of a longer one."""
    for end in range(min(len(text), at + MAX_WORD), at + 2, -1):
        if text[at:end] in GUESSED or text[at:end] in own:
            return end - at
    return 0


def _year_at(text: str, at: int) -> int:
    return 4 if _YEAR.match(text, at) else 0


def _run_at(text: str, at: int) -> int:
    """The length of a run along the alphabet, the digits or a keyboard's row, either way; 0 below three."""
    longest = 0
    for row in _ROWS:
        for way in (row, row[::-1]):
            size = 2
            while at + size < len(text) + 1 and len(text[at : at + size]) == size and text[at : at + size] in way:
                size += 1
            longest = max(longest, size - 1)
    return longest if longest >= 3 else 0
