"""The sample hospital of ``make demo``: six patients, seven kinds of image, and pydicom's own sample files.

Everything is made here by code; UIDs depend on names only, so that making it twice makes the same objects.
"""

import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray
from PIL import Image as Pictures
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from filmroom.base.clock import SystemClock
from filmroom.base.errors import FilmroomError
from filmroom.base.ids import IMPLEMENTATION_CLASS_UID, UUID_ROOT
from filmroom.cli.demo_anatomy import T1, T2, Chest, Image, angiogram_frames, brain_slice, heart_frames
from filmroom.dicom.pixels import Decoded
from filmroom.dicom.pixels_codecs import JPEG_BASELINE, JPEG_LOSSLESS_SV1
from filmroom.dicom.pixels_encode import encode_frame
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_object import StoredObject

Progress = Callable[[int, int], None]

CT_SLICES, THICK = 240, 4
_SPACE = uuid.UUID("0c9f0a6e-3f5b-4b0f-9a52-5d7a5c1f6d11")
_CT, _CR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1"
_MR, _US, _XA = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.12.1"
_SR = "1.2.840.10008.5.1.4.1.1.88.11"
_FINDINGS = (
    ("121070", "Findings", "Solid nodule of 15 mm in the right upper lobe with a central calcification. Heart and "
     "great vessels are unremarkable. 右肺上叶实性结节，直径约15 mm。"),
    ("121076", "Conclusions", "Solid pulmonary nodule, right upper lobe. Comparison with earlier studies is advised."),
)  # fmt: skip
_BRAIN_SLICES, _US_FRAMES, _XA_FRAMES = 38, 48, 40


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


def make_demo(folder: Path, progress: Progress, day: date | None = None) -> list[Path]:
    """Write all sample files below ``folder`` and return them. ``progress`` hears how many of how many are made."""
    today = day or SystemClock().now().date()
    samples = list(_pydicom_samples())
    total = CT_SLICES + CT_SLICES // THICK + 2 * _BRAIN_SLICES + 7 + len(samples)
    made: list[Path] = []
    for name, content in _hospital(today):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content.save_as(path, enforce_file_format=True)
        made.append(path)
        progress(len(made), total)
    for source in samples:
        path = folder / "pydicom" / source.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
        made.append(path)
        progress(len(made), total)
    return made


def _hospital(today: date) -> Iterator[tuple[str, Dataset]]:
    chest = Exam(ZHANG, "chest", "CT Chest with contrast", 0, "091500", "Li^Na=李^娜")
    front: list[Image] = []
    side: list[Image] = []
    for name, content, raw in _chest_ct(chest, today):
        yield name, content
        if raw is not None:
            attenuation = np.clip(raw + 1000, 0, None)
            front.append(attenuation.sum(axis=0))
            side.append(attenuation.sum(axis=1))
    yield from _chest_xrays(front, side, today)
    yield "zhang/report.dcm", _report(chest, today)
    yield from _brain_mr(Exam(YAMADA, "brain", "MR Brain routine", 2, "141000", "Suzuki^Ichiro=鈴木^一郎"), today)
    yield from _heart_us(Exam(MUELLER, "echo", "Echocardiography", 1, "103000"), today)
    yield from _coronary_xa(Exam(OCONNOR, "coronary", "Coronary angiography", 5, "160500"), today)


def _chest_ct(exam: Exam, today: date) -> Iterator[tuple[str, Dataset, Image | None]]:
    chest = Chest()
    thin: list[Image] = []
    for number in range(CT_SLICES):
        z = 1.25 * number
        raw = chest.slice_at(z, number)
        yield f"zhang/ct-thin/{number:03}.dcm", _ct(exam, today, raw, number, 2, "Chest 1.25 mm", 1.25, z), raw
        thin.append(raw)
        if len(thin) == THICK:
            mean: Image = np.stack(thin).mean(axis=0)
            thick = _ct(exam, today, mean, number // THICK, 3, "Chest 5.0 mm", 5.0, z - 1.875)
            yield f"zhang/ct-thick/{number // THICK:03}.dcm", thick, None
            thin.clear()


def _ct(
    exam: Exam, today: date, raw: Image, number: int, series: int, name: str, thickness: float, z: float
) -> Dataset:
    pixels = np.clip(np.rint(raw) + 1024, 0, 4095).astype("<u2")
    made = _object(exam, today, _CT, "CT", series, name, number + 1)
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.Manufacturer, made.ManufacturerModelName, made.StationName = "Filmroom", "Phantom CT", "CT1"
    made.BodyPartExamined, made.PatientPosition, made.ContrastBolusAgent = "CHEST", "HFS", "Iohexol"
    made.KVP, made.XRayTubeCurrent, made.ExposureTime, made.ConvolutionKernel = "120", "220", "500", "B40"
    made.SliceThickness, made.SpacingBetweenSlices = str(thickness), str(thickness)
    _place(made, "chest", 512, 0.75, z - 150)
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "-1024", "1", "HU"
    made.WindowCenter, made.WindowWidth = ["40", "-550"], ["400", "1500"]
    made.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]
    return _with_pixels(made, pixels, bits=12)


