"""The sample hospital of ``make demo``: five patients, eleven kinds of object, and pydicom's own sample files.

Everything is made here by code; UIDs depend on names only, so that making it twice makes the same objects.
"""

import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray
from PIL import Image as Pictures
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from filmroom.base.clock import SystemClock
from filmroom.base.errors import FilmroomError
from filmroom.cli.demo_anatomy import T1, T2, Chest, Image, angiogram_frames, brain_slice, heart_frames
from filmroom.cli.demo_derived import derived_objects
from filmroom.cli.demo_objects import (
    MUELLER,
    OCONNOR,
    WANG,
    YAMADA,
    ZHANG,
    Exam,
    code,
    new_object,
    place,
    with_frames,
    with_pixels,
)
from filmroom.dicom.pixels_codecs import JPEG_BASELINE, JPEG_LOSSLESS_SV1
from filmroom.dicom.pixels_object import StoredObject

Progress = Callable[[int, int], None]

CT_SLICES, THICK = 240, 4
_CT, _CR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1"
_MR, _US, _XA = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.12.1"
_SR = "1.2.840.10008.5.1.4.1.1.88.11"
_FINDINGS = (
    ("121070", "Findings", "Solid nodule of 15 mm in the right upper lobe with a central calcification. Heart and "
     "great vessels are unremarkable. 右肺上叶实性结节，直径约15 mm。"),
    ("121076", "Conclusions", "Solid pulmonary nodule, right upper lobe. Comparison with earlier studies is advised."),
)  # fmt: skip
_BRAIN_SLICES, _US_FRAMES, _XA_FRAMES = 38, 48, 40


def make_demo(folder: Path, progress: Progress, day: date | None = None) -> list[Path]:
    """Write all sample files below ``folder`` and return them. ``progress`` hears how many of how many are made."""
    today = day or SystemClock().now().date()
    samples = list(_pydicom_samples())
    total = CT_SLICES + CT_SLICES // THICK + 2 * _BRAIN_SLICES + 11 + len(samples)
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
    thick: list[Dataset] = []
    for name, content, raw in _chest_ct(chest, today):
        yield name, content
        if raw is None:
            thick.append(content)
        else:
            attenuation = np.clip(raw + 1000, 0, None)
            front.append(attenuation.sum(axis=0))
            side.append(attenuation.sum(axis=1))
    yield from _chest_xrays(front, side, today)
    yield "zhang/report.dcm", report(chest, today)
    yield from derived_objects(chest, today, thick)
    yield from _brain_mr(Exam(YAMADA, "brain", "MR Brain routine", 2, "141000", "Suzuki^Ichiro=鈴木^一郎"), today)
    yield from _heart_us(Exam(MUELLER, "echo", "Echocardiography", 1, "103000"), today)
    yield from _coronary_xa(Exam(OCONNOR, "coronary", "Coronary angiography", 5, "160500"), today)


def _chest_ct(exam: Exam, today: date) -> Iterator[tuple[str, Dataset, Image | None]]:
    chest = Chest()
    thin: list[Image] = []
    for number in range(CT_SLICES):
        z = 1.25 * number
        raw = chest.slice_at(z, number)
        yield f"zhang/ct-thin/{number:03}.dcm", ct_slice(exam, today, raw, number, 2, "Chest 1.25 mm", 1.25, z), raw
        thin.append(raw)
        if len(thin) == THICK:
            mean: Image = np.stack(thin).mean(axis=0)
            thick = ct_slice(exam, today, mean, number // THICK, 3, "Chest 5.0 mm", 5.0, z - 1.875)
            yield f"zhang/ct-thick/{number // THICK:03}.dcm", thick, None
            thin.clear()


def ct_slice(
    exam: Exam, today: date, raw: Image, number: int, series: int, name: str, thickness: float, z: float
) -> Dataset:
    pixels = np.clip(np.rint(raw) + 1024, 0, 4095).astype("<u2")
    made = new_object(exam, today, _CT, "CT", series, name, number + 1)
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.Manufacturer, made.ManufacturerModelName, made.StationName = "Filmroom", "Phantom CT", "CT1"
    made.BodyPartExamined, made.PatientPosition, made.ContrastBolusAgent = "CHEST", "HFS", "Iohexol"
    made.KVP, made.XRayTubeCurrent, made.ExposureTime, made.ConvolutionKernel = "120", "220", "500", "B40"
    made.SliceThickness, made.SpacingBetweenSlices = str(thickness), str(thickness)
    place(made, "chest", 512, 0.75, z - 150)
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "-1024", "1", "HU"
    made.WindowCenter, made.WindowWidth = ["40", "-550"], ["400", "1500"]
    made.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]
    return with_pixels(made, pixels, bits=12)


