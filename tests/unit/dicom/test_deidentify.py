"""De-identification: what identifies is nowhere in the output, in no encoding; what is needed stays."""

import contextlib
import io
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from filmroom.base.errors import Unsupported
from filmroom.dicom.deidentify import Deidentified, Recipe, Withheld, deidentified
from filmroom.dicom.deidentify_profile import Action, Option, action, identifies
from filmroom.dicom.deidentify_pseudonyms import Pseudonyms, shifted
from filmroom.dicom.deidentify_table import ROWS
from filmroom.dicom.deidentify_text import Identifiers, cleaned
from filmroom.dicom.pixels_elements import EXPLICIT, IMPLICIT, Attributes

pytestmark = pytest.mark.capability("7.4.2")
KEY = b"k" * 32
CT = "1.2.840.10008.5.1.4.1.1.2"


def recipe(*options: Option, key: bytes = KEY) -> Recipe:
    return Recipe(pseudonyms=Pseudonyms(key), options=frozenset(options))


def written(dataset: Dataset, *, implicit: bool = False) -> Attributes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, dataset)
    return Attributes.scan(buffer.getvalue(), IMPLICIT if implicit else EXPLICIT)


def read(made: Deidentified) -> Dataset:
    return read_dataset(io.BytesIO(made.header), is_implicit_VR=False, is_little_endian=True)


def person(**more: Any) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = "1.2.3.4.5"
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = "1.2.3.4.1"
    dataset.FrameOfReferenceUID = "1.2.3.4.9"
    dataset.Modality = "CT"
    dataset.PatientName = "Mustermann^Erika"
    dataset.PatientID = "PID-4711"
    dataset.PatientBirthDate = "19640812"
    dataset.PatientSex = "F"
    dataset.AccessionNumber = "ACC-0815"
    dataset.StudyDate = "20240229"
    dataset.StudyTime = "101112"
    dataset.StudyDescription = "CT chest with contrast, Mustermann"
    dataset.InstitutionName = "General Hospital North"
    dataset.ReferringPhysicianName = "Quincy^Jack"
    dataset.Rows = 4
    dataset.PixelSpacing = [0.5, 0.5]
    for name, value in more.items():
        setattr(dataset, name, value)
    return dataset


def test_the_object_says_how_it_was_made() -> None:
    made = read(deidentified(written(person()), recipe(Option.RETAIN_MODIFIED_DATES)))
    assert made.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in made.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    assert made.LongitudinalTemporalInformationModified == "MODIFIED"
    assert made.PixelSpacing == [0.5, 0.5]
    assert made.Modality == "CT"
    assert str(made.PatientName) == made.PatientID.replace("-", "^")


def test_two_objects_of_a_study_stay_together_and_another_project_shares_nothing() -> None:
    one, two = (deidentified(written(person(SOPInstanceUID=f"1.2.3.4.5.{n}")), recipe()) for n in (1, 2))
    other = deidentified(written(person(SOPInstanceUID="1.2.3.4.5.1")), recipe(key=b"o" * 32))
    assert (one.study_uid, one.series_uid, one.patient_id) == (two.study_uid, two.series_uid, two.patient_id)
    assert one.sop_uid != two.sop_uid
    assert not {one.study_uid, one.series_uid, one.sop_uid, one.patient_id} & {
        other.study_uid,
        other.series_uid,
        other.sop_uid,
        other.patient_id,
    }
    assert one.sop_uid.startswith("2.25.")


def test_references_follow_the_objects_they_name() -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID = CT
    reference.ReferencedSOPInstanceUID = "1.2.3.4.77"
    made = read(deidentified(written(person(ReferencedImageSequence=[reference])), recipe()))
    named = deidentified(written(person(SOPInstanceUID="1.2.3.4.77")), recipe())
    assert made.ReferencedImageSequence[0].ReferencedSOPInstanceUID == named.sop_uid
    assert made.ReferencedImageSequence[0].ReferencedSOPClassUID == CT