def _chest_xrays(front: list[Image], side: list[Image], today: date) -> Iterator[tuple[str, Dataset]]:
    views = {"PA": _radiograph(front), "LL": _radiograph(side)}
    exams = (
        ("zhang", Exam(ZHANG, "xray", "Chest X-ray PA and lateral", 6, "083000", "Li^Na=李^娜")),
        ("wang", Exam(WANG, "xray", "胸部正侧位", 0, "074500", "Chen^Min=陈^敏")),
    )
    for folder, exam in exams:
        for number, (view, pixels) in enumerate(views.items(), 1):
            shown = pixels if folder == "zhang" else np.ascontiguousarray(pixels[:, ::-1] if view == "PA" else pixels)
            made = _object(exam, today, _CR, "CR", 1, f"Chest {view}", number)
            made.ImageType, made.ViewPosition, made.BodyPartExamined = ["ORIGINAL", "PRIMARY"], view, "CHEST"
            made.PatientOrientation = ["L", "F"] if view == "PA" else ["P", "F"]
            made.Manufacturer, made.StationName = "Filmroom", "CR2"
            made.PixelSpacing, made.ImagerPixelSpacing = ["0.2", "0.2"], ["0.2", "0.2"]
            made.WindowCenter, made.WindowWidth, made.PresentationLUTShape = "2048", "3600", "INVERSE"
            made.PhotometricInterpretation = "MONOCHROME1"
            yield f"{folder}/cr/{view}.dcm", _with_pixels(made, shown, bits=12)


def _radiograph(rows: list[Image]) -> NDArray[np.uint16]:
    """What a detector behind the body would count, dark where the body is dense (MONOCHROME1 turns it round)."""
    depth = np.stack(rows[::-1]) * 0.75 / 1000 * 0.019
    size = (round(depth.shape[1] * 0.75 / 0.2), round(depth.shape[0] * 1.25 / 0.2))
    smooth = np.asarray(Pictures.fromarray(depth.astype(np.float32)).resize(size, Pictures.Resampling.BICUBIC))
    low, high = np.percentile(smooth, (1, 99.7))
    grain = np.random.default_rng(5).normal(0, 14, smooth.shape)
    bright = np.clip((smooth - low) / (high - low), 0, 1) ** 0.85
    counted: NDArray[np.uint16] = np.clip(4000 - bright * 3800 + grain, 0, 4095).astype("<u2")
    return counted


def _brain_mr(exam: Exam, today: date) -> Iterator[tuple[str, Dataset]]:
    rng = np.random.default_rng(9)
    for series, (name, tissue, echo, repetition) in enumerate(
        (("T1 SE ax", T1, 14, 520), ("T2 TSE ax", T2, 98, 4200)), 2
    ):
        for number in range(_BRAIN_SLICES):
            z = -76 + number * 4.0
            made = _object(exam, today, _MR, "MR", series, name, number + 1)
            made.ImageType, made.ScanningSequence, made.SequenceVariant = ["ORIGINAL", "PRIMARY", "M"], "SE", "NONE"
            made.ScanOptions, made.MRAcquisitionType, made.BodyPartExamined = "", "2D", "BRAIN"
            made.EchoTime, made.RepetitionTime, made.EchoTrainLength = str(echo), str(repetition), "1"
            made.MagneticFieldStrength, made.PatientPosition = "1.5", "HFS"
            made.Manufacturer, made.StationName = "Filmroom", "MR1"
            made.SliceThickness, made.SpacingBetweenSlices = "4", "4"
            _place(made, "brain", 256, 0.94, z)
            made.WindowCenter, made.WindowWidth = ("330", "640") if tissue is T1 else ("450", "900")
            pixels = np.clip(brain_slice(z, tissue, rng), 0, 4095).astype("<u2")
            yield f"yamada/mr-{name[:2].lower()}/{number:03}.dcm", _with_pixels(made, pixels, bits=12)


