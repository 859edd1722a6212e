"""The search columns of an entity from its attributes in DICOM JSON: the same as filing makes of a header. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from filmroom.archive.corrections_model import Target
from filmroom.dicom.conditions_eval import text_of
from filmroom.dicom.dates import date_value, time_value
from filmroom.dicom.names import fold, name_sort, name_terms, normalise_name

Attributes = Mapping[str, Any]

# Attributes of an instance that are columns and not in its JSON, with the column.
IMAGE_COLUMNS: Final[Mapping[str, str]] = {
    "00080023": "content_date",
    "00080033": "content_time",
    "00200013": "instance_number",
}


def columns(level: Target, attributes: Attributes) -> dict[str, Any]:
    """Values by column name."""
    match level:
        case Target.PATIENT:
            return _patient(attributes)
        case Target.STUDY:
            return _study(attributes)
        case Target.SERIES:
            return _series(attributes)
        case Target.INSTANCE:
            return {}


def image_column(name: str, element: Mapping[str, Any] | None) -> Any:
    """The value of one of IMAGE_COLUMNS."""
    text = _text({name: element or {}}, name)
    if name == "00200013":
        return int(float(text)) if text else None
    return date_value(text) if name == "00080023" else time_value(text)


def _patient(found: Attributes) -> dict[str, Any]:
    values: Sequence[Any] = (found.get("00100010") or {}).get("Value") or [{}]
    groups = values[0] or {}
    names = [normalise_name(groups.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return {
        "name_alphabetic": names[0],
        "name_ideographic": names[1],
        "name_phonetic": names[2],
        "name_terms": list(name_terms(*names)),
        "name_sort": name_sort(*names),
        "birth_date": date_value(_text(found, "00100030")),
        "sex": _text(found, "00100040").upper(),
    }


def _study(found: Attributes) -> dict[str, Any]:
    referring: Sequence[Any] = (found.get("00080090") or {}).get("Value") or [{}]
    return {
        "study_date": date_value(_text(found, "00080020")),
        "study_time": time_value(_text(found, "00080030")),
        "accession": _text(found, "00080050"),
        "accession_issuer": _issuer(found.get("00080051")),
        "study_id": _text(found, "00200010"),
        "description": fold(_text(found, "00081030")),
        "referring": normalise_name((referring[0] or {}).get("Alphabetic", "")),
    }


def _series(found: Attributes) -> dict[str, Any]:
    number = _text(found, "00200011")
    return {
        "modality": _text(found, "00080060"),
        "series_number": int(float(number)) if number else None,
        "description": fold(_text(found, "0008103E")),
        "body_part": _text(found, "00180015"),
        "station_name": _text(found, "00081010"),
        "institution": _text(found, "00080080"),
        "pps_date": date_value(_text(found, "00400244")),
        "pps_time": time_value(_text(found, "00400245")),
    }


def _text(found: Attributes, name: str) -> str:
    values = (found.get(name) or {}).get("Value") or [""]
    return text_of(values[0])


def _issuer(element: Mapping[str, Any] | None) -> str:
    item = ((element or {}).get("Value") or [{}])[0] or {}
    return _text(item, "00400031") or _text(item, "00400032")
