"""A correction is seen everywhere at once, the bytes stay as they came, and undone it is as if it had never been."""

import io
from dataclasses import replace

import orjson
import pytest
from bench.corpus import Object, Study, fresh_run, objects
from pydicom import dcmread
from pydicom.dataset import Dataset
from tests.fixtures.taking_in import Rig

from filmroom.archive.corrections import Corrections
from filmroom.archive.corrections_model import BadCorrection, CannotUndo, Target
from filmroom.archive.query import Query
from filmroom.archive.retrieve import Retrieve, as_received
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.errors import Forbidden, NotFound
from filmroom.dicom.question import All, Key, Level, Question, Single
from filmroom.security.principals import SYSTEM, person

EXPLICIT, IMPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{tail}" for tail in (".1", "", ".2", ".1.99"))
J2K = "1.2.840.10008.1.2.4.90"
pytestmark = pytest.mark.capability("1.3.5", "3.3.4")


async def stored(rig: Rig, kind: str, count: int = 1, number: int = 1) -> list[Object]:
    sent = list(objects(kind, Study(fresh_run(), number), count))
    await rig.store_all(sent)
    return sent


async def out(retrieve: Retrieve, sent: Object, syntax: str = "*", *, corrected: bool = True) -> Dataset:
    item = await retrieve.one(SYSTEM, sent.study_uid, sent.series_uid, sent.sop_uid)
    made = await retrieve.file(item, (syntax,), corrected=corrected)
    data = b"".join([chunk async for chunk in made.chunks])
    assert made.size_bytes in (None, len(data))
    return dcmread(io.BytesIO(data))


async def asked(query: Query, uid: str, level: Level = Level.STUDY) -> dict[str, object]:
    question = Question(level=level, keys=(Key((0x0020000D,), "UI", Single(uid)),), returns=All())
    answers, _ = await query.page(SYSTEM, question)
    return {name: (each.get("Value") or [None])[0] for name, each in answers[0].items()}


async def test_a_study_description_is_corrected_everywhere_and_undone(
    rig: Rig, retrieve: Retrieve, corrections: Corrections, query: Query, documents: SeriesDocuments
) -> None:
    sent = await stored(rig, "ct", 3)
    uid, series = sent[0].study_uid, sent[0].series_uid
    received = await out(retrieve, sent[0])
    bytes_before = await rig.stored(sent[0].sop_uid)
    first = await documents.series_metadata(SYSTEM, uid, series)
    entry = await corrections.correct(
        SYSTEM, Target.STUDY, uid, {"StudyDescription": "胸部 CT", "AccessionNumber": "A77"}, why="typed wrong"
    )
    assert entry.before["attributes"]["00081030"]["Value"] == [received.StudyDescription]

    seen = await asked(query, uid)
    assert (seen["00081030"], seen["00080050"]) == ("胸部 CT", "A77")
    assert await rig.value("SELECT accession FROM study WHERE study_uid = $1", uid) == "A77"
    for each in sent:
        found = await out(retrieve, each)
        assert (found.StudyDescription, found.AccessionNumber) == ("胸部 CT", "A77")
        assert found.SpecificCharacterSet == "ISO_IR 192"
        assert found.PatientName == received.PatientName
        assert found.PixelData == (await out(retrieve, each, corrected=False)).PixelData
        record = found.OriginalAttributesSequence[0]
        assert record.ReasonForTheAttributeModification == "CORRECT"
        assert record.ModifiedAttributesSequence[0].StudyDescription == received.StudyDescription
    document = await documents.series_metadata(SYSTEM, uid, series)
    assert document.etag != first.etag
    assert [each["00081030"]["Value"] for each in orjson.loads(document.json)] == [["胸部 CT"]] * 3
    assert (await out(retrieve, sent[0], corrected=False)).StudyDescription == received.StudyDescription
    (item,) = as_received(await retrieve.locate(SYSTEM, instances=[sent[0].sop_uid]))
    assert (await retrieve.handout(item)).where is not None
    assert await rig.stored(sent[0].sop_uid) == bytes_before

    await corrections.undo(SYSTEM, entry.pk, why="was right")
    assert (await asked(query, uid))["00081030"] == received.StudyDescription
    assert await out(retrieve, sent[0]) == received
    again = await documents.series_metadata(SYSTEM, uid, series)
    assert (again.json, again.etag == document.etag) == (first.json, False)
    assert [each.action for each in await corrections.journal(SYSTEM)] == ["undo", "correct"]
    with pytest.raises(CannotUndo):
        await corrections.undo(SYSTEM, entry.pk, why="twice")


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        (kind, syntax)
        for kind in ("ct", "j2k", "tiny")
        for syntax in (EXPLICIT, IMPLICIT, BIG, DEFLATED, J2K)
        if (kind, syntax) != ("tiny", J2K)  # a document has no compressed form
    ],
)
async def test_corrected_in_every_transfer_syntax(
    rig: Rig, retrieve: Retrieve, corrections: Corrections, kind: str, syntax: str
) -> None:
    (sent,) = await stored(rig, kind)
    await corrections.correct(SYSTEM, Target.STUDY, sent.study_uid, {"StudyDescription": "Größe"}, why="test")
    await corrections.correct(SYSTEM, Target.SERIES, sent.series_uid, {"SeriesDescription": "七"}, why="test")
    found = await out(retrieve, sent, syntax)
    plain = await out(retrieve, sent, syntax, corrected=False)
    assert found.file_meta.TransferSyntaxUID == syntax
    assert (found.StudyDescription, found.SeriesDescription) == ("Größe", "七")
    assert (found.PatientName, found.SOPInstanceUID) == (plain.PatientName, plain.SOPInstanceUID)
    if kind != "tiny":
        assert found.PixelData == plain.PixelData


