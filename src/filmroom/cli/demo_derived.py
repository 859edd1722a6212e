"""What is made from images: a segmentation, structures for radiotherapy, saved measurements and a letter as PDF, all
over one CT series of the sample hospital."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from filmroom.cli.demo_anatomy import Point
from filmroom.cli.demo_objects import Exam, code, new_object, uid

SEG, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.3"
COMPREHENSIVE_SR, PDF = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.104.1"


@dataclass(frozen=True, slots=True)
class Structure:
    """An ellipsoid of the body that has a name; lengths in millimetres, coordinates of ``demo_anatomy``."""

    name: str
    centre: Point
    radii: Point
    colour: tuple[int, int, int]  # RGB
    lab: tuple[int, int, int]  # the same as CIELab of PS3.3 C.10.7.1.1
    kind: tuple[str, str, str]
    interpreted: str

    def mask(self, size: int, spacing: float, z: float) -> NDArray[np.bool_]:
        """The pixels of an axial slice that belong to it."""
        axis = (np.arange(size) - (size - 1) / 2) * spacing
        dx, dy = (axis[None, :] - self.centre[0]) / self.radii[0], (axis[:, None] - self.centre[1]) / self.radii[1]
        inside: NDArray[np.bool_] = dx**2 + dy**2 + ((z - self.centre[2]) / self.radii[2]) ** 2 < 1
        return inside

    def outline(self, z: float, corners: int = 48) -> NDArray[np.float64] | None:
        """Its cut at a height as a polygon of x and y; None where it is not cut."""
        rest = 1 - ((z - self.centre[2]) / self.radii[2]) ** 2
        if rest <= 0.02:
            return None
        turn = np.arange(corners) * 2 * np.pi / corners
        x = self.centre[0] + self.radii[0] * np.sqrt(rest) * np.cos(turn)
        y = self.centre[1] + self.radii[1] * np.sqrt(rest) * np.sin(turn)
        return np.stack([x, y], axis=1)


NODULE = Structure(
    "Nodule", (-88, 18, 204), (7.5, 7, 7), (230, 60, 60), (34000, 46000, 41000), ("27925004", "SCT", "Nodule"), "GTV"
)
STRUCTURES = (
    Structure(
        "Liver", (-58, -4, 24), (88, 78, 74), (221, 130, 101), (40500, 38500, 37000), ("10200004", "SCT", "Liver"),
        "ORGAN",
    ),
    Structure(
        "Heart", (24, -22, 128), (56, 47, 50), (206, 110, 84), (36300, 40900, 39500), ("80891009", "SCT", "Heart"),
        "ORGAN",
    ),
    NODULE,
)  # fmt: skip


def derived_objects(exam: Exam, today: date, slices: Sequence[Dataset]) -> Iterator[tuple[str, Dataset]]:
    """Everything, over these CT slices (one series, from the feet to the head)."""
    yield "zhang/segmentation.dcm", segmentation(exam, today, slices)
    yield "zhang/structures.dcm", structure_set(exam, today, slices)
    yield "zhang/measurements.dcm", measurements(exam, today, slices)
    yield "zhang/letter.dcm", letter(exam, today)


def segmentation(exam: Exam, today: date, slices: Sequence[Dataset]) -> Dataset:
    """Binary, one frame for each structure and slice that has something of it (PS3.3 A.51)."""
    made = new_object(exam, today, SEG, "SEG", 91, "Segmentation of organs", 1)
    _equipment(made)
    made.ImageType, made.ContentLabel, made.ContentDescription = ["DERIVED", "PRIMARY"], "ORGANS", "Organs and nodule"
    made.ContentCreatorName, made.FrameOfReferenceUID = "Filmroom", slices[0].FrameOfReferenceUID
    made.PositionReferenceIndicator, made.LossyImageCompression = "", "00"
    made.SegmentationType, made.SegmentSequence = "BINARY", Items(_segment(n, s) for n, s in enumerate(STRUCTURES, 1))
    found = [
        (number, image, mask)
        for number, structure in enumerate(STRUCTURES, 1)
        for image in slices
        if (mask := structure.mask(int(image.Rows), float(image.PixelSpacing[0]), _height(image))).any()
    ]
    made.ReferencedSeriesSequence = Items([_series_of(slices)])
    made.SharedFunctionalGroupsSequence = Items([_shared(slices)])
    made.DimensionOrganizationSequence = Items([_item(DimensionOrganizationUID=uid(made.SOPInstanceUID, "dimensions"))])
    made.DimensionIndexSequence = Items(
        _item(
            DimensionOrganizationUID=uid(made.SOPInstanceUID, "dimensions"),
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=group,
            DimensionDescriptionLabel=label,
        )
        for pointer, group, label in ((0x0062000B, 0x0062000A, "Segment"), (0x00200032, 0x00209113, "Position"))
    )
    places = {str(image.SOPInstanceUID): n for n, image in enumerate(slices, 1)}
    made.PerFrameFunctionalGroupsSequence = Items(
        _frame(number, image, places[str(image.SOPInstanceUID)]) for number, image, _ in found
    )
    made.NumberOfFrames, made.Rows, made.Columns = len(found), slices[0].Rows, slices[0].Columns
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 1, 1, 0
    made.PixelData = np.packbits(np.concatenate([mask.ravel() for *_, mask in found]), bitorder="little").tobytes()
    made["PixelData"].VR = "OB"
    return made


def _segment(number: int, structure: Structure) -> Dataset:
    body = ("49755003", "SCT", "Morphologically Altered Structure")
    return _item(
        SegmentNumber=number,
        SegmentLabel=structure.name,
        SegmentAlgorithmType="SEMIAUTOMATIC",
        SegmentAlgorithmName="Phantom",
        RecommendedDisplayCIELabValue=list(structure.lab),
        SegmentedPropertyCategoryCodeSequence=Items(
            [code(*(body if structure is NODULE else ("123037004", "SCT", "Anatomical Structure")))]
        ),
        SegmentedPropertyTypeCodeSequence=Items([code(*structure.kind)]),
    )


def _shared(slices: Sequence[Dataset]) -> Dataset:
    image = slices[0]
    measures = _item(
        SliceThickness=image.SliceThickness,
        SpacingBetweenSlices=image.SpacingBetweenSlices,
        PixelSpacing=list(image.PixelSpacing),
    )
    orientation = _item(ImageOrientationPatient=list(image.ImageOrientationPatient))
    return _item(PixelMeasuresSequence=Items([measures]), PlaneOrientationSequence=Items([orientation]))


def _frame(number: int, image: Dataset, place: int) -> Dataset:
    source = _reference(image)
    source.PurposeOfReferenceCodeSequence = Items(
        [code("121322", "DCM", "Source image for image processing operation")]
    )
    derivation = _item(
        SourceImageSequence=Items([source]),
        DerivationCodeSequence=Items([code("113076", "DCM", "Segmentation")]),
    )
    return _item(
        DerivationImageSequence=Items([derivation]),
        FrameContentSequence=Items([_item(DimensionIndexValues=[number, place])]),
        PlanePositionSequence=Items([_item(ImagePositionPatient=list(image.ImagePositionPatient))]),
        SegmentIdentificationSequence=Items([_item(ReferencedSegmentNumber=number)]),
    )


def structure_set(exam: Exam, today: date, slices: Sequence[Dataset]) -> Dataset:
    """The same structures as closed contours (PS3.3 A.19)."""
    made = new_object(exam, today, RTSTRUCT, "RTSTRUCT", 92, "Structures", 1)
    _equipment(made)
    made.OperatorsName = ""
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = slices[0].FrameOfReferenceUID, ""
    made.StructureSetLabel, made.StructureSetDate, made.StructureSetTime = "ORGANS", made.StudyDate, made.StudyTime
    contour_images = Items(_reference(image) for image in slices)
    series = _item(SeriesInstanceUID=slices[0].SeriesInstanceUID, ContourImageSequence=contour_images)
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=made.StudyInstanceUID,
        RTReferencedSeriesSequence=Items([series]),
    )
    frame = slices[0].FrameOfReferenceUID
    made.ReferencedFrameOfReferenceSequence = Items(
        [_item(FrameOfReferenceUID=frame, RTReferencedStudySequence=Items([study]))]
    )
    made.StructureSetROISequence, made.ROIContourSequence, made.RTROIObservationsSequence = Items(), Items(), Items()
    for number, structure in enumerate(STRUCTURES, 1):
        made.StructureSetROISequence.append(
            _item(
                ROINumber=number,
                ReferencedFrameOfReferenceUID=frame,
                ROIName=structure.name,
                ROIGenerationAlgorithm="SEMIAUTOMATIC",
            )
        )
        contours = Items(_contours(structure, slices))
        made.ROIContourSequence.append(
            _item(ROIDisplayColor=list(structure.colour), ContourSequence=contours, ReferencedROINumber=number)
        )
        made.RTROIObservationsSequence.append(
            _item(
                ObservationNumber=number,
                ReferencedROINumber=number,
                RTROIInterpretedType=structure.interpreted,
                ROIInterpreter="",
            )
        )
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _contours(structure: Structure, slices: Sequence[Dataset]) -> Iterator[Dataset]:
    for image in slices:
        corners = structure.outline(_height(image))
        if corners is None:
            continue
        z = float(image.ImagePositionPatient[2])
        yield _item(
            ContourImageSequence=Items([_reference(image)]),
            ContourGeometricType="CLOSED_PLANAR",
            NumberOfContourPoints=len(corners),
            ContourData=[f"{value:.2f}" for x, y in corners for value in (x, y, z)],
        )


def measurements(exam: Exam, today: date, slices: Sequence[Dataset]) -> Dataset:
    """The nodule's length, as a viewer saves it: measurement report (PS3.16 TID 1500) that viewers load again."""
    made = new_object(exam, today, COMPREHENSIVE_SR, "SR", 93, "Measurements", 1)
    _equipment(made)
    image = min(slices, key=lambda each: abs(_height(each) - NODULE.centre[2]))
    made.CompletionFlag, made.VerificationFlag = "PARTIAL", "UNVERIFIED"
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = Items(), Items()
    series = _item(SeriesInstanceUID=image.SeriesInstanceUID, ReferencedSOPSequence=Items([_reference(image)]))
    made.CurrentRequestedProcedureEvidenceSequence = Items(
        [_item(StudyInstanceUID=made.StudyInstanceUID, ReferencedSeriesSequence=Items([series]))]
    )
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = Items([code("126000", "DCM", "Imaging Measurement Report")])
    made.ContentTemplateSequence = Items([_item(MappingResource="DCMR", TemplateIdentifier="1500")])
    language = _content("HAS CONCEPT MOD", "CODE", ("121049", "DCM", "Language of Content Item and Descendants"))
    language.ConceptCodeSequence = Items([code("en", "RFC5646", "English")])
    observer = _content("HAS OBS CONTEXT", "PNAME", ("121008", "DCM", "Person Observer Name"))
    observer.PersonName = "Hansen^Ingrid"
    procedure = _content("HAS CONCEPT MOD", "CODE", ("121058", "DCM", "Procedure reported"))
    procedure.ConceptCodeSequence = Items([code("169069000", "SCT", "CT of chest")])
    group = _content("CONTAINS", "CONTAINER", ("125007", "DCM", "Measurement Group"))
    group.ContinuityOfContent = "SEPARATE"
    group.ContentSequence = Items(_length(made.SOPInstanceUID, image))
    all_of_them = _content("CONTAINS", "CONTAINER", ("126010", "DCM", "Imaging Measurements"))
    all_of_them.ContinuityOfContent, all_of_them.ContentSequence = "SEPARATE", Items([group])
    made.ContentSequence = Items([language, observer, procedure, all_of_them])
    return made


