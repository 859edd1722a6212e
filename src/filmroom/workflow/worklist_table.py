"""Table K.6-1 of PS3.4: the attributes of the modality worklist, their matching and return key types.

Whatever is asked is in the answer, without a value where the order has none. When a sequence is asked for as a whole,
its attributes of types 1 and 2 are there in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.question import JsonDataset, hex_key


@dataclass(frozen=True, slots=True)
class WorklistAttribute:
    """One row: ``matching`` is R (required), O (optional) or - (never); ``returns`` the return key type."""

    name: str
    matching: str
    returns: str
    inside: Mapping[int, "WorklistAttribute"] | None = None


_A = WorklistAttribute

_CODE: Final[Mapping[int, WorklistAttribute]] = {
    0x00080100: _A("Code Value", "O", "1"),
    0x00080102: _A("Coding Scheme Designator", "O", "1"),
    0x00080103: _A("Coding Scheme Version", "O", "3"),
    0x00080104: _A("Code Meaning", "-", "3"),
}
_REFERENCE: Final[Mapping[int, WorklistAttribute]] = {
    0x00081150: _A("Referenced SOP Class UID", "O", "1"),
    0x00081155: _A("Referenced SOP Instance UID", "O", "1"),
}
_ISSUER: Final[Mapping[int, WorklistAttribute]] = {
    0x00400031: _A("Local Namespace Entity ID", "O", "3"),
    0x00400032: _A("Universal Entity ID", "O", "3"),
    0x00400033: _A("Universal Entity ID Type", "O", "3"),
}

STEP: Final[Mapping[int, WorklistAttribute]] = {
    0x00400001: _A("Scheduled Station AE Title", "R", "1"),
    0x00400002: _A("Scheduled Procedure Step Start Date", "R", "1"),
    0x00400003: _A("Scheduled Procedure Step Start Time", "R", "1"),
    0x00080060: _A("Modality", "R", "1"),
    0x00400006: _A("Scheduled Performing Physician's Name", "R", "2"),
    0x00400007: _A("Scheduled Procedure Step Description", "O", "1C"),
    0x00400010: _A("Scheduled Station Name", "O", "2"),
    0x00400011: _A("Scheduled Procedure Step Location", "O", "2"),
    0x00400008: _A("Scheduled Protocol Code Sequence", "O", "1C", _CODE),
    0x00400012: _A("Pre-Medication", "O", "2C"),
    0x00400009: _A("Scheduled Procedure Step ID", "O", "1"),
    0x00321070: _A("Requested Contrast Agent", "O", "2C"),
    0x00400020: _A("Scheduled Procedure Step Status", "O", "3"),
    0x00400004: _A("Scheduled Procedure Step End Date", "O", "3"),
    0x00400005: _A("Scheduled Procedure Step End Time", "O", "3"),
    0x00400400: _A("Comments on the Scheduled Procedure Step", "O", "3"),
    0x0040000B: _A("Scheduled Performing Physician Identification Sequence", "-", "3"),
    0x00102210: _A("Anatomical Orientation Type", "O", "3"),
    0x0018990C: _A("Referenced Defined Protocol Sequence", "O", "3", _REFERENCE),
    0x0018990D: _A("Referenced Performed Protocol Sequence", "O", "3", _REFERENCE),
}

ITEM: Final[Mapping[int, WorklistAttribute]] = {
    0x00400100: _A("Scheduled Procedure Step Sequence", "R", "1", STEP),
    # Requested Procedure
    0x00401001: _A("Requested Procedure ID", "O", "1"),
    0x00321060: _A("Requested Procedure Description", "O", "1C"),
    0x00321064: _A("Requested Procedure Code Sequence", "O", "1C", _CODE),
    0x0020000D: _A("Study Instance UID", "O", "1"),
    0x00080020: _A("Study Date", "O", "3"),
    0x00080030: _A("Study Time", "O", "3"),
    0x00081110: _A("Referenced Study Sequence", "O", "2", _REFERENCE),
    0x00401003: _A("Requested Procedure Priority", "O", "2"),
    0x00401004: _A("Patient Transport Arrangements", "O", "2"),
    0x00401002: _A("Reason for the Requested Procedure", "O", "3"),
    0x0040100A: _A("Reason for Requested Procedure Code Sequence", "O", "3", _CODE),
    0x00401005: _A("Requested Procedure Location", "O", "3"),
    0x00401008: _A("Confidentiality Code", "O", "3"),
    0x00401009: _A("Reporting Priority", "O", "3"),
    0x00401010: _A("Names of Intended Recipients of Results", "O", "3"),
    0x00401400: _A("Requested Procedure Comments", "O", "3"),
    0x22000005: _A("Barcode Value", "O", "3"),
    0x00741202: _A("Worklist Label", "O", "3"),
    # Imaging Service Request
    0x00080050: _A("Accession Number", "O", "2"),
    0x00080051: _A("Issuer of Accession Number Sequence", "O", "3", _ISSUER),
    0x00321032: _A("Requesting Physician", "O", "2"),
    0x00080090: _A("Referring Physician's Name", "O", "2"),
    0x00321033: _A("Requesting Service", "O", "3"),
    0x00402016: _A("Placer Order Number / Imaging Service Request", "O", "3"),
    0x00402017: _A("Filler Order Number / Imaging Service Request", "O", "3"),
    0x00400026: _A("Order Placer Identifier Sequence", "O", "3", _ISSUER),
    0x00400027: _A("Order Filler Identifier Sequence", "O", "3", _ISSUER),
    0x00402400: _A("Imaging Service Request Comments", "O", "3"),
    0x00402004: _A("Issue Date of Imaging Service Request", "O", "3"),
    0x00402005: _A("Issue Time of Imaging Service Request", "O", "3"),
    0x00402008: _A("Order Entered By", "O", "3"),
    0x00402010: _A("Order Callback Phone Number", "O", "3"),
    # Visit
    0x00380010: _A("Admission ID", "O", "2"),
    0x00380014: _A("Issuer of Admission ID Sequence", "O", "3", _ISSUER),
    0x00380060: _A("Service Episode ID", "O", "3"),
    0x00080080: _A("Institution Name", "O", "3"),
    0x00080081: _A("Institution Address", "O", "3"),
    0x00080082: _A("Institution Code Sequence", "O", "3", _CODE),
    0x00081040: _A("Institutional Department Name", "O", "3"),
    0x00081041: _A("Institutional Department Type Code Sequence", "O", "3", _CODE),
    0x00380300: _A("Current Patient Location", "O", "2"),
    0x00380400: _A("Patient's Institution Residence", "O", "3"),
    0x00384000: _A("Visit Comments", "O", "3"),
    0x00081120: _A("Referenced Patient Sequence", "O", "2", _REFERENCE),
    0x00380016: _A("Route of Admissions", "O", "3"),
    0x00380020: _A("Admitting Date", "O", "3"),
    0x00380021: _A("Admitting Time", "O", "3"),
    0x00081080: _A("Admitting Diagnoses Description", "O", "3"),
    0x00081084: _A("Admitting Diagnoses Code Sequence", "O", "3", _CODE),
    # Patient identification
    0x00100010: _A("Patient's Name", "R", "1"),
    0x00100020: _A("Patient ID", "R", "1"),
    0x00100021: _A("Issuer of Patient ID", "O", "3"),
    0x00100024: _A("Issuer of Patient ID Qualifiers Sequence", "O", "3"),
    0x00101002: _A("Other Patient IDs Sequence", "O", "3"),
    0x00101000: _A("Other Patient IDs", "O", "3"),
    0x00101001: _A("Other Patient Names", "O", "3"),
    0x00101005: _A("Patient's Birth Name", "O", "3"),
    0x00101060: _A("Patient's Mother's Birth Name", "O", "3"),
    # Patient demographic
    0x00100030: _A("Patient's Birth Date", "O", "2"),
    0x00100032: _A("Patient's Birth Time", "O", "3"),
    0x00100040: _A("Patient's Sex", "O", "2"),
    0x00100101: _A("Patient's Primary Language Code Sequence", "O", "3", _CODE),
    0x00101010: _A("Patient's Age", "O", "3"),
    0x00101020: _A("Patient's Size", "O", "3"),
    0x00101030: _A("Patient's Weight", "O", "2"),
    0x00101040: _A("Patient's Address", "O", "3"),
    0x00102154: _A("Patient's Telephone Numbers", "O", "3"),
    0x00102160: _A("Ethnic Group", "O", "3"),
    0x00102180: _A("Occupation", "O", "3"),
    0x001021F0: _A("Patient's Religious Preference", "O", "3"),
    0x00104000: _A("Patient Comments", "O", "3"),
    0x00403001: _A("Confidentiality Constraint on Patient Data Description", "O", "2"),
    0x00102201: _A("Patient Species Description", "O", "3"),
    0x00102292: _A("Patient Breed Description", "O", "3"),
    0x00102297: _A("Responsible Person", "O", "3"),
    # Patient medical
    0x00380500: _A("Patient State", "O", "2"),
    0x001021C0: _A("Pregnancy Status", "O", "2"),
    0x00102000: _A("Medical Alerts", "O", "2"),
    0x00102110: _A("Allergies", "O", "2"),
    0x00380050: _A("Special Needs", "O", "2"),
    0x001021B0: _A("Additional Patient History", "O", "3"),
    0x001021A0: _A("Smoking Status", "O", "3"),
    0x001021D0: _A("Last Menstrual Date", "O", "3"),
    0x00380100: _A("Pertinent Documents Sequence", "-", "3"),
}

# Types that stand in an answer whenever their sequence is asked for as a whole.
_ALWAYS: Final = ("1", "2")


def mandatory(table: Mapping[int, WorklistAttribute]) -> JsonDataset:
    """The attributes of type 1 and 2 of a table, without values."""
    return {hex_key(tag): {"vr": vr_of(tag)} for tag, row in table.items() if row.returns in _ALWAYS}
