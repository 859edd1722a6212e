"""Query keys as typed in a terminal, and matches as shown there."""

from dataclasses import dataclass
from typing import Any

from filmroom.base.errors import FilmroomError
from filmroom.dicom.dictionary import keyword_of, tag_of, vr_of
from filmroom.dicom.json import dataset_to_json
from filmroom.dicom.json_encode import json_to_dataset

# What is asked for when the terminal names no keys, by level.
ASKED = {
    "PATIENT": ["PatientName", "PatientID", "PatientBirthDate", "PatientSex"],
    "STUDY": [
        *("PatientName", "PatientID", "StudyDate", "ModalitiesInStudy", "StudyDescription", "AccessionNumber"),
        *("NumberOfStudyRelatedInstances", "StudyInstanceUID"),
    ],
    "SERIES": ["Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances", "SeriesInstanceUID"],
    "IMAGE": ["InstanceNumber", "SOPClassUID", "SOPInstanceUID"],
}
_NUMBERS = {"IS", "US", "SS", "UL", "SL", "FL", "FD", "DS"}


class BadKey(FilmroomError):
    """A key names no attribute."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """The identifier of a C-FIND or C-MOVE, as DICOM JSON."""

    dataset: dict[str, Any]

    @property
    def titles(self) -> list[str]:
        """Column titles of the answers."""
        return [keyword_of(int(key, 16)) or key for key in self.dataset if key not in {"00080052", "00080005"}]

    def encode(self, transfer_syntax: str) -> bytes:
        """The data set; text in UTF-8 unless ASCII."""
        return json_to_dataset(self.dataset, transfer_syntax, "ISO_IR 192")


def identifier(level: str, keys: list[str], *, bare: bool = False) -> Identifier:
    """Keys ``Keyword=value`` or ``ggggeeee=value`` as an identifier. ``bare``: nothing but those (C-MOVE)."""
    level = level.upper()
    if level not in ASKED:
        raise BadKey(f"{level!r} is not a level: PATIENT, STUDY, SERIES or IMAGE")
    dataset: dict[str, Any] = {"00080052": {"vr": "CS", "Value": [level]}}
    for name in [] if bare else ASKED[level]:
        _put(dataset, name, "")
    for key in keys:
        name, _, value = key.partition("=")
        _put(dataset, name.replace(",", "").strip("()"), value)
    return Identifier(dataset)


def _put(dataset: dict[str, Any], name: str, text: str) -> None:
    tag = tag_of(name)
    if tag is None:
        raise BadKey(f"{name!r} is neither the keyword nor the tag of an attribute")
    vr = vr_of(tag)
    values: list[Any] = [part for part in text.split("\\") if part] if text else []
    if vr == "PN":
        values = [
            dict(zip(("Alphabetic", "Ideographic", "Phonetic"), part.split("="), strict=False)) for part in values
        ]
    elif vr in _NUMBERS and all(part.lstrip("-").isdigit() for part in values):
        values = [int(part) for part in values]
    dataset[f"{tag:08X}"] = {"vr": vr, **({"Value": values} if values else {})}


def rows_of(data: bytes, transfer_syntax: str) -> dict[str, Any]:
    """A match as DICOM JSON."""
    return dataset_to_json(data, transfer_syntax)


def shown_keys(match: dict[str, Any], asked: Identifier) -> list[str]:
    """The cells of a match, in the order of ``asked.titles``."""
    return [_shown(match.get(key, {})) for key in asked.dataset if key not in {"00080052", "00080005"}]


def _shown(attribute: dict[str, Any]) -> str:
    cells = []
    for value in attribute.get("Value", []):
        if isinstance(value, dict):
            value = "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
        cells.append("" if value is None else str(value))
    return "\\".join(cells)
