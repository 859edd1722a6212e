"""Identities of the field, each a type of its own; all are plain ``str`` underneath."""

import re
from collections.abc import Callable
from typing import NewType

StudyUid = NewType("StudyUid", str)
SeriesUid = NewType("SeriesUid", str)
SopUid = NewType("SopUid", str)
AeTitle = NewType("AeTitle", str)

# Leading zeros in a component break PS3.5 9.1 but are common in stored archives: they are accepted on the way in.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
MAX_UID_LENGTH = 64

# Root for UIDs made here: UUID-derived (PS3.5 B.2), so no registration is needed.
UUID_ROOT = "2.25."
IMPLEMENTATION_CLASS_UID = "2.25.301902271842630412137720187563128290117"


def is_uid(text: str) -> bool:
    """Whether ``text`` can be used as a UID: digits and dots, at most 64 characters (PS3.5 9.1)."""
    return len(text) <= MAX_UID_LENGTH and _UID.fullmatch(text) is not None


def new_uid(random_128_bits: Callable[[], int]) -> str:
    """A fresh UID under ``2.25.`` (PS3.5 B.2)."""
    return UUID_ROOT + str(random_128_bits())


def ae_title(text: str) -> AeTitle:
    """An application entity title without its padding (PS3.5 table 6.2-1, AE).

    Raises ValueError when nothing is left, when it is longer than 16 characters, or holds a control character
    or a backslash.
    """
    title = text.strip(" ")
    if not 1 <= len(title) <= 16 or any(c < " " or c > "~" or c == "\\" for c in title):
        raise ValueError(f"{text!r} is not an AE title: 1 to 16 printable ASCII characters without backslash")
    return AeTitle(title)
