"""SOP classes: which are objects to be stored, and what they are called (PS3.4 B.5, PS3.6 table A-1)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydicom._uid_dict import UID_dictionary

VERIFICATION: Final = "1.2.840.10008.1.1"
MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"

PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_STUDY_ONLY_FIND: Final = "1.2.840.10008.5.1.4.1.2.3.1"
PATIENT_STUDY_ONLY_MOVE: Final = "1.2.840.10008.5.1.4.1.2.3.2"
PATIENT_STUDY_ONLY_GET: Final = "1.2.840.10008.5.1.4.1.2.3.3"

# Objects that are stored by the Storage service although their name does not say so (PS3.4 table B.5-1 and retired).
_STORED_BY_NUMBER = {
    "1.2.840.10008.5.1.4.1.1.12.77": "Zeiss OPT (retired)",
    "1.2.840.10008.5.1.4.1.1.40": "MR Image Storage Zero Padded (retired)",
    "1.2.840.10008.5.1.4.1.1.88.1": "Text SR Storage - Trial",
    "1.2.840.10008.5.1.4.1.1.88.2": "Audio SR Storage - Trial",
    "1.2.840.10008.5.1.4.1.1.88.3": "Detail SR Storage - Trial",
    "1.2.840.10008.5.1.4.1.1.88.4": "Comprehensive SR Storage - Trial",
}
# Service classes whose name holds "Storage" but which carry no stored object by C-STORE.
_NOT_STORED = frozenset({MEDIA_STORAGE_DIRECTORY, "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"})

# Private classes that peers send to any archive (names after the vendors' conformance statements).
_PRIVATE = {
    "1.2.392.200036.9116.7.8.1.1.1": "Toshiba US Private Data Storage",
    "1.2.392.200036.9125.1.1.2": "Fuji Private CR Image Storage",
    "1.2.392.200036.9125.1.1.4": "Fuji Private Mammography CR Image Storage",
    "1.2.826.0.1.3680043.293.1.0.1": "ERAD Practice Builder Report Text Storage",
    "1.2.826.0.1.3680043.293.1.0.2": "ERAD Practice Builder Report Dictation Storage",
    "1.2.840.113543.6.6.1.3.10001": "Philips HP Live 3D 01 Storage",
    "1.2.840.113543.6.6.1.3.10002": "Philips HP Live 3D 02 Storage",
    "1.2.840.113619.4.2": "GE MR Image Info Object",
    "1.2.840.113619.4.3": "GE CT Image Info Object",
    "1.2.840.113619.4.4": "GE Display Image Info Object",
    "1.2.840.113619.4.5.249": "GE RT Plan Storage",
    "1.2.840.113619.4.26": "GE 3D Model Storage",
    "1.2.840.113619.4.27": "GE eNTEGRA Protocol or NM Genie Storage",
    "1.2.840.113619.4.30": "GE PET Raw Data Storage",
    "1.2.840.113619.5.249": "GE RT Plan Storage (older)",
    "1.2.840.113619.5.253": "GE Saturn TDS Object Storage",
    "2.16.840.1.113709.1.5.1": "GE PACS Private IMS Info Storage",
    "1.3.12.2.1107.5.9.1": "Siemens CSA Non-Image Storage",
    "1.3.12.2.1107.5.99.3.10": "Siemens AX Frame Sets Storage",
    "1.3.12.2.1107.5.99.3.11": "Siemens AX Private Storage",
    "1.3.46.670589.2.3.1.1": "Philips X-Ray Specialised Storage",
    "1.3.46.670589.2.4.1.1": "Philips CX Image Storage",
    "1.3.46.670589.2.5.1.1": "Philips 3D Presentation State Storage",
    "1.3.46.670589.5.0.1": "Philips Volume Storage",
    "1.3.46.670589.5.0.1.1": "Philips Volume Image Storage",
    "1.3.46.670589.5.0.2": "Philips 3D Object Storage",
    "1.3.46.670589.5.0.2.1": "Philips 3D Object 2 Storage",
    "1.3.46.670589.5.0.3": "Philips Surface Storage",
    "1.3.46.670589.5.0.3.1": "Philips Surface 2 Storage",
    "1.3.46.670589.5.0.4": "Philips Composite Object Storage",
    "1.3.46.670589.5.0.7": "Philips MR Cardio Profile Storage",
    "1.3.46.670589.5.0.8": "Philips MR Cardio Storage",
    "1.3.46.670589.5.0.8.1": "Philips MR Cardio 2 Storage",
    "1.3.46.670589.5.0.9": "Philips CT Synthetic Image Storage",
    "1.3.46.670589.5.0.10": "Philips MR Synthetic Image Storage",
    "1.3.46.670589.5.0.11": "Philips MR Cardio Analysis Storage",
    "1.3.46.670589.5.0.11.1": "Philips MR Cardio Analysis 2 Storage",
    "1.3.46.670589.5.0.12": "Philips CX Synthetic Image Storage",
    "1.3.46.670589.5.0.13": "Philips Perfusion Storage",
    "1.3.46.670589.5.0.14": "Philips Perfusion Image Storage",
    "1.3.46.670589.7.8.1618510091": "Philips X-Ray MF Storage",
    "1.3.46.670589.7.8.1618510092": "Philips Live Run Storage",
    "1.3.46.670589.7.8.16185100129": "Philips Run Storage",
    "1.3.46.670589.7.8.16185100130": "Philips Reconstruction Storage",
    "1.3.46.670589.11.0.0.12.1": "Philips MR Spectrum Storage",
    "1.3.46.670589.11.0.0.12.2": "Philips MR Series Data Storage",
    "1.3.46.670589.11.0.0.12.3": "Philips MR Color Image Storage",
    "1.3.46.670589.11.0.0.12.4": "Philips MR Examcard Storage",
    "1.2.276.0.48.5.1.4.1.1.7": "TomTec Annotation Storage",
    "1.2.124.113532.3500.7": "Agfa Basic Attribute Presentation State Storage",
    "1.2.124.113532.3500.8.1": "Agfa Arrival Transaction Storage",
    "1.2.124.113532.3500.8.2": "Agfa Dictation Transaction Storage",
    "1.2.124.113532.3500.8.3": "Agfa Report Transcription Transaction Storage",
    "1.2.124.113532.3500.8.4": "Agfa Report Approval Transaction Storage",
    "2.16.840.1.114033.5.1.4.1.1.130": "PMOD Multi-frame Image Storage",
}


def _storage_classes() -> dict[str, str]:
    classes = {
        uid: name
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid not in _NOT_STORED
    }
    return classes | _STORED_BY_NUMBER | _PRIVATE


STORAGE_SOP_CLASSES: Mapping[str, str] = MappingProxyType(_storage_classes())


def is_storage(uid: str) -> bool:
    """Whether objects of this class are known to be stored by C-STORE or STOW-RS."""
    return uid in STORAGE_SOP_CLASSES


def name_of(uid: str) -> str:
    """The class's name, or the UID itself when it is not known."""
    if uid in STORAGE_SOP_CLASSES:
        return STORAGE_SOP_CLASSES[uid]
    entry = UID_dictionary.get(uid)
    return entry[0] if entry is not None and entry[0] else uid
