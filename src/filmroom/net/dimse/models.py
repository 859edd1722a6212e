"""Query/retrieve information models and their SOP classes (PS3.4 C.6), and verification (PS3.4 annex A)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from filmroom.dicom.question import Level

VERIFICATION: Final = "1.2.840.10008.1.1"
MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
COMMITMENT: Final = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"  # the one there is, PS3.4 J.3.5
MPPS: Final = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE: Final = "1.2.840.10008.3.1.2.3.4"
MPPS_NOTIFICATION: Final = "1.2.840.10008.3.1.2.3.5"
AVAILABILITY: Final = "1.2.840.10008.5.1.4.33"
# Annex CC: every work item is an instance of the push class, whichever class was negotiated (CC.3.1).
UPS_PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"
UPS_WATCH: Final = "1.2.840.10008.5.1.4.34.6.2"
UPS_PULL: Final = "1.2.840.10008.5.1.4.34.6.3"
UPS_EVENT: Final = "1.2.840.10008.5.1.4.34.6.4"
UPS_QUERY: Final = "1.2.840.10008.5.1.4.34.6.5"
UPS_MODELS: Final = frozenset({UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_QUERY})


@dataclass(frozen=True, slots=True)
class Model:
    """One information model: its SOP classes and its levels from the top."""

    name: str
    find: str
    move: str
    get: str
    levels: tuple[Level, ...]

    def levels_above(self, level: Level) -> tuple[Level, ...]:
        return self.levels[: self.levels.index(level)]


_BASE = "1.2.840.10008.5.1.4.1.2."
_ALL = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)

PATIENT_ROOT: Final = Model("Patient Root", _BASE + "1.1", _BASE + "1.2", _BASE + "1.3", _ALL)
STUDY_ROOT: Final = Model("Study Root", _BASE + "2.1", _BASE + "2.2", _BASE + "2.3", _ALL[1:])
PATIENT_STUDY_ONLY: Final = Model("Patient/Study Only", _BASE + "3.1", _BASE + "3.2", _BASE + "3.3", _ALL[:2])
MODELS: Final = (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)

FIND_MODELS: Final[Mapping[str, Model]] = {model.find: model for model in MODELS}
MOVE_MODELS: Final[Mapping[str, Model]] = {model.move: model for model in MODELS}
GET_MODELS: Final[Mapping[str, Model]] = {model.get: model for model in MODELS}

# Retrieval in part: annex Y (instances and frames), annex Z (without bulk data).
INSTANCE_ROOT_MOVE: Final = _BASE + "4.2"
INSTANCE_ROOT_GET: Final = _BASE + "4.3"
WITHOUT_BULK_GET: Final = _BASE + "5.3"
PARTS_MOVE: Final = frozenset({INSTANCE_ROOT_MOVE})
PARTS_GET: Final = frozenset({INSTANCE_ROOT_GET, WITHOUT_BULK_GET})

# Attributes that name an entity at each level (PS3.4 C.6.1.1, C.6.2.1).
UNIQUE_KEYS: Final[Mapping[Level, str]] = {
    Level.PATIENT: "00100020",
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.IMAGE: "00080018",
}
QUERY_RETRIEVE_LEVEL: Final = "00080052"
RETRIEVE_AE_TITLE: Final = "00080054"
FAILED_SOP_INSTANCES: Final = "00080058"
ISSUER_OF_PATIENT_ID: Final = "00100021"
