"""Headers changed on their way: right in every encoding, whatever the pieces, with pydicom as the oracle."""

import io
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from filmroom.base.errors import FilmroomError
from filmroom.dicom.edits import Edit, HeaderEditor, Note, edited
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

JPEG_LS = "1.2.840.10008.1.2.4.80"
SYNTAXES = (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, JPEG_LS)


def image(charset: str = "ISO_IR 100", *, undefined: bool = False) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = charset
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    made.StudyDescription = "Schädel"
    made.PatientName, made.PatientID = "Müller^Jörg", "4711"
    item = Dataset()
    item.ScheduledProcedureStepDescription = "Schädel nativ"
    item.ScheduledProcedureStepID = "S1"
    made.RequestAttributesSequence = Sequence([item])
    made["RequestAttributesSequence"].is_undefined_length = undefined
    item.is_undefined_length_sequence_item = undefined
    made.add_new(0x00091001, "OB", b"\1\2\3\4")
    made.Rows = made.Columns = 2
    made.BitsAllocated = 16
    made.add_new(0x7FE00010, "OW", bytes(range(8)))
    return made


def written(dataset: Dataset, syntax: str) -> bytes:
    uid = UID(syntax)
    if syntax == JPEG_LS:
        dataset.add_new(0x7FE00010, "OB", encapsulate([b"\xff\xd8frame\xff\xd9"]))
        dataset["PixelData"].is_undefined_length = True
    out = pydicom.filebase.DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = uid.is_little_endian, uid.is_implicit_VR
    write_dataset(out, dataset)
    return bytes(out.getvalue())


def read(data: bytes, syntax: str) -> Dataset:
    uid = UID(syntax)
    return pydicom.filereader.read_dataset(io.BytesIO(data), uid.is_implicit_VR, uid.is_little_endian)


def by_pieces(data: bytes, syntax: str, edit: Edit, size: int) -> bytes:
    editor = HeaderEditor(syntax, edit)
    out = b"".join(editor.feed(data[at : at + size]) for at in range(0, len(data), size))
    return out + editor.finish()


def change(**values: Any) -> Edit:
    changes: dict[str, Any] = {}
    for keyword, value in values.items():
        tag = pydicom.datadict.tag_for_keyword(keyword)
        assert tag is not None
        vr = pydicom.datadict.dictionary_VR(tag)
        given = {"Alphabetic": value} if vr == "PN" else value
        changes[f"{tag:08X}"] = None if value is None else {"vr": vr, "Value": [given]}
    return Edit(changes, notes=(Note("CORRECT", "20260301120000", "CT1", frozenset(changes)),))


@pytest.mark.capability("1.3.5")
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_attributes_are_set_added_and_removed_and_the_pixels_are_as_they_were(syntax: str, undefined: bool) -> None:
    before = written(image(undefined=undefined), syntax)
    edit = change(PatientName="Meier^Jörg", AccessionNumber="A1", StudyDescription=None)
    after = edited(before, syntax, edit)
    found = read(after, syntax)
    assert found.SpecificCharacterSet == "ISO_IR 100"
    assert (found.PatientName, found.AccessionNumber) == ("Meier^Jörg", "A1")
    assert "StudyDescription" not in found
    assert (found.PatientID, found.Rows) == ("4711", 2)
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "Schädel nativ"
    assert found[0x00091001].value == b"\1\2\3\4"
    pixels = read(before, syntax).PixelData
    assert found.PixelData == pixels
    assert after.endswith(before[before.rindex(pixels[:4]) :])
    record = found.OriginalAttributesSequence[0]
    assert (record.ReasonForTheAttributeModification, record.SourceOfPreviousValues) == ("CORRECT", "CT1")
    assert (record.ModifyingSystem, record.AttributeModificationDateTime) == ("FILMROOM", "20260301120000")
    originals = record.ModifiedAttributesSequence[0]
    originals.SpecificCharacterSet = "ISO_IR 100"
    assert originals.PatientName == "Müller^Jörg"
    assert originals.StudyDescription == "Schädel"
    assert not originals.AccessionNumber


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_a_name_that_latin_1_cannot_hold_makes_all_text_utf_8(syntax: str, undefined: bool) -> None:
    edit = change(PatientName="王^小明")
    found = read(edited(written(image(undefined=undefined), syntax), syntax, edit), syntax)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "王^小明"
    assert found.StudyDescription == "Schädel"
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "Schädel nativ"
    assert found.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName == "Müller^Jörg"


@pytest.mark.capability("1.1.11")
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_cr_that_says_latin_1_and_sends_gb18030(syntax: str) -> None:
    before = written(image("ISO_IR 100"), syntax).replace("Müller^J".encode("latin-1"), "王^小明 ".encode("gb18030"))
    before = before.replace(b"\xe4", b"a").replace(b"\xf6", b"o")  # the other text is plain
    note = Note("COERCE", "20260301120000", "CR1", frozenset({"00080005"}))
    found = read(edited(before, syntax, Edit({}, "GB18030", (note,))), syntax)
    assert found.SpecificCharacterSet == "GB18030"
    assert str(found.PatientName).startswith("王^小明")
    assert found.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].SpecificCharacterSet == "ISO_IR 100"
    both = read(edited(before, syntax, Edit(change(StudyDescription="Größe 中").changes, "GB18030")), syntax)
    assert (both.SpecificCharacterSet, both.StudyDescription) == ("GB18030", "Größe 中")


def test_an_existing_record_keeps_its_items() -> None:
    dataset = image()
    old = Dataset()
    old.ReasonForTheAttributeModification = "COERCE"
    dataset.OriginalAttributesSequence = Sequence([old])
    for syntax in SYNTAXES[:3]:
        found = read(edited(written(dataset, syntax), syntax, change(PatientID="X")), syntax)
        assert [each.ReasonForTheAttributeModification for each in found.OriginalAttributesSequence] == [
            "COERCE",
            "CORRECT",
        ]


def test_an_object_without_pixels_and_without_a_character_set() -> None:
    dataset = Dataset()
    dataset.SOPInstanceUID, dataset.PatientID = "1.2", "1"
    found = read(edited(written(dataset, EXPLICIT_LE), EXPLICIT_LE, change(PatientName="Ж")), EXPLICIT_LE)
    assert (found.SpecificCharacterSet, found.PatientName, found.PatientID) == ("ISO_IR 192", "Ж", "1")
    assert "OriginalAttributesSequence" in found


def test_what_is_behind_the_last_change_passes_untouched() -> None:
    editor = HeaderEditor(EXPLICIT_LE, change(PatientID="7"))
    data = written(image(), EXPLICIT_LE)
    out = editor.feed(data[:-8])
    assert editor.passing
    assert out + editor.feed(data[-8:]) + editor.finish() == edited(data, EXPLICIT_LE, change(PatientID="7"))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SYNTAXES), st.integers(1, 200), st.booleans(), st.sampled_from(["Meier^Jörg", "王^小明", "A"]))
def test_pieces_of_any_size_give_the_same(syntax: str, size: int, undefined: bool, name: str) -> None:
    data, edit = written(image(undefined=undefined), syntax), change(PatientName=name, StudyID="9", OperatorsName=None)
    assert by_pieces(data, syntax, edit, size) == edited(data, syntax, edit)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_torn_and_twisted_data_end_in_a_fault_of_ours_or_in_bytes(data: Any) -> None:
    whole = bytearray(written(image(undefined=True), data.draw(st.sampled_from(SYNTAXES))))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    torn = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        made = edited(torn, EXPLICIT_LE, change(PatientName="王"))
    except FilmroomError:
        return
    assert isinstance(made, bytes)
