"""Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 C.4): decoded, judged, and written for an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from filmroom.base.errors import RemoteFault
from filmroom.base.ids import is_uid
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.json import dataset_to_json
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset, Level
from filmroom.net.dimse.models import (
    FAILED_SOP_INSTANCES,
    ISSUER_OF_PATIENT_ID,
    QUERY_RETRIEVE_LEVEL,
    UNIQUE_KEYS,
    Model,
)

CHARACTER_SET = 0x00080005


class BadIdentifier(RemoteFault):
    """The identifier does not match the SOP class (A900)."""

    def __init__(self, message: str, *offending: int) -> None:
        super().__init__(message)
        self.offending = offending


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a C-MOVE or C-GET asks for, as ``Retrieve.locate`` takes it."""

    level: Level
    patient: tuple[str, str | None] | None = None
    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()


def decode(identifier: bytes, transfer_syntax: str, default_charset: str = "") -> JsonDataset:
    """An identifier as DICOM JSON, but with the asker's own (0008,0005): it says what the asker can read.

    ``default_charset`` is what it is written in when it does not say. Raises RemoteFault.
    """
    dataset = dataset_to_json(identifier, transfer_syntax, default_charset=default_charset)
    tap = HeaderTap(transfer_syntax, frozenset({CHARACTER_SET}))
    tap.feed(identifier)
    element = tap.finish().elements.get(CHARACTER_SET)
    dataset.pop("00080005", None)
    if element is not None:
        terms = bytes(element.value).decode("ascii", "replace").rstrip(" \0").split("\\")
        dataset["00080005"] = {"vr": "CS", "Value": [term.strip() for term in terms]}
    return dataset


def character_set(dataset: JsonDataset) -> str:
    """The asker's (0008,0005) as it stands in a data set, '' when absent."""
    return "\\".join(str(term or "") for term in dataset.get("00080005", {}).get("Value") or ())


def level_of(dataset: JsonDataset, model: Model) -> Level:
    """The query/retrieve level (PS3.4 C.4.1.1.3.1). Raises BadIdentifier."""
    named = values(dataset, QUERY_RETRIEVE_LEVEL)
    if not named:
        raise BadIdentifier("no Query/Retrieve Level", 0x00080052)
    try:
        level = Level(str(named[0]).strip().upper())
    except ValueError:
        raise BadIdentifier("Query/Retrieve Level is unknown", 0x00080052) from None
    if level not in model.levels:
        raise BadIdentifier(f"{model.name} has no level {level.value}", 0x00080052)
    return level


def demand_keys_above(dataset: JsonDataset, model: Model, level: Level) -> None:
    """Each level above must be named by one value (PS3.4 C.4.1.2.1, hierarchical). Raises BadIdentifier."""
    for above in model.levels_above(level):
        key = UNIQUE_KEYS[above]
        given = values(dataset, key)
        if len(given) != 1 or any(c in str(given[0]) for c in "*?"):
            raise BadIdentifier(f"one {above.value} must be named by ({key[:4]},{key[4:]})", int(key, 16))


def wanted(dataset: JsonDataset, model: Model, *, relational: bool) -> Wanted:
    """What is to be retrieved (PS3.4 C.4.2.1.4). Raises BadIdentifier."""
    level = level_of(dataset, model)
    if not relational:
        demand_keys_above(dataset, model, level)
    if not values(dataset, UNIQUE_KEYS[level]):
        key = UNIQUE_KEYS[level]
        raise BadIdentifier(f"nothing named at level {level.value}", int(key, 16))
    return Wanted(
        level=level,
        patient=_patient(dataset) if Level.PATIENT in model.levels else None,
        studies=_uids(dataset, Level.STUDY),
        series=_uids(dataset, Level.SERIES),
        instances=_uids(dataset, Level.IMAGE),
    )


def instance_uids(dataset: JsonDataset) -> tuple[str, ...]:
    """The objects named, without the levels above (PS3.4 Y.4.1.1.3, Z.4.2.1.3). Raises BadIdentifier."""
    found = _uids(dataset, Level.IMAGE)
    if not found:
        raise BadIdentifier("no SOP Instance UID", 0x00080018)
    return found


def values(dataset: JsonDataset, key: str) -> list[Any]:
    """The non-empty values of an attribute."""
    element = dataset.get(key) or {}
    return [value for value in element.get("Value") or () if value not in (None, "")]


def failed_list(sop_uids: Sequence[str], transfer_syntax: str) -> bytes:
    """The identifier of a final retrieve response with failures (PS3.4 C.4.2.1.4.2)."""
    return json_to_dataset({FAILED_SOP_INSTANCES: {"vr": "UI", "Value": list(sop_uids)}}, transfer_syntax)


def _patient(dataset: JsonDataset) -> tuple[str, str | None] | None:
    given = values(dataset, UNIQUE_KEYS[Level.PATIENT])
    if not given:
        return None
    if len(given) > 1:
        raise BadIdentifier("one Patient ID at a time", 0x00100020)
    issuer = values(dataset, ISSUER_OF_PATIENT_ID)
    return str(given[0]), str(issuer[0]) if issuer else None


def _uids(dataset: JsonDataset, level: Level) -> tuple[str, ...]:
    key = UNIQUE_KEYS[level]
    found = tuple(str(value) for value in values(dataset, key))
    if not all(is_uid(uid) for uid in found):
        raise BadIdentifier(f"({key[:4]},{key[4:]}) holds what is no UID", int(key, 16))
    return found
