"""What the index keeps of one object: decoded from the raw elements that the header tap kept.

Two steps, because objects of a series repeat each other: ``quick_keys`` for every object, ``full_record`` only when the
signature of the patient, study and series elements has not been seen.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from struct import pack
from typing import Any, Final

from filmroom.base.errors import NotReadable
from filmroom.base.ids import SeriesUid, SopUid, StudyUid, is_uid
from filmroom.dicom.charset import CharacterSet, character_set
from filmroom.dicom.dates import date_value, time_value
from filmroom.dicom.dictionary import keyword_of, show, vr_of
from filmroom.dicom.elements import RawElement
from filmroom.dicom.headertap import Header
from filmroom.dicom.indextags import (
    CHARACTER_SET,
    COMMON_TAGS,
    IMAGE_TAGS,
    PATIENT_TAGS,
    SERIES_TAGS,
    SERIES_UID,
    SOP_CLASS,
    SOP_UID,
    STUDY_TAGS,
    STUDY_UID,
    TIMEZONE,
)
from filmroom.dicom.json import elements_to_json
from filmroom.dicom.json_values import numbers, person_name, strings
from filmroom.dicom.names import fold, name_sort, name_terms, normalise_name
from filmroom.dicom.question import JsonDataset

_INT4 = 2**31 - 1
_COMMON_IN_ORDER: Final = tuple(sorted(COMMON_TAGS))
_IMAGE_IN_ORDER: Final = tuple(sorted(IMAGE_TAGS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientKeys:
    """Columns of tables patient and patient_identifier. Names are normalised (names.normalise_name)."""

    patient_id: str
    issuer: str
    qualifiers: JsonDataset
    name_alphabetic: str
    name_ideographic: str
    name_phonetic: str
    name_terms: tuple[str, ...]
    name_sort: str
    birth_date: str
    sex: str
    attributes: JsonDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyKeys:
    """Columns of table study that one object decides."""

    study_uid: StudyUid
    study_date: str
    study_time: str
    accession: str
    accession_issuer: str
    study_id: str
    description: str
    referring: str
    attributes: JsonDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKeys:
    """Columns of table series that one object decides."""

    series_uid: SeriesUid
    modality: str
    series_number: int | None
    description: str
    body_part: str
    station_name: str
    institution: str
    pps_date: str
    pps_time: str
    attributes: JsonDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageKeys:
    """Columns of table instance that the header decides. ``attributes`` is None for plain images."""

    sop_uid: SopUid
    sop_class: str
    transfer_syntax: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    frames: int | None
    content_date: str
    content_time: str
    attributes: JsonDataset | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickKeys:
    """What every object needs. Objects with equal ``signature`` have equal patient, study and series elements."""

    sop_class: str
    sop_uid: SopUid
    study_uid: StudyUid
    series_uid: SeriesUid
    signature: bytes
    image: ImageKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord:
    """Everything the index needs from one object."""

    sop_class: str
    sop_uid: SopUid
    study_uid: StudyUid
    series_uid: SeriesUid
    study_signature: bytes
    patient: PatientKeys
    study: StudyKeys
    series: SeriesKeys
    image: ImageKeys


def quick_keys(header: Header, default_charset: str = "") -> QuickKeys:
    """The identifiers and the image's columns. Raises NotReadable when a UID is missing or is none."""
    sop_class, sop_uid = _uid(header, SOP_CLASS), SopUid(_uid(header, SOP_UID))
    return QuickKeys(
        sop_class=sop_class,
        sop_uid=sop_uid,
        study_uid=StudyUid(_uid(header, STUDY_UID)),
        series_uid=SeriesUid(_uid(header, SERIES_UID)),
        signature=signature(header, default_charset),
        image=ImageKeys(
            sop_uid=sop_uid,
            sop_class=sop_class,
            transfer_syntax=header.transfer_syntax,
            instance_number=integer(header, 0x00200013),
            rows=integer(header, 0x00280010),
            columns=integer(header, 0x00280011),
            bits_allocated=integer(header, 0x00280100),
            frames=integer(header, 0x00280008),
            content_date=date_value(_ascii(header, 0x00080023)),
            content_time=time_value(_ascii(header, 0x00080033)),
            attributes=_image_attributes(header, default_charset),
        ),
    )


def full_record(header: Header, default_charset: str = "", quick: QuickKeys | None = None) -> IndexRecord:
    """Everything, decoded. ``default_charset`` stands for an absent Specific Character Set."""
    quick = quick or quick_keys(header, default_charset)
    charset = charset_of(header, default_charset)
    return IndexRecord(
        sop_class=quick.sop_class,
        sop_uid=quick.sop_uid,
        study_uid=quick.study_uid,
        series_uid=quick.series_uid,
        study_signature=quick.signature,
        patient=_patient(header, charset),
        study=_study(header, charset, quick.study_uid),
        series=_series(header, charset, quick.series_uid),
        image=quick.image,
    )


index_record = full_record


def signature(header: Header, default_charset: str = "") -> bytes:
    """16 bytes that change when any patient, study or series element changes, in value or in encoding."""
    elements = header.elements
    tags = [tag for tag in _COMMON_IN_ORDER if tag in elements]
    values = [elements[tag][2] for tag in tags]
    digest = hashlib.blake2b(b"".join(values), digest_size=16)
    digest.update(pack(f"<{2 * len(tags)}I", *tags, *map(len, values)))
    digest.update(f"{header.implicit}{header.big_endian}{default_charset}".encode())
    return digest.digest()


