"""What the objects of the sample hospital share: its people, its exams, identities, pixels, codes."""

import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from filmroom.base.ids import IMPLEMENTATION_CLASS_UID, UUID_ROOT
from filmroom.dicom.pixels import Decoded
from filmroom.dicom.pixels_encode import encode_frame
from filmroom.dicom.pixels_format import PixelFormat

_SPACE = uuid.UUID("0c9f0a6e-3f5b-4b0f-9a52-5d7a5c1f6d11")


@dataclass(frozen=True, slots=True)
class Person:
    """One patient of the sample hospital."""

    number: str
    name: str
    sex: str
    birth: str
    charset: str | list[str] = "ISO_IR 192"


ZHANG = Person("FR-1001", "Zhang^Wei=张^伟", "M", "19680312")
YAMADA = Person("FR-1002", "Yamada^Tarou=山田^太郎=やまだ^たろう", "M", "19551104", ["", "ISO 2022 IR 87"])
MUELLER = Person("FR-1003", "Müller^Anna Sophie", "F", "19790821", "ISO_IR 100")
WANG = Person("FR-1004", "Wang^XiuYing=王^秀英", "F", "19470530", "GB18030")
OCONNOR = Person("FR-1005", "O'Connor^Sean^^Mr.", "M", "19610117", "ISO_IR 100")


@dataclass(frozen=True, slots=True)
class Exam:
    """One study: who, what, and how many days before the day of the demonstration."""

    person: Person
    key: str
    description: str
    days_ago: int
    time: str
    referrer: str = "Hansen^Ingrid"


def uid(*names: object) -> str:
    """The UID that these names always get."""
    return UUID_ROOT + str(uuid.uuid5(_SPACE, "/".join(map(str, names))).int)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def new_object(exam: Exam, today: date, sop_class: str, modality: str, series: int, name: str, number: int) -> Dataset:
    """What all objects of the hospital share: patient, study, series, equipment."""
    made = Dataset()
    made.SpecificCharacterSet = exam.person.charset
    made.SOPClassUID, made.SOPInstanceUID = sop_class, uid(exam.person.number, exam.key, series, number)
    made.StudyInstanceUID, made.SeriesInstanceUID = (
        uid(exam.person.number, exam.key),
        uid(exam.person.number, exam.key, series),
    )
    day = (today - timedelta(days=exam.days_ago)).strftime("%Y%m%d")
    for kind in ("Study", "Series", "Content"):
        setattr(made, f"{kind}Date", day)
        setattr(made, f"{kind}Time", exam.time)
    made.AccessionNumber = f"A{int(exam.person.number[3:]) * 10 + exam.days_ago}"
    made.Modality, made.InstitutionName = modality, "Filmroom General Hospital"
    made.ReferringPhysicianName, made.StudyDescription, made.SeriesDescription = exam.referrer, exam.description, name
    made.PatientName, made.PatientID, made.IssuerOfPatientID = exam.person.name, exam.person.number, "FILMROOM"
    made.PatientBirthDate, made.PatientSex = exam.person.birth, exam.person.sex
    made.PatientAge = f"{int(day[:4]) - int(exam.person.birth[:4]):03}Y"
    made.StudyID, made.SeriesNumber, made.InstanceNumber = "1", str(series), str(number)
    # Character sets of one byte or of East Asia cannot hold every referrer; names here stay within their own.
    if exam.person.charset != "ISO_IR 192" and not isinstance(exam.person.charset, list):
        made.ReferringPhysicianName = exam.referrer if exam.person.charset == "GB18030" else exam.referrer.split("=")[0]
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    return made


def place(made: Dataset, frame: str, size: int, spacing: float, z: float) -> None:
    corner = -(size - 1) / 2 * spacing
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = uid("frame", made.PatientID, frame), ""
    made.ImagePositionPatient = [f"{corner:.3f}", f"{corner:.3f}", f"{z:.3f}"]
    made.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    made.SliceLocation, made.PixelSpacing = f"{z:.3f}", [str(spacing), str(spacing)]


def with_pixels(made: Dataset, pixels: NDArray[Any], *, bits: int) -> Dataset:
    made.SamplesPerPixel, made.PixelRepresentation = 1, 0
    if "PhotometricInterpretation" not in made:
        made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = pixels.dtype.itemsize * 8, bits, bits - 1
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    return made


def with_frames(made: Dataset, frames: list[NDArray[Any]], syntax: str) -> Dataset:
    rows, columns = frames[0].shape[:2]
    samples = frames[0].shape[2] if frames[0].ndim == 3 else 1
    plain = PixelFormat(
        rows=rows, columns=columns, samples=samples, photometric="RGB" if samples == 3 else "MONOCHROME2"
    )
    encoded = [encode_frame(Decoded(frame, plain), syntax) for frame in frames]
    made.SamplesPerPixel, made.PhotometricInterpretation = samples, encoded[0].format.photometric
    if samples == 3:
        made.PlanarConfiguration = 0
    made.NumberOfFrames, made.Rows, made.Columns = len(frames), rows, columns
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.PixelData = encapsulate([each.data for each in encoded])
    made["PixelData"].VR = "OB"
    return made