def test_modified_dates_keep_their_distance() -> None:
    made = read(deidentified(written(person(SeriesDate="20240302")), recipe(Option.RETAIN_MODIFIED_DATES)))
    days = [datetime.strptime(text, "%Y%m%d") for text in (made.StudyDate, made.SeriesDate)]  # noqa: DTZ007
    assert (days[1] - days[0]).days == 2
    assert made.StudyDate < "20240229"
    assert made.StudyTime == "101112"


@pytest.mark.parametrize(
    ("text", "days", "expected"),
    [("20240301", 1, "20240229"), ("20240301101112.5+0100", 1, "20240229101112.5+0100"), ("2024", 1, ""), ("x", 1, "")],
)
def test_a_shifted_date(text: str, days: int, expected: str) -> None:
    assert shifted(text, days) == expected


def test_options_keep_what_they_name() -> None:
    dataset = person(StationName="CT-ROOM-2", DeviceSerialNumber="SN-99881", PatientAge="059Y", PatientWeight=70)
    kept = read(
        deidentified(
            written(dataset),
            recipe(
                Option.RETAIN_UIDS,
                Option.RETAIN_DEVICE,
                Option.RETAIN_INSTITUTION,
                Option.RETAIN_PATIENT_CHARACTERISTICS,
                Option.RETAIN_FULL_DATES,
                Option.CLEAN_DESCRIPTORS,
            ),
        )
    )
    assert kept.SOPInstanceUID == "1.2.3.4.5"
    assert kept.DeviceSerialNumber == "SN-99881"
    assert kept.InstitutionName == "General Hospital North"
    assert (kept.PatientSex, kept.PatientAge) == ("F", "059Y")
    assert kept.StudyDate == "20240229"
    assert kept.StudyDescription == "CT chest with contrast"
    gone = read(deidentified(written(dataset), recipe()))
    for name in ("DeviceSerialNumber", "InstitutionName", "PatientAge", "StudyDescription"):
        assert not gone.get(name) or gone.get(name) == "ANONYMIZED"


def test_a_name_in_an_attribute_that_stays_is_found() -> None:
    made = read(deidentified(written(person(ConvolutionKernel="for ERIKA")), recipe()))
    assert made.ConvolutionKernel == ""
    made = read(deidentified(written(person(ContrastBolusAgent="given to mustermann")), recipe()))
    assert "mustermann" not in str(made).casefold()


def test_private_elements_go_unless_they_are_known_to_be_safe() -> None:
    dataset = person()
    dataset.add_new(0x70530010, "LO", "Philips PET Private Group")
    dataset.add_new(0x70531000, "DS", "1.5")
    dataset.add_new(0x70531001, "LO", "PID-4711")
    dataset.add_new(0x00090010, "LO", "ACME")
    dataset.add_new(0x00091001, "LO", "what")
    assert not any(each.tag.is_private for each in read(deidentified(written(dataset), recipe())))
    kept = read(deidentified(written(dataset), recipe(Option.RETAIN_SAFE_PRIVATE)))
    assert [int(each.tag) for each in kept if each.tag.is_private] == [0x70530010, 0x70531000]


