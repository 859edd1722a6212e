"""Whose object it is: what is asked of its patient before it is filed. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from filmroom.dicom.conditions_eval import text_of
from filmroom.dicom.dictionary import keyword_of, tag_of, vr_of
from filmroom.dicom.names import fold, normalise_name
from filmroom.dicom.question import JsonDataset

PATIENT_ID: Final = "00100020"
ISSUER: Final = "00100021"


class MissingId(Enum):
    """What to do with an object without Patient ID."""

    ACCEPT = "accept"  # its study gets a patient of its own
    REJECT = "reject"
    CREATE = "create"  # it is given one, derived from its study


class OtherPatient(Enum):
    """What to do with an object whose Patient ID is not that of its study's patient."""

    ACCEPT = "accept"  # it is filed into the study, whose patient stays
    REJECT = "reject"  # A778
    MERGE = "merge"  # accepted when the two patients were merged, else rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPolicy:
    """``default_issuer`` is given to identifiers without one. ``trusted_issuers``: others are refused (A777); empty:
    all are trusted. ``compare``: keywords of attributes in which the object must agree with its patient (A779)."""

    missing_id: MissingId = MissingId.ACCEPT
    other_patient: OtherPatient = OtherPatient.ACCEPT
    default_issuer: str = ""
    trusted_issuers: frozenset[str] = frozenset()
    compare: tuple[str, ...] = ()


class Refusal(Enum):
    """Why an object is not taken. The value is a code for logs; the status of each stands in REFUSAL_STATUS."""

    PATIENT_ID_MISSING = "patient-id-missing"
    ISSUER_NOT_TRUSTED = "issuer-not-trusted"
    PATIENT_CONFLICT = "patient-conflict"
    PATIENT_DIFFERS = "patient-differs"
    DUPLICATE_ELSEWHERE = "duplicate-elsewhere"
    BY_RULE = "by-rule"


# Statuses of C-STORE (PS3.4 B.2.3: Axxx and Cxxx are failures; the digits beyond are ours to choose).
REFUSAL_STATUS: Final[Mapping[Refusal, int]] = {
    Refusal.ISSUER_NOT_TRUSTED: 0xA777,
    Refusal.PATIENT_CONFLICT: 0xA778,
    Refusal.PATIENT_DIFFERS: 0xA779,
    Refusal.DUPLICATE_ELSEWHERE: 0xA77B,
    Refusal.PATIENT_ID_MISSING: 0xC409,
    Refusal.BY_RULE: 0x0124,
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whether the object may come in, and what its identifier becomes: DICOM JSON elements by hex key."""

    refusal: Refusal | None = None
    reason: str = ""
    changes: Mapping[str, Mapping[str, Any]] | None = None


def admit(patient_id: str, issuer: str, study_uid: str, policy: IdentityPolicy) -> Admitted:
    """What the object itself tells: before the database is asked."""
    changes: dict[str, Mapping[str, Any]] = {}
    if not patient_id:
        if policy.missing_id is MissingId.REJECT:
            return Admitted(Refusal.PATIENT_ID_MISSING, "the object has no Patient ID")
        if policy.missing_id is MissingId.ACCEPT:
            return Admitted()
        changes[PATIENT_ID] = {"vr": "LO", "Value": [made_id(study_uid)]}
    if not issuer and policy.default_issuer:
        issuer = policy.default_issuer
        changes[ISSUER] = {"vr": "LO", "Value": [issuer]}
    if policy.trusted_issuers and issuer not in policy.trusted_issuers:
        return Admitted(Refusal.ISSUER_NOT_TRUSTED, "the issuer of the Patient ID is not trusted")
    return Admitted(changes=changes or None)


def made_id(study_uid: str) -> str:
    """The Patient ID for a study that has none: the same for all of its objects."""
    return "F" + hashlib.sha256(study_uid.encode()).hexdigest()[:12].upper()


@dataclass(frozen=True, slots=True)
class StudyPatient:
    """The patient of a study that is here: identifiers as (value, issuer), those merged into it included."""

    identifiers: Sequence[tuple[str, str]]
    merged: Sequence[tuple[str, str]]
    attributes: JsonDataset


def examine(here: StudyPatient, identifier: tuple[str, str], coming: JsonDataset, policy: IdentityPolicy) -> Admitted:
    """Whether an object belongs to the study that it names. Says which attributes differ, never their values."""
    if identifier[0] and identifier not in here.identifiers:
        merged = identifier in here.merged
        refused = policy.other_patient is OtherPatient.REJECT or (
            policy.other_patient is OtherPatient.MERGE and not merged
        )
        if refused:
            return Admitted(Refusal.PATIENT_CONFLICT, "the study is here with another patient")
    different = [keyword for keyword in policy.compare if differs(keyword, here.attributes, coming)]
    if different:
        return Admitted(Refusal.PATIENT_DIFFERS, f"differs from the patient: {', '.join(different)}")
    return Admitted()


def differs(keyword: str, here: JsonDataset, coming: JsonDataset) -> bool:
    """Whether both have the attribute and it is not the same; names by what search would take as the same."""
    tag = tag_of(keyword)
    if tag is None:
        return False
    a, b = (_values(dataset, tag) for dataset in (here, coming))
    if not a or not b:
        return False
    if vr_of(tag) != "PN":
        return [fold(each) for each in a] != [fold(each) for each in b]
    groups = zip(_groups(a[0]), _groups(b[0]), strict=False)
    return any(x and y and x != y for x, y in groups)


def _groups(name: str) -> list[str]:
    return [normalise_name(group) for group in name.split("=")]


def _values(dataset: JsonDataset, tag: int) -> list[str]:
    return [text for text in map(text_of, dataset.get(f"{tag:08X}", {}).get("Value") or ()) if text]


def comparable(keyword: str) -> bool:
    """Whether the attribute can be named in ``compare``: one of the patient module."""
    tag = tag_of(keyword)
    return tag is not None and keyword_of(tag) == keyword and tag >> 16 == 0x0010
