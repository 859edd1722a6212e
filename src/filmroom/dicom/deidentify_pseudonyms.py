"""What stands for the identities of one project: always the same for the same original, of no use without its key.

Nothing is looked up: a pseudonym is a keyed digest of the original, so no table of patients is needed, and two projects
share nothing. Whoever holds the key can find a patient again by making the pseudonyms of those that may be meant.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from filmroom.base.ids import UUID_ROOT

KEY_BYTES: Final = 32
# Ten years: further back, a date of birth gives away more than the shift hides.
LONGEST_SHIFT_DAYS: Final = 3652
# 50 bits: among a million patients two share a pseudonym with a probability of one in two thousand.
_ID_CHARACTERS = 10
_VERSION_8 = (0x8 << 76, 0xF << 76)
_VARIANT = (0x2 << 62, 0x3 << 62)


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms of one project. ``key`` is its secret."""

    key: bytes
    prefix: str = "ANON"

    def uid(self, original: str) -> str:
        """The UID for another: UUID-derived, version 8 (PS3.5 B.2, RFC 9562 5.8)."""
        number = int.from_bytes(self._digest("uid", original)[:16])
        for value, mask in (_VERSION_8, _VARIANT):
            number = number & ~mask | value
        return f"{UUID_ROOT}{number}"

    def patient(self, patient_id: str, issuer: str = "") -> str:
        """The Patient ID for another, at most 64 characters."""
        return f"{self.prefix}-{self._short('patient', _whole(patient_id, issuer))}"

    def accession(self, number: str) -> str:
        """The Accession Number for another, 16 characters at most."""
        return f"A{self._short('accession', number)}" if number else ""

    def shift_days(self, patient_id: str, issuer: str = "") -> int:
        """By how many days every date of a patient moves into the past: 1 to LONGEST_SHIFT_DAYS."""
        digest = self._digest("shift", _whole(patient_id, issuer))
        return 1 + int.from_bytes(digest[:8]) % LONGEST_SHIFT_DAYS

    def _short(self, kind: str, text: str) -> str:
        return base64.b32encode(self._digest(kind, text)).decode()[:_ID_CHARACTERS]

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{text}".encode(), "sha256")


def _whole(patient_id: str, issuer: str) -> str:
    return f"{issuer}\\{patient_id}"


def shifted(text: str, days: int) -> str:
    """A DA or DT value that many days earlier; '' when it does not begin with a whole date. The time of day stays."""
    digits = text.strip(" \0").replace(".", "", 2) if text[4:5] == "." else text.strip(" \0")
    try:
        moved = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    rest = digits[8:]
    if rest.strip("0123456789.+-"):
        return ""
    return f"{moved.year:04d}{moved:%m%d}{rest}"
