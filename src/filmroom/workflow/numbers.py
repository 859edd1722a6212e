"""Identifiers that an order did not bring (CAPABILITIES 1.7.5). Pure: numbers and randomness come from outside."""

import hashlib
from datetime import datetime
from typing import Final

from filmroom.base.ids import UUID_ROOT, StudyUid, is_uid
from filmroom.workflow.model import BadOrder, StudyUidRule

# SH, PS3.5 table 6.2-1.
MAX_IDENTIFIER: Final = 16


def identifier(pattern: str, n: int, at: datetime) -> str:
    """An identifier from its pattern. Raises BadOrder when it is longer than 16 characters or not formatted."""
    try:
        made = pattern.format(n=n, at=at)
    except (KeyError, IndexError, ValueError) as error:
        raise BadOrder(f"the identifier pattern {pattern!r} cannot be used: {error}") from None
    if not 0 < len(made) <= MAX_IDENTIFIER:
        raise BadOrder(f"the identifier pattern {pattern!r} makes {len(made)} characters, not 1 to {MAX_IDENTIFIER}")
    return made


def study_uid(rule: StudyUidRule, accession: str, issuer: str, procedure_id: str, random_128_bits: int) -> StudyUid:
    """The Study Instance UID of a procedure that came without. Raises BadOrder when the rule demands one."""
    match rule:
        case StudyUidRule.REQUIRE:
            raise BadOrder("the order brings no Study Instance UID")
        case StudyUidRule.FROM_ACCESSION:
            key = "\0".join((issuer, accession, procedure_id)).encode()
            number = int.from_bytes(hashlib.blake2b(key, digest_size=16, person=b"study of order").digest(), "big")
        case StudyUidRule.GENERATE:
            number = random_128_bits
    return StudyUid(UUID_ROOT + str(number))


def echoed(uid: str) -> StudyUid:
    """A Study Instance UID that the order brought. Raises BadOrder when it is none."""
    if not is_uid(uid):
        raise BadOrder(f"{uid[:64]!r} is no Study Instance UID")
    return StudyUid(uid)