def _report() -> Dataset:
    name, text, number = Dataset(), Dataset(), Dataset()
    for item, kind in ((name, "PNAME"), (text, "TEXT"), (number, "NUM")):
        item.RelationshipType, item.ValueType = "CONTAINS", kind
        concept = Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "121071", "DCM", "Finding"
        item.ConceptNameCodeSequence = [concept]
    name.PersonName = "Mustermann^Erika"
    text.TextValue = "Mrs Mustermann of 12 Elm Road: nodule in left lung 5mm"
    value = Dataset()
    value.NumericValue = "12.5"
    number.MeasuredValueSequence = [value]
    return person(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", ContentSequence=[name, text, number])


def test_a_report_loses_its_content_or_keeps_its_measures_and_known_words() -> None:
    plain = read(deidentified(written(_report()), recipe()))
    assert [item.TextValue for item in plain.ContentSequence] == ["ANONYMIZED"]
    clean = read(deidentified(written(_report()), recipe(Option.CLEAN_STRUCTURED_CONTENT)))
    assert clean.ContentSequence[0].PersonName == "ANONYMIZED"
    assert "nodule" in clean.ContentSequence[1].TextValue
    assert "lung" in clean.ContentSequence[1].TextValue
    assert "Elm" not in clean.ContentSequence[1].TextValue
    assert clean.ContentSequence[2].MeasuredValueSequence[0].NumericValue == 12.5


def test_what_cannot_be_cleaned_is_withheld() -> None:
    with pytest.raises(Withheld):
        deidentified(written(person(EncapsulatedDocument=b"%PDF")), recipe())
    with pytest.raises(Withheld):
        deidentified(written(person(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.4.1")), recipe())
    with pytest.raises(Unsupported):
        recipe(Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES)


def test_the_report_names_attributes_and_no_value() -> None:
    report = deidentified(written(person()), recipe()).report
    assert report["(0010,0010) PatientName"] == {"emptied": 1}
    assert report["(0020,000D) StudyInstanceUID"] == {"new UID": 1}
    assert "Mustermann" not in str(report)


def test_implicit_stays_implicit() -> None:
    made = deidentified(written(person(), implicit=True), recipe())
    again = Attributes.scan(made.header, IMPLICIT)
    assert again.text(0x00080018) == made.sop_uid


_LATIN = st.text(st.characters(codec="latin-1", categories=("Lu", "Ll")), min_size=5, max_size=12)
_CHINESE = st.text(
    st.sampled_from("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾"), min_size=3, max_size=5
)
_TEXT_VRS = {"PN", "LO", "SH", "ST", "LT", "UT"}
_LISTED = [int(tag, 16) for _, _, tags in ROWS for tag in tags.split() if "x" not in tag]
_TEXT_TAGS = sorted(tag for tag in _LISTED if dictionary_VR(tag) in _TEXT_VRS)
_OPTIONS = sorted(set(Option) - {Option.RETAIN_FULL_DATES}, key=str)


@settings(max_examples=30, deadline=None)
@given(
    st.data(),
    st.sampled_from(["ISO_IR 100", "ISO_IR 192", "GB18030"]),
    st.lists(st.sampled_from(_TEXT_TAGS), min_size=1, max_size=8, unique=True),
    st.sets(st.sampled_from(_OPTIONS)),
    st.integers(0, 2),
    st.booleans(),
)
def test_no_identifying_value_is_anywhere_in_the_output(
    data: st.DataObject, charset: str, tags: list[int], options: set[Option], depth: int, implicit: bool
) -> None:
    chosen = frozenset(options)
    dataset = target = person(SpecificCharacterSet=charset)
    for _ in range(depth):
        target.ConceptCodeSequence = [Dataset()]
        target = target.ConceptCodeSequence[0]
    secrets: list[str] = []
    kept: list[str] = []  # by an option that was chosen
    planted = ["iodine"]
    for tag in tags:
        value = data.draw(_LATIN if charset == "ISO_IR 100" else st.one_of(_LATIN, _CHINESE))
        with config.disable_value_validation():
            target.add_new(tag, dictionary_VR(tag), value)
        harmless = cleaned(value, Identifiers()) != ""  # has words of the vocabulary, which cleaning leaves
        (kept if action(tag, chosen) is Action.KEEP or harmless else secrets).append(value)
        if identifies(tag, chosen):
            planted.append(value)
    dataset.ContrastBolusAgent = "\\".join(planted)
    with config.disable_value_validation():
        made = deidentified(written(dataset, implicit=implicit), recipe(*chosen)).header
    for secret in (each for each in secrets if not any(each in other for other in kept)):
        for codec in ("utf-8", "gb18030", "latin-1"):
            with contextlib.suppress(UnicodeEncodeError):
                assert secret.encode(codec) not in made
