"""How objects of a device are stored: a frozen value per calling and called AE title, from and to a JSON row. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

from filmroom.archive.duplicates import DuplicatePolicy, Elsewhere, NotReplaced, Replacing
from filmroom.archive.identity import IdentityPolicy, MissingId, OtherPatient, comparable
from filmroom.archive.rules_update import Update, UpdatePolicy
from filmroom.base.errors import NotReadable
from filmroom.dicom.charset_tables import term

_Choice = TypeVar("_Choice", bound=Enum)
MAX_KEPT_DAYS: Final = 3650


class CharsetRepair(Enum):
    """When the text of a sender is taken to be in the character set of its policy, whatever (0008,0005) says."""

    NEVER = "never"
    MISSING = "missing"  # the object names none, and has text beyond ASCII
    DETECT = "detect"  # the same, or what it names does not explain the bytes and the policy's does
    ALWAYS = "always"


class BadPolicy(NotReadable):
    """A key of the policy is unknown, or its value is none of the allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePolicy:
    """Everything that is decided per sender. ``charset`` is a defined term of (0008,0005), or GBK."""

    duplicates: DuplicatePolicy = field(default_factory=DuplicatePolicy)
    identity: IdentityPolicy = field(default_factory=IdentityPolicy)
    update: UpdatePolicy = field(default_factory=UpdatePolicy)
    charset: str = ""
    charset_repair: CharsetRepair = CharsetRepair.NEVER


# Every key of the row with its sentence; generated docs print it.
KEYS: Final[Mapping[str, str]] = {
    "replacing": "Same SOP Instance UID, same series: " + ", ".join(each.value for each in Replacing) + ".",
    "not_replaced": "Other content that does not replace: quarantine (0111) or ignore (0000).",
    "elsewhere": "Same SOP Instance UID in another series or study: quarantine (0111), ignore (0000), reject (A77B), "
    "replace (the other one becomes an older version, kept for kept_days) or beside (both are kept).",
    "kept_days": "Days for which a replaced version is kept.",
    "missing_id": "Object without Patient ID: accept, reject or create.",
    "other_patient": "Patient ID is not that of the study: accept, reject (A778) or merge (merged patients only).",
    "default_issuer": "Issuer given to a Patient ID that names none.",
    "trusted_issuers": "Issuers whose Patient IDs are taken (else A777); empty for all.",
    "compare": "Attributes in which an object must agree with its patient (else A779), by keyword.",
    "update_patient": "What further objects change of the patient: " + ", ".join(each.value for each in Update) + ".",
    "update_study": "The same for the study.",
    "update_series": "The same for the series.",
    "charset": "Character set that the device really writes: a defined term of (0008,0005), or GBK.",
    "charset_repair": "When that is believed: never, missing, detect or always.",
}


def from_row(row: Mapping[str, Any]) -> StorePolicy:
    """The policy of a row. Raises BadPolicy: what an administrator writes is checked as a whole."""
    if unknown := row.keys() - KEYS.keys():
        raise BadPolicy(f"{min(unknown)} is no key of a store policy; they are {', '.join(KEYS)}")
    days = row.get("kept_days", DuplicatePolicy().kept_days)
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= MAX_KEPT_DAYS:
        raise BadPolicy(f"kept_days is a number from 0 to {MAX_KEPT_DAYS}")
    compare = _texts(row, "compare")
    if wrong := [each for each in compare if not comparable(each)]:
        raise BadPolicy(f"compare: {wrong[0]} is no attribute of the patient")
    elsewhere = _choice(row, "elsewhere", Elsewhere.QUARANTINE)
    charset, repair = _text(row, "charset"), _choice(row, "charset_repair", CharsetRepair.NEVER)
    if charset and charset != "GBK" and not _known(charset):
        raise BadPolicy(f"charset: {charset} is no defined term")
    if repair is not CharsetRepair.NEVER and not charset:
        raise BadPolicy("charset_repair needs a charset")
    return StorePolicy(
        duplicates=DuplicatePolicy(
            replacing=_choice(row, "replacing", Replacing.NEVER),
            not_replaced=_choice(row, "not_replaced", NotReplaced.QUARANTINE),
            elsewhere=elsewhere,
            kept_days=days,
        ),
        identity=IdentityPolicy(
            missing_id=_choice(row, "missing_id", MissingId.ACCEPT),
            other_patient=_choice(row, "other_patient", OtherPatient.ACCEPT),
            default_issuer=_text(row, "default_issuer"),
            trusted_issuers=frozenset(_texts(row, "trusted_issuers")),
            compare=tuple(compare),
        ),
        update=UpdatePolicy(
            patient=_choice(row, "update_patient", Update.SUPPLEMENT),
            study=_choice(row, "update_study", Update.SUPPLEMENT),
            series=_choice(row, "update_series", Update.SUPPLEMENT),
        ),
        charset=charset,
        charset_repair=repair,
    )


def _known(charset: str) -> bool:
    one = term(charset.split("\\")[0])
    return one.text == charset.split("\\")[0] and bool(one.whole or one.g1)


def _choice(row: Mapping[str, Any], key: str, default: _Choice) -> _Choice:
    if key not in row:
        return default
    kind = type(default)
    try:
        return kind(row[key])
    except ValueError:
        raise BadPolicy(f"{key} is one of {', '.join(str(each.value) for each in kind)}") from None


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key, "")
    if not isinstance(value, str) or len(value) > 64:
        raise BadPolicy(f"{key} is a text of at most 64 characters")
    return value


def _texts(row: Mapping[str, Any], key: str) -> list[str]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadPolicy(f"{key} is a list of texts")
    return value