def _heart_us(exam: Exam, today: date) -> Iterator[tuple[str, Dataset]]:
    made = _object(exam, today, _US, "US", 1, "Apical four chamber", 1)
    made.ImageType, made.Manufacturer, made.StationName = ["ORIGINAL", "PRIMARY"], "Filmroom", "US3"
    made.FrameTime, made.FrameIncrementPointer, made.CineRate = "33.3", 0x00181063, "30"
    made.LossyImageCompression = "01"
    yield "mueller/echo.dcm", _with_frames(made, list(heart_frames(_US_FRAMES)), JPEG_BASELINE)


def _coronary_xa(exam: Exam, today: date) -> Iterator[tuple[str, Dataset]]:
    made = _object(exam, today, _XA, "XA", 1, "LCA RAO 30", 1)
    made.ImageType, made.PixelIntensityRelationship = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"], "LIN"
    made.Manufacturer, made.StationName, made.KVP, made.RadiationSetting = "Filmroom", "XA1", "75", "GR"
    made.FrameTime, made.FrameIncrementPointer, made.RecommendedDisplayFrameRate = "66.7", 0x00181063, "15"
    made.WindowCenter, made.WindowWidth = "128", "256"
    yield "oconnor/coronary.dcm", _with_frames(made, list(angiogram_frames(_XA_FRAMES)), JPEG_LOSSLESS_SV1)


def _report(exam: Exam, today: date) -> Dataset:
    made = _object(exam, today, _SR, "SR", 90, "Radiology report", 1)
    made.Manufacturer, made.CompletionFlag, made.VerificationFlag = "Filmroom", "COMPLETE", "UNVERIFIED"
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = Sequence([_code("18748-4", "LN", "Diagnostic imaging report")])
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = Sequence(), Sequence()
    made.ContentSequence = Sequence([_text(code, name, text) for code, name, text in _FINDINGS])
    return made


def _text(code: str, name: str, text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
    item.ConceptNameCodeSequence = Sequence([_code(code, "DCM", name)])
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _object(exam: Exam, today: date, sop_class: str, modality: str, series: int, name: str, number: int) -> Dataset:
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


def _place(made: Dataset, frame: str, size: int, spacing: float, z: float) -> None:
    corner = -(size - 1) / 2 * spacing
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = uid("frame", made.PatientID, frame), ""
    made.ImagePositionPatient = [f"{corner:.3f}", f"{corner:.3f}", f"{z:.3f}"]
    made.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    made.SliceLocation, made.PixelSpacing = f"{z:.3f}", [str(spacing), str(spacing)]


def _with_pixels(made: Dataset, pixels: NDArray[Any], *, bits: int) -> Dataset:
    made.SamplesPerPixel, made.PixelRepresentation = 1, 0
    if "PhotometricInterpretation" not in made:
        made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = pixels.dtype.itemsize * 8, bits, bits - 1
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    return made


def _with_frames(made: Dataset, frames: list[NDArray[Any]], syntax: str) -> Dataset:
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


def _pydicom_samples() -> Iterator[Path]:
    """The sample files that came with pydicom and are whole images with all their identities, one for each object."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    seen: set[str] = set()
    for path in sorted(folder.glob("*.dcm")) + sorted(folder.glob("dicomdirtests/*/*/*")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.is_file() and (identity := _identity(path)) and identity not in seen:
                seen.add(identity)
                yield path


def _identity(path: Path) -> str:
    """The SOP Instance UID of a file that is an image and can be shown; empty for others."""
    try:
        data = path.read_bytes()
        meta = pydicom.filereader.read_file_meta_info(path)
        start = 144 + meta.FileMetaInformationGroupLength
        stored = StoredObject.of(memoryview(data)[start:], str(meta.TransferSyntaxUID))
        stored.pixels().decoded(0)
    except (FilmroomError, AttributeError, pydicom.errors.InvalidDicomError):
        return ""
    tags = (0x0020000D, 0x0020000E, 0x00080016, 0x00080018)
    return stored.attributes.text(0x00080018) if all(stored.attributes.text(tag) for tag in tags) else ""
