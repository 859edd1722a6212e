"""What a further object changes of the patient, study or series that is here. Pure, over DICOM JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from filmroom.dicom.question import JsonDataset


class Update(Enum):
    """How the attributes of an entity meet those of a further object."""

    PRESERVE = "preserve"
    SUPPLEMENT = "supplement"
    MERGE = "merge"
    OVERWRITE = "overwrite"
    REPLACE = "replace"


UPDATE_HELP: Final[Mapping[Update, str]] = MappingProxyType(
    {
        Update.PRESERVE: "the first object decides, nothing changes",
        Update.SUPPLEMENT: "what has no value yet gets one; items of sequences likewise, by place (default)",
        Update.MERGE: "values are taken over where the object has one; what it has not stays",
        Update.OVERWRITE: "attributes that the object has are taken over, also empty ones; others stay",
        Update.REPLACE: "the entity becomes what the object says of it; what it does not say goes",
    }
)


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """By level."""

    patient: Update = Update.SUPPLEMENT
    study: Update = Update.SUPPLEMENT
    series: Update = Update.SUPPLEMENT


def updated(here: JsonDataset, coming: JsonDataset, how: Update, kept: frozenset[str] = frozenset()) -> JsonDataset:
    """The entity's attributes afterwards; ``here`` itself (the same object) when nothing changes.

    ``kept`` are hex keys that never change: identifiers, and what somebody corrected.
    """
    match how:
        case Update.PRESERVE:
            made = here
        case Update.SUPPLEMENT:
            made = _supplemented(here, coming, kept)
        case Update.MERGE:
            made = {**here, **{name: each for name, each in coming.items() if _filled(each) and name not in kept}}
        case Update.OVERWRITE:
            made = {**here, **{name: each for name, each in coming.items() if name not in kept}}
        case Update.REPLACE:
            stays = {name: each for name, each in here.items() if name in kept}
            made = {**{name: each for name, each in coming.items() if name not in kept}, **stays}
    return here if made == here else dict(sorted(made.items()))


def _supplemented(here: JsonDataset, coming: JsonDataset, kept: frozenset[str]) -> JsonDataset:
    made = dict(here)
    for name, each in coming.items():
        if name in kept:
            continue
        mine = made.get(name)
        if mine is None or not _filled(mine):
            if _filled(each) or mine is None:
                made[name] = each
        elif each.get("vr") == "SQ" == mine.get("vr"):
            made[name] = _items(mine, each)
    return made


def _items(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Item by item when there are as many; else they are not of the same things."""
    a, b = mine.get("Value") or [], theirs.get("Value") or []
    if len(a) != len(b):
        return dict(mine)
    nothing: frozenset[str] = frozenset()
    return {"vr": "SQ", "Value": [_supplemented(x or {}, y or {}, nothing) for x, y in zip(a, b, strict=True)]}


def _filled(element: Mapping[str, Any]) -> bool:
    return any(value not in (None, "", {}) for value in element.get("Value") or ()) or bool(
        element.get("InlineBinary") or element.get("BulkDataURI")
    )
