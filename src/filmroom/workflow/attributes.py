"""Orders as DICOM JSON: the attributes of patient, request, procedure and step (PS3.3 C.4.10 to C.4.12, C.3)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from filmroom.dicom.dates import date_value
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.json_values import person_name
from filmroom.dicom.names import name_sort, name_terms, normalise_name
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.workflow.model import Code, Ordered, OrderedPatient, OrderedProcedure, OrderedStep

PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
ISSUER: Final = 0x00100021
BIRTH_DATE: Final = 0x00100030
SEX: Final = 0x00100040
ACCESSION: Final = 0x00080050
ACCESSION_ISSUER: Final = 0x00080051
LOCAL_NAMESPACE: Final = 0x00400031
STUDY_UID: Final = 0x0020000D
PROCEDURE_ID: Final = 0x00401001
ADMISSION_ID: Final = 0x00380010

STEP_SEQUENCE: Final = 0x00400100
STATION: Final = 0x00400001
START_DATE: Final = 0x00400002
START_TIME: Final = 0x00400003
MODALITY: Final = 0x00080060
STEP_ID: Final = 0x00400009
STEP_STATUS: Final = 0x00400020


def element(tag: int, *values: Any) -> JsonDataset:
    """One attribute; values that are empty are left out, and without any it is there without a value."""
    vr = vr_of(tag)
    held = [person_name(one) if vr == "PN" and isinstance(one, str) else one for one in values if one not in ("", None)]
    return {hex_key(tag): {"vr": vr, "Value": held} if held else {"vr": vr}}


def present(tag: int, *values: Any) -> JsonDataset:
    """One attribute, or nothing when it has no value."""
    return element(tag, *values) if any(one not in ("", None) for one in values) else {}


def codes(tag: int, entries: Iterable[Code]) -> JsonDataset:
    """A code sequence, or nothing when it has no item."""
    return present(tag, *(_code(one) for one in entries))


def _code(entry: Code) -> JsonDataset:
    return element(0x00080100, entry.value) | element(0x00080102, entry.scheme) | element(0x00080104, entry.meaning)


def issuer(tag: int, name: str) -> JsonDataset:
    """An issuer's sequence by its local namespace (PS3.3 table 10-17)."""
    return present(tag, element(LOCAL_NAMESPACE, name)) if name else {}


def first(dataset: JsonDataset, tag: int) -> Any:
    """The first value of an attribute, '' when there is none."""
    values = (dataset.get(hex_key(tag)) or {}).get("Value") or [""]
    return "" if values[0] is None else values[0]


def items(dataset: JsonDataset, tag: int) -> Sequence[JsonDataset]:
    """The items of a sequence."""
    return [one or {} for one in (dataset.get(hex_key(tag)) or {}).get("Value") or ()]


def name_text(value: Any) -> str:
    """A PN value of DICOM JSON as text, groups separated by ``=``."""
    if not isinstance(value, dict):
        return str(value)
    return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")


def patient_attributes(patient: OrderedPatient) -> JsonDataset:
    """The patient module as far as an order tells."""
    return (
        patient.more
        | element(PATIENT_NAME, patient.name)
        | element(PATIENT_ID, patient.id)
        | present(ISSUER, patient.issuer)
        | element(BIRTH_DATE, date_value(patient.birth_date))
        | element(SEX, patient.sex.upper())
    )


def patient_record(patient: OrderedPatient) -> dict[str, Any]:
    """What file_patient takes: the columns of tables patient and patient_identifier."""
    groups = person_name(patient.name)
    names = [normalise_name(groups.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return {
        "patient_id": patient.id,
        "issuer": patient.issuer,
        "qualifiers": (items(patient.more, 0x00100024) or [{}])[0],
        "name_alphabetic": names[0],
        "name_ideographic": names[1],
        "name_phonetic": names[2],
        "name_terms": name_terms(*names),
        "name_sort": name_sort(*names),
        "birth_date": date_value(patient.birth_date),
        "sex": patient.sex.upper(),
        "attributes": patient_attributes(patient),
    }


def order_attributes(order: Ordered, accession: str) -> JsonDataset:
    """The imaging service request and the visit."""
    return (
        order.more
        | element(ACCESSION, accession)
        | issuer(ACCESSION_ISSUER, order.accession_issuer)
        | present(0x00402016, order.placer_number)
        | present(0x00402017, order.filler_number)
        | present(ADMISSION_ID, order.admission_id)
        | present(0x00080090, order.referring)
        | present(0x00321032, order.requesting)
        | present(0x00321033, order.service)
        | present(0x00380300, order.patient_location)
    )


def referring(order: Ordered) -> str:
    """Who refers the patient, as studies say it in a column of their own."""
    return normalise_name(person_name(order.referring).get("Alphabetic", "")) if order.referring else ""


def procedure_attributes(procedure: OrderedProcedure, procedure_id: str, study_uid: str) -> JsonDataset:
    """The requested procedure."""
    description = procedure.description or (procedure.code.meaning if procedure.code else "")
    return (
        procedure.more
        | element(PROCEDURE_ID, procedure_id)
        | element(STUDY_UID, study_uid)
        | present(0x00321060, description)
        | codes(0x00321064, [procedure.code] if procedure.code else [])
        | present(0x00401003, procedure.priority)
        | present(0x00401004, procedure.transport)
        | present(0x00401002, procedure.reason)
        | present(0x00401400, procedure.comments)
    )


def step_attributes(step: OrderedStep, step_id: str) -> JsonDataset:
    """The item of the Scheduled Procedure Step Sequence, without its status."""
    description = step.description or (step.protocols[0].meaning if step.protocols else "")
    return (
        step.more
        | element(STATION, *step.stations)
        | element(MODALITY, step.modality)
        | element(STEP_ID, step_id)
        | start_attributes(step.start)
        | present(0x00400010, *step.station_names)
        | present(0x00400011, step.location)
        | present(0x00400007, description)
        | codes(0x00400008, step.protocols)
        | present(0x00400006, step.performing)
        | present(0x00400012, step.pre_medication)
        | present(0x00321070, step.contrast)
        | present(0x00400400, step.comments)
    )


def start_attributes(start: datetime) -> JsonDataset:
    """When a step begins."""
    return element(START_DATE, f"{start:%Y%m%d}") | element(START_TIME, f"{start:%H%M%S}")