async def test_each_level_and_what_may_not_be_corrected(rig: Rig, retrieve: Retrieve, corrections: Corrections) -> None:
    one, two = await stored(rig, "ct", 2)
    who = (await out(retrieve, one)).PatientID
    await corrections.correct(
        SYSTEM, Target.PATIENT, who, {"PatientName": "Müller^Jörg", "PatientBirthDate": "19700102"}, why="passport"
    )
    await corrections.correct(
        SYSTEM, Target.INSTANCE, one.sop_uid, {"ImageComments": "moved", "InstanceNumber": 9}, why="x"
    )
    await corrections.correct(SYSTEM, Target.SERIES, one.series_uid, {"Modality": "PT", "StationName": None}, why="x")
    found, other = await out(retrieve, one), await out(retrieve, two)
    assert (found.PatientName, found.PatientBirthDate) == (other.PatientName, other.PatientBirthDate)
    assert (str(found.PatientName), found.ImageComments, found.InstanceNumber) == ("Müller^Jörg", "moved", 9)
    assert "ImageComments" not in other
    assert (found.Modality, "StationName" in found) == ("PT", False)
    assert await rig.value("SELECT modalities FROM study") == ["PT"]
    assert await rig.rows("SELECT name_alphabetic, birth_date FROM patient") == [("muller^jorg", "19700102")]
    number = "SELECT instance_number FROM instance WHERE sop_uid = $1"
    assert await rig.value(number, one.sop_uid) == 9
    (moved,) = await corrections.journal(SYSTEM, target=f"instance:{one.sop_uid}")
    await corrections.undo(SYSTEM, moved.pk, why="x")
    assert await rig.value(number, one.sop_uid) == 1
    assert (await out(retrieve, one)).InstanceNumber == 1
    for level, target, values, reason in (
        (Target.STUDY, one.study_uid, {"StudyInstanceUID": "1.2"}, "UIDs are not corrected"),
        (Target.PATIENT, who, {"PatientID": "1"}, "merge patients instead"),
        (Target.STUDY, one.study_uid, {"PatientName": "A"}, "corrected at the patient"),
        (Target.STUDY, one.study_uid, {"StudyDate": "2026-01-01"}, "not a value of VR DA"),
        (Target.STUDY, one.study_uid, {"AccessionNumber": "1" * 17}, "longer than 16"),
        (Target.INSTANCE, one.sop_uid, {"Rows": 4}, "how the pixels are to be read"),
        (Target.INSTANCE, one.sop_uid, {"00091001": "x"}, "only public attributes"),
        (Target.STUDY, one.study_uid, {"NoSuchThing": "x"}, "none of DICOM's attributes"),
        (Target.STUDY, one.study_uid, {}, "give 1 to"),
        (Target.STUDY, one.study_uid, {"StudyID": "1", "StudyTime": "99"}, "not a value of VR TM"),
    ):
        with pytest.raises(BadCorrection, match=reason):
            await corrections.correct(SYSTEM, level, target, values, why="x")
    with pytest.raises(BadCorrection, match="say why"):
        await corrections.correct(SYSTEM, Target.STUDY, one.study_uid, {"StudyID": "1"}, why=" ")
    with pytest.raises(NotFound):
        await corrections.correct(SYSTEM, Target.STUDY, "1.2.3", {"StudyID": "1"}, why="x")
    with pytest.raises(Forbidden):
        await corrections.correct(
            person(1, "viewer", frozenset({"viewer"})), Target.STUDY, one.study_uid, {"StudyID": "1"}, why="x"
        )