def _length(report: str, image: Dataset) -> Iterator[Dataset]:
    """TID 1501 with one planar measurement; the tracking identifier names the tool that draws it again."""
    identifier = _content("HAS OBS CONTEXT", "TEXT", ("112039", "DCM", "Tracking Identifier"))
    identifier.TextValue = "Cornerstone3DTools@^0.1.0:Length"
    tracking = _content("HAS OBS CONTEXT", "UIDREF", ("112040", "DCM", "Tracking Unique Identifier"))
    tracking.UID = uid(report, "nodule")
    finding = _content("CONTAINS", "CODE", ("121071", "DCM", "Finding"))
    finding.ConceptCodeSequence = Items([code(*NODULE.kind)])
    yield from (identifier, tracking, finding)

    spacing, corner = float(image.PixelSpacing[0]), float(image.ImagePositionPatient[0])
    (x, y, _), (rx, _, _) = NODULE.centre, NODULE.radii
    chosen = _item(
        RelationshipType="SELECTED FROM", ValueType="IMAGE", ReferencedSOPSequence=Items([_reference(image)])
    )
    line = _item(
        RelationshipType="INFERRED FROM",
        ValueType="SCOORD",
        GraphicType="POLYLINE",
        GraphicData=[
            round(value, 2)
            for end in (x - rx, x + rx)
            for value in ((end - corner) / spacing + 0.5, (y - corner) / spacing + 0.5)
        ],
        ContentSequence=Items([chosen]),
    )
    length = _content("CONTAINS", "NUM", ("410668003", "SCT", "Length"))
    length.MeasuredValueSequence = Items(
        [_item(NumericValue=f"{2 * rx:.1f}", MeasurementUnitsCodeSequence=Items([code("mm", "UCUM", "millimeter")]))]
    )
    length.ContentSequence = Items([line])
    yield length


