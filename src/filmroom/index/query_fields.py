"""Where each attribute of a question lives: in a column, computed, or only in the DICOM JSON of its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from filmroom.dicom.indextags import IMAGE_COLUMN_TAGS, IMAGE_TAGS, PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS, TIMEZONE
from filmroom.dicom.question import Level

# From the outside in; a level sees the attributes of those before it.
LEVELS: Final = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
ALIAS: Final[Mapping[Level, str]] = MappingProxyType(
    {Level.PATIENT: "p", Level.STUDY: "s", Level.SERIES: "e", Level.IMAGE: "i"}
)

# What a row must be to be seen at all.
VISIBLE: Final[Mapping[Level, str]] = MappingProxyType(
    {
        Level.PATIENT: "p.merged_into IS NULL",
        Level.STUDY: "s.state = 'visible' AND s.n_instances > 0",
        Level.SERIES: "e.state = 'visible' AND e.n_instances > 0",
        Level.IMAGE: "i.state = 'visible'",
    }
)


class Kind(Enum):
    """What a column holds, which decides how it is compared."""

    TEXT = "text"  # as received
    FOLDED = "folded"  # names.fold
    NAMES = "names"  # the three component groups of Patient's Name, normalised
    NAME = "name"  # the alphabetic group of a name, normalised
    DATE = "date"  # YYYYMMDD
    TIME = "time"  # HHMMSS.FFFFFF
    NUMBER = "number"
    LIST = "list"  # text[]
    IDENTIFIER = "identifier"  # column of patient_identifier
    COMPUTED = "computed"  # given back, never matched


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: at which level it is, in which column (of which kind), '' when only in the row's JSON."""

    level: Level
    kind: Kind | None = None
    column: str = ""


PATIENT_ID: Final = 0x00100020
ISSUER: Final = 0x00100021
PATIENT_NAME: Final = 0x00100010
STUDY_UID: Final = 0x0020000D
SERIES_UID: Final = 0x0020000E
SOP_UID: Final = 0x00080018
SOP_CLASS: Final = 0x00080016
MODALITY: Final = 0x00080060
MODALITIES_IN_STUDY: Final = 0x00080061
SOP_CLASSES_IN_STUDY: Final = 0x00080062
STUDY_DATE: Final = 0x00080020
STUDY_TIME: Final = 0x00080030

_P, _S, _E, _I = LEVELS

_COLUMNS: Final[Mapping[int, Field]] = {
    PATIENT_NAME: Field(_P, Kind.NAMES),
    PATIENT_ID: Field(_P, Kind.IDENTIFIER, "value"),
    ISSUER: Field(_P, Kind.IDENTIFIER, "issuer"),
    0x00100030: Field(_P, Kind.DATE, "p.birth_date"),
    0x00100040: Field(_P, Kind.TEXT, "p.sex"),
    STUDY_UID: Field(_S, Kind.TEXT, "s.study_uid"),
    STUDY_DATE: Field(_S, Kind.DATE, "s.study_date"),
    STUDY_TIME: Field(_S, Kind.TIME, "s.study_time"),
    0x00080050: Field(_S, Kind.TEXT, "s.accession"),
    0x00080090: Field(_S, Kind.NAME, "s.referring"),
    0x00081030: Field(_S, Kind.FOLDED, "s.description"),
    0x00200010: Field(_S, Kind.TEXT, "s.study_id"),
    MODALITIES_IN_STUDY: Field(_S, Kind.LIST, "s.modalities"),
    SOP_CLASSES_IN_STUDY: Field(_S, Kind.LIST, "s.sop_classes"),
    SERIES_UID: Field(_E, Kind.TEXT, "e.series_uid"),
    MODALITY: Field(_E, Kind.TEXT, "e.modality"),
    0x00200011: Field(_E, Kind.NUMBER, "e.series_number"),
    0x0008103E: Field(_E, Kind.FOLDED, "e.description"),
    0x00180015: Field(_E, Kind.TEXT, "e.body_part"),
    0x00081010: Field(_E, Kind.TEXT, "e.station_name"),
    0x00080080: Field(_E, Kind.TEXT, "e.institution"),
    0x00400244: Field(_E, Kind.DATE, "e.pps_date"),
    0x00400245: Field(_E, Kind.TIME, "e.pps_time"),
    SOP_UID: Field(_I, Kind.TEXT, "i.sop_uid"),
    SOP_CLASS: Field(_I, Kind.TEXT, "i.sop_class"),
    0x00200013: Field(_I, Kind.NUMBER, "i.instance_number"),
    0x00280008: Field(_I, Kind.NUMBER, "i.frames"),
    0x00280010: Field(_I, Kind.NUMBER, "i.rows"),
    0x00280011: Field(_I, Kind.NUMBER, "i.columns"),
    0x00280100: Field(_I, Kind.NUMBER, "i.bits_allocated"),
    0x00080023: Field(_I, Kind.DATE, "i.content_date"),
    0x00080033: Field(_I, Kind.TIME, "i.content_time"),
    0x00083002: Field(_I, Kind.TEXT, "i.transfer_syntax"),
    # Given back only (PS3.4 C.6.1.1, C.6.2.1).
    0x00080054: Field(_P, Kind.COMPUTED),  # RetrieveAETitle
    0x00080056: Field(_P, Kind.COMPUTED),  # InstanceAvailability
    0x00201200: Field(_P, Kind.COMPUTED),  # NumberOfPatientRelatedStudies
    0x00201202: Field(_P, Kind.COMPUTED),
    0x00201204: Field(_P, Kind.COMPUTED),
    0x00201206: Field(_S, Kind.COMPUTED),  # NumberOfStudyRelatedSeries
    0x00201208: Field(_S, Kind.COMPUTED),
    0x00201209: Field(_E, Kind.COMPUTED),  # NumberOfSeriesRelatedInstances
}
assert set(_COLUMNS) >= IMAGE_COLUMN_TAGS

_JSON_TAGS: Final = ((_P, PATIENT_TAGS), (_S, STUDY_TAGS | {TIMEZONE}), (_E, SERIES_TAGS), (_I, IMAGE_TAGS))

FIELDS: Final[Mapping[int, Field]] = MappingProxyType(
    {tag: Field(level) for level, tags in _JSON_TAGS for tag in tags} | dict(_COLUMNS)
)


def is_above_or_at(level: Level, other: Level) -> bool:
    """Whether ``level`` is the same as ``other`` or closer to the patient."""
    return LEVELS.index(level) <= LEVELS.index(other)