def charset_of(header: Header, default: str = "") -> CharacterSet:
    """The character sets of a header; ``default`` when it names none."""
    return character_set(header.value(CHARACTER_SET), default)


def text(header: Header, tag: int, charset: CharacterSet | None = None) -> str:
    """The first value of an attribute as text, '' when there is none."""
    return next(iter(texts(header, tag, charset)), "")


def texts(header: Header, tag: int, charset: CharacterSet | None = None) -> list[str]:
    """All values of a text or code attribute."""
    element = header.elements.get(tag)
    if element is None or not element.value:
        return []
    return strings(element.value, vr_of(tag), charset or charset_of(header))


def integer(header: Header, tag: int) -> int | None:
    """The first value of an IS, DS or binary integer attribute; None when absent, no number, or beyond 32 bits."""
    element = header.elements.get(tag)
    if element is None or not element.value:
        return None
    vr = element.vr if element.vr != "UN" else vr_of(tag)
    try:
        if vr in ("US", "SS", "UL", "SL"):
            found = numbers(element.value, vr, header.big_endian)
            number = int(found[0]) if found else None
        else:
            number = int(float(element.value.split(b"\\", 1)[0].strip(b" \0")))
    except (ValueError, OverflowError):
        return None
    return number if number is not None and -_INT4 <= number <= _INT4 else None


def person(header: Header, tag: int, charset: CharacterSet | None = None) -> dict[str, str]:
    """The component groups of the first name, as DICOM JSON has them."""
    return person_name(text(header, tag, charset))


def attributes(header: Header, tags: Iterable[int], charset: CharacterSet) -> JsonDataset:
    """The elements of ``tags`` that are there, as DICOM JSON."""
    elements = [header.elements[tag] for tag in sorted(tags) if tag in header.elements]
    return elements_to_json(elements, header.implicit, header.big_endian, charset)


def _ascii(header: Header, tag: int) -> str:
    return header.value(tag).decode("ascii", "replace").split("\\", 1)[0].strip(" \0")


def _uid(header: Header, tag: int) -> str:
    uid = _ascii(header, tag)
    if not is_uid(uid):
        what = "is missing" if not uid else "is not a UID"
        raise NotReadable(f"{keyword_of(tag)} {show(tag)} {what}")
    return uid


def _image_attributes(header: Header, default_charset: str) -> JsonDataset | None:
    elements = header.elements
    present = tuple(elements[tag] for tag in _IMAGE_IN_ORDER if tag in elements and elements[tag].value)
    if not present:
        return None
    charset = charset_of(header, default_charset)
    return _image_json(present, header.implicit, header.big_endian, charset) or None


@lru_cache(maxsize=256)
def _image_json(
    elements: tuple[RawElement, ...], implicit: bool, big_endian: bool, charset: CharacterSet
) -> JsonDataset:
    """Memoised: the images of a series often carry the same remarks. The result is shared and must not be changed."""
    return elements_to_json(elements, implicit, big_endian, charset)


def _patient(header: Header, charset: CharacterSet) -> PatientKeys:
    groups = person(header, 0x00100010, charset)
    names = [normalise_name(groups.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    found = attributes(header, PATIENT_TAGS, charset)
    return PatientKeys(
        patient_id=text(header, 0x00100020, charset),
        issuer=text(header, 0x00100021, charset) or _issuer(found.get("00100024")),
        qualifiers=_first_item(found.get("00100024")),
        name_alphabetic=names[0],
        name_ideographic=names[1],
        name_phonetic=names[2],
        name_terms=tuple(name_terms(*names)),
        name_sort=name_sort(*names),
        birth_date=date_value(_ascii(header, 0x00100030)),
        sex=_ascii(header, 0x00100040).upper(),
        attributes=found,
    )


def _study(header: Header, charset: CharacterSet, uid: StudyUid) -> StudyKeys:
    found = attributes(header, STUDY_TAGS | {TIMEZONE}, charset)
    return StudyKeys(
        study_uid=uid,
        study_date=date_value(_ascii(header, 0x00080020)),
        study_time=time_value(_ascii(header, 0x00080030)),
        accession=text(header, 0x00080050, charset),
        accession_issuer=_issuer(found.get("00080051")),
        study_id=text(header, 0x00200010, charset),
        description=fold(text(header, 0x00081030, charset)),
        referring=normalise_name(person(header, 0x00080090, charset).get("Alphabetic", "")),
        attributes=found,
    )


def _series(header: Header, charset: CharacterSet, uid: SeriesUid) -> SeriesKeys:
    return SeriesKeys(
        series_uid=uid,
        modality=text(header, 0x00080060),
        series_number=integer(header, 0x00200011),
        description=fold(text(header, 0x0008103E, charset)),
        body_part=text(header, 0x00180015),
        station_name=text(header, 0x00081010, charset),
        institution=text(header, 0x00080080, charset),
        pps_date=date_value(_ascii(header, 0x00400244)),
        pps_time=time_value(_ascii(header, 0x00400245)),
        attributes=attributes(header, SERIES_TAGS, charset),
    )


def _first_item(element: dict[str, Any] | None) -> JsonDataset:
    items = (element or {}).get("Value") or [{}]
    return items[0] or {}


def _issuer(element: dict[str, Any] | None) -> str:
    """What names an issuer in its sequence: the local entity id, else the universal one (PS3.3 table 10-17)."""
    item = _first_item(element)
    for key in ("00400031", "00400032"):
        values = item.get(key, {}).get("Value")
        if values:
            return str(values[0])
    return ""