async def test_corrections_of_one_attribute_are_undone_in_their_order(
    rig: Rig, retrieve: Retrieve, corrections: Corrections
) -> None:
    (sent,) = await stored(rig, "tiny")
    first = await corrections.correct(SYSTEM, Target.STUDY, sent.study_uid, {"StudyID": "1"}, why="x")
    second = await corrections.correct(SYSTEM, Target.STUDY, sent.study_uid, {"StudyID": "2"}, why="x")
    with pytest.raises(CannotUndo, match=f"entry {second.pk} "):
        await corrections.undo(SYSTEM, first.pk, why="x")
    await corrections.undo(SYSTEM, second.pk, why="x")
    assert (await out(retrieve, sent)).StudyID == "1"
    await corrections.undo(SYSTEM, first.pk, why="x")
    assert "OriginalAttributesSequence" not in await out(retrieve, sent)


@pytest.mark.capability("3.3.5")
async def test_two_patients_become_one_and_two_again(
    rig: Rig, retrieve: Retrieve, corrections: Corrections, query: Query
) -> None:
    (one,), (two,) = await stored(rig, "ct", 1, 1), await stored(rig, "ct", 1, 2)
    left, right = await out(retrieve, one), await out(retrieve, two)
    assert left.PatientID != right.PatientID
    entry = await corrections.merge(SYSTEM, left.PatientID, right.PatientID, why="one person")
    found = await out(retrieve, one)
    assert (found.PatientID, found.PatientName) == (right.PatientID, right.PatientName)
    assert found.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID == left.PatientID
    assert (await asked(query, one.study_uid))["00100020"] == right.PatientID
    (late,) = objects("ct", Study(fresh_run(), 1), 1)
    theirs = late.header.split(b"LO\x10\x00P")[1][:14]
    late = replace(late, header=late.header.replace(b"P" + theirs, left.PatientID.encode()))
    await rig.store(late)  # a modality that has not heard of it
    assert (await out(retrieve, late, corrected=False)).PatientID == left.PatientID
    assert (await out(retrieve, late)).PatientID == right.PatientID
    with pytest.raises(BadCorrection, match="same patient"):
        await corrections.merge(SYSTEM, left.PatientID, right.PatientID, why="again")
    await corrections.undo(SYSTEM, entry.pk, why="two people")
    assert (await out(retrieve, one)) == left
    assert (await out(retrieve, two)) == right
    assert (await asked(query, one.study_uid))["00100020"] == left.PatientID