def letter(exam: Exam, today: date) -> Dataset:
    """One page for the referring doctor (PS3.3 A.45.1)."""
    made = new_object(exam, today, PDF, "DOC", 94, "Letter", 1)
    _equipment(made)
    made.ConversionType, made.BurnedInAnnotation, made.DocumentTitle = "WSD", "YES", "Letter to the referring doctor"
    made.AcquisitionDateTime = ""
    made.ConceptNameCodeSequence = Items([code("18748-4", "LN", "Diagnostic imaging report")])
    page = pdf_page(
        (
            "Filmroom General Hospital",
            "Department of Radiology",
            "",
            f"CT Chest with contrast, {made.StudyDate}",
            "",
            "Dear colleague,",
            "thank you for referring your patient. There is a solid nodule of 15 mm",
            "in the right upper lobe with a central calcification.",
            "Heart and great vessels are unremarkable.",
            "",
            "Comparison with earlier studies is advised.",
        )
    )
    made.EncapsulatedDocumentLength, made.MIMETypeOfEncapsulatedDocument = len(page), "application/pdf"
    made.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return made


def pdf_page(lines: Sequence[str]) -> bytes:
    """A PDF file of one A4 page with these lines, which hold no brackets nor backslashes."""
    text = "BT /F 12 Tf 16 TL 72 760 Td " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    bodies = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
    )
    out, places = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("ascii")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(bodies) + 1
    out += f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer\n<< /Size {count} /Root 1 0 R >>\n".encode("ascii")
    return out + f"startxref\n{out.rindex(b'xref')}\n%%EOF\n".encode("ascii")


def _content(relation: str, kind: str, concept: tuple[str, str, str]) -> Dataset:
    return _item(RelationshipType=relation, ValueType=kind, ConceptNameCodeSequence=Items([code(*concept)]))


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _reference(image: Dataset) -> Dataset:
    return _item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)


def _series_of(slices: Sequence[Dataset]) -> Dataset:
    references = Items(_reference(image) for image in slices)
    return _item(SeriesInstanceUID=slices[0].SeriesInstanceUID, ReferencedInstanceSequence=references)


def _equipment(made: Dataset) -> None:
    made.Manufacturer, made.ManufacturerModelName = "Filmroom", "Phantom"
    made.DeviceSerialNumber, made.SoftwareVersions = "1", "1"


def _height(image: Dataset) -> float:
    """The z of ``demo_anatomy``: its body stands on 0, the CT's frame of reference has 150 there."""
    return float(image.ImagePositionPatient[2]) + 150