def _chest_xrays(front: list[Image], side: list[Image], today: date) -> Iterator[tuple[str, Dataset]]:
    views = {"PA": _radiograph(front), "LL": _radiograph(side)}
    exams = (
        ("zhang", Exam(ZHANG, "xray", "Chest X-ray PA and lateral", 6, "083000", "Li^Na=李^娜")),
        ("wang", Exam(WANG, "xray", "胸部正侧位", 0, "074500", "Chen^Min=陈^敏")),
    )
    for folder, exam in exams:
        for number, (view, pixels) in enumerate(views.items(), 1):
            shown = pixels if folder == "zhang" else np.ascontiguousarray(pixels[:, ::-1] if view == "PA" else pixels)
            made = new_object(exam, today, _CR, "CR", 1, f"Chest {view}", number)
            made.ImageType, made.ViewPosition, made.BodyPartExamined = ["ORIGINAL", "PRIMARY"], view, "CHEST"
            made.PatientOrientation = ["L", "F"] if view == "PA" else ["P", "F"]
            made.Manufacturer, made.StationName = "Filmroom", "CR2"
            made.PixelSpacing, made.ImagerPixelSpacing = ["0.2", "0.2"], ["0.2", "0.2"]
            made.WindowCenter, made.WindowWidth, made.PresentationLUTShape = "2048", "3600", "INVERSE"
            made.PhotometricInterpretation = "MONOCHROME1"
            yield f"{folder}/cr/{view}.dcm", with_pixels(made, shown, bits=12)


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
            made = new_object(exam, today, _MR, "MR", series, name, number + 1)
            made.ImageType, made.ScanningSequence, made.SequenceVariant = ["ORIGINAL", "PRIMARY", "M"], "SE", "NONE"
            made.ScanOptions, made.MRAcquisitionType, made.BodyPartExamined = "", "2D", "BRAIN"
            made.EchoTime, made.RepetitionTime, made.EchoTrainLength = str(echo), str(repetition), "1"
            made.MagneticFieldStrength, made.PatientPosition = "1.5", "HFS"
            made.Manufacturer, made.StationName = "Filmroom", "MR1"
            made.SliceThickness, made.SpacingBetweenSlices = "4", "4"
            place(made, "brain", 256, 0.94, z)
            made.WindowCenter, made.WindowWidth = ("330", "640") if tissue is T1 else ("450", "900")
            pixels = np.clip(brain_slice(z, tissue, rng), 0, 4095).astype("<u2")
            yield f"yamada/mr-{name[:2].lower()}/{number:03}.dcm", with_pixels(made, pixels, bits=12)


def _heart_us(exam: Exam, today: date) -> Iterator[tuple[str, Dataset]]:
    made = new_object(exam, today, _US, "US", 1, "Apical four chamber", 1)
    made.ImageType, made.Manufacturer, made.StationName = ["ORIGINAL", "PRIMARY"], "Filmroom", "US3"
    made.FrameTime, made.FrameIncrementPointer, made.CineRate = "33.3", 0x00181063, "30"
    made.LossyImageCompression = "01"
    yield "mueller/echo.dcm", with_frames(made, list(heart_frames(_US_FRAMES)), JPEG_BASELINE)


def _coronary_xa(exam: Exam, today: date) -> Iterator[tuple[str, Dataset]]:
    made = new_object(exam, today, _XA, "XA", 1, "LCA RAO 30", 1)
    made.ImageType, made.PixelIntensityRelationship = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"], "LIN"
    made.Manufacturer, made.StationName, made.KVP, made.RadiationSetting = "Filmroom", "XA1", "75", "GR"
    made.FrameTime, made.FrameIncrementPointer, made.RecommendedDisplayFrameRate = "66.7", 0x00181063, "15"
    made.WindowCenter, made.WindowWidth = "128", "256"
    yield "oconnor/coronary.dcm", with_frames(made, list(angiogram_frames(_XA_FRAMES)), JPEG_LOSSLESS_SV1)


def report(exam: Exam, today: date) -> Dataset:
    made = new_object(exam, today, _SR, "SR", 90, "Radiology report", 1)
    made.Manufacturer, made.CompletionFlag, made.VerificationFlag = "Filmroom", "COMPLETE", "UNVERIFIED"
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = Sequence([code("18748-4", "LN", "Diagnostic imaging report")])
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = Sequence(), Sequence()
    made.ContentSequence = Sequence([_text(*each) for each in _FINDINGS])
    return made


def _text(value: str, name: str, text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = "CONTAINS", "TEXT", text
    item.ConceptNameCodeSequence = Sequence([code(value, "DCM", name)])
    return item


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
