"""What answers hold at each level, who may ask, and how the answers of a large archive come in pages."""

import pytest
from tests.fixtures.indexed import EXPLICIT_LE, index_some

from filmroom.archive.query import FIRST_PAGE_ROWS, Query
from filmroom.base.errors import Forbidden
from filmroom.db.pool import Database
from filmroom.dicom.matching import question_from_dataset, question_from_query
from filmroom.dicom.question import ALL, JsonDataset, Level, Question
from filmroom.security.principals import SYSTEM, person

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"


def image(
    study: str, series: int, number: int, *, patient: str = "P1", modality: str = "CT", **more: JsonDataset
) -> JsonDataset:
    made: JsonDataset = {
        "00080016": {"vr": "UI", "Value": [CT if modality == "CT" else SR]},
        "00080018": {"vr": "UI", "Value": [f"{study}.{series}.{number}"]},
        "00080020": {"vr": "DA", "Value": ["20240101"]},
        "00080060": {"vr": "CS", "Value": [modality]},
        "00081030": {"vr": "LO", "Value": ["CT Schädel"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^Wei", "Ideographic": "王^伟"}]},
        "0020000D": {"vr": "UI", "Value": [study]},
        "0020000E": {"vr": "UI", "Value": [f"{study}.{series}"]},
        "00200011": {"vr": "IS", "Value": [series]},
        "00200013": {"vr": "IS", "Value": [number]},
        "00280010": {"vr": "US", "Value": [512]},
        "00280011": {"vr": "US", "Value": [256]},
        "00280008": {"vr": "IS", "Value": [3]},
    }
    made["00100020"] = {"vr": "LO", "Value": [patient]} if patient else {"vr": "LO"}
    made.update(more)
    return made


@pytest.fixture
async def query(database: Database) -> Query:
    await index_some(database, [
        *(image("1.2.1", 1, number) for number in (10, 9, 2)),
        image("1.2.1", 2, 1, modality="SR", **{"0040A491": {"vr": "CS", "Value": ["COMPLETE"]}}),
        image("1.2.2", 1, 1),
        image("1.2.3", 1, 1, patient="P2"),
        image("1.2.4", 1, 1, patient=""),
    ])  # fmt: skip
    return Query(database, retrieve_ae_title="FILMROOM")


async def ask(query: Query, level: Level, **keys: str) -> list[JsonDataset]:
    found, _ = await query.page(SYSTEM, question_from_query(list(keys.items()), level))
    return found


def value(answer: JsonDataset, tag: str) -> object:
    values = answer[tag].get("Value")
    return values if values is None or len(values) > 1 else values[0]


@pytest.mark.capability("1.2.8", "1.2.1")
async def test_a_patient_answer_counts_what_is_below(query: Query) -> None:
    fields = "00100010,00201200,00201202,00201204"
    (answer,) = await ask(query, Level.PATIENT, PatientID="P1", includefield=fields)
    assert [value(answer, tag) for tag in ("00201200", "00201202", "00201204")] == [2, 3, 5]
    assert value(answer, "00100020") == "P1"
    assert value(answer, "00100010") == {"Alphabetic": "Wang^Wei", "Ideographic": "王^伟"}
    assert set(answer) == {"00100010", "00100020", "00201200", "00201202", "00201204"}
    assert len(await ask(query, Level.PATIENT)) == 3
    assert len(await ask(query, Level.PATIENT, ModalitiesInStudy="SR")) == 1
    assert len(await ask(query, Level.PATIENT, Modality="SR", StudyInstanceUID="1.2.1")) == 1
    assert await ask(query, Level.PATIENT, Modality="SR", StudyInstanceUID="1.2.2") == []


@pytest.mark.capability("1.2.8")
async def test_a_study_answer_has_what_was_asked_and_what_is_computed(query: Query) -> None:
    identifier: JsonDataset = {tag: {"vr": vr} for tag, vr in (
        ("00080050", "SH"), ("00080054", "AE"), ("00080056", "CS"), ("00080061", "CS"), ("00080062", "UI"),
        ("00081030", "LO"), ("00100020", "LO"), ("00201206", "IS"), ("00201208", "IS"), ("00201200", "IS"),
    )}  # fmt: skip
    identifier["0020000D"] = {"vr": "UI", "Value": ["1.2.1"]}
    (answer,) = [each async for each in query.find(SYSTEM, question_from_dataset(identifier, Level.STUDY))]
    assert answer == {
        "00080050": {"vr": "SH"},
        "00080054": {"vr": "AE", "Value": ["FILMROOM"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
        "00080062": {"vr": "UI", "Value": [CT, SR]},
        "00081030": {"vr": "LO", "Value": ["CT Schädel"]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "00201200": {"vr": "IS", "Value": [2]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [4]},
    }


@pytest.mark.capability("1.2.4", "1.2.3")
async def test_series_and_images_come_in_the_order_of_their_numbers(query: Query) -> None:
    series = await ask(query, Level.SERIES, StudyInstanceUID="1.2.1", includefield="00080060,00201209,00100010")
    assert [(value(each, "00080060"), value(each, "00201209")) for each in series] == [("CT", 3), ("SR", 1)]
    assert value(series[0], "00100010") == {"Alphabetic": "Wang^Wei", "Ideographic": "王^伟"}
    fields = "00200013,00280010,00280011,00280008,00080016,00083002,00081030"
    images = await ask(query, Level.IMAGE, SeriesInstanceUID="1.2.1.1", includefield=fields)
    assert [value(each, "00200013") for each in images] == [2, 9, 10]
    first = {tag: value(images[0], tag) for tag in fields.split(",")}
    assert list(first.values()) == [2, 512, 256, 3, CT, EXPLICIT_LE, "CT Schädel"]
    assert [value(images[0], tag) for tag in ("0020000D", "0020000E", "00080018")] == ["1.2.1", "1.2.1.1", "1.2.1.1.2"]
    (report,) = await ask(query, Level.IMAGE, CompletionFlag="COMPLETE")
    assert value(report, "00080018") == "1.2.1.2.1"
    assert len(await ask(query, Level.IMAGE, PatientID="P1", Modality="CT")) == 4


@pytest.mark.capability("1.2.8")
async def test_identifiers_that_filmroom_made_up_never_show(query: Query) -> None:
    (answer,) = await ask(query, Level.STUDY, StudyInstanceUID="1.2.4", includefield="00100020,00100021")
    assert answer["00100020"] == {"vr": "LO"}
    assert answer["00100021"] == {"vr": "LO"}
    for key in (
        {"IssuerOfPatientID": "study:1.2.4"},
        {"IssuerOfPatientID": "study:*"},
        {"PatientID": "?*", "StudyInstanceUID": "1.2.4"},
    ):
        assert await ask(query, Level.STUDY, **key) == []
    (answer,) = await ask(query, Level.STUDY, PatientID='""', emptyvaluematching="true")
    assert value(answer, "0020000D") == "1.2.4"


@pytest.mark.capability("1.2.12")
async def test_what_is_not_visible_is_not_found_at_any_level(query: Query, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE instance SET state = 'rejected' WHERE sop_uid = '1.2.1.1.2'")
        await connection.execute("UPDATE series SET state = 'deleted' WHERE series_uid = '1.2.1.2'")
        await connection.execute("UPDATE study SET state = 'deleted' WHERE study_uid = '1.2.3'")
    assert len(await ask(query, Level.IMAGE, SeriesInstanceUID="1.2.1.1")) == 2
    assert len(await ask(query, Level.SERIES, StudyInstanceUID="1.2.1")) == 1
    assert await ask(query, Level.IMAGE, SeriesInstanceUID="1.2.1.2") == []
    assert await ask(query, Level.STUDY, PatientID="P2") == []
    assert await ask(query, Level.PATIENT, PatientID="P2") == []
    assert await ask(query, Level.STUDY, StudyInstanceUID="1.2.1", CompletionFlag="COMPLETE") == []


@pytest.mark.capability("6.2.5")
async def test_everything_known_comes_with_includefield_all(query: Query) -> None:
    question = question_from_query([("StudyInstanceUID", "1.2.1"), ("includefield", "all")], Level.STUDY)
    assert question.returns is ALL
    ((answer,), _) = await query.page(SYSTEM, question)
    assert {"00080020", "00080061", "00081030", "00100010", "0020000D", "00201206"} <= set(answer)
    assert list(answer) == sorted(answer)
    (one, *_), _ = await query.page(
        SYSTEM, question_from_query([("includefield", "all"), ("SOPInstanceUID", "1.2.1.1.9")], Level.IMAGE)
    )
    assert value(one, "00200011") == 1
    assert value(one, "00200013") == 9


@pytest.mark.capability("1.2.10")
async def test_attributes_without_an_index_are_named(query: Query) -> None:
    question = question_from_query([("SliceThickness", "5"), ("Modality", "CT"), ("PatientID", "P1")], Level.STUDY)
    assert query.unsupported(question) == ((0x00180050,),)
    found, _ = await query.page(SYSTEM, question)
    assert len(found) == 2
    assert found[0]["00180050"] == {"vr": "DS"}


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("order", ["PatientName,-StudyDate", "-PatientID", "StudyDescription"])
async def test_answers_can_be_ordered_and_paged_in_that_order(query: Query, order: str) -> None:
    question = question_from_query([("orderby", order), ("limit", "1")], Level.STUDY)
    after, seen = None, []
    for _ in range(4):
        (answer,), after = await query.page(
            SYSTEM, Question(level=Level.STUDY, order=question.order, limit=1, after=after)
        )
        seen.append(value(answer, "0020000D"))
    assert after is None
    assert sorted(seen) == ["1.2.1", "1.2.2", "1.2.3", "1.2.4"]


@pytest.mark.capability("3.2.1")
async def test_an_answer_larger_than_a_page_comes_whole_and_in_order(query: Query, database: Database) -> None:
    numbers = range(1, 3 * FIRST_PAGE_ROWS)
    await index_some(database, [image(f"1.9.{number}", 1, number, patient=f"Q{number}") for number in numbers])
    question = question_from_query([("PatientID", "Q*")], Level.STUDY)
    found = [value(each, "0020000D") async for each in query.find(SYSTEM, question)]
    assert len(found) == len(set(found)) == len(numbers)
    limited = question_from_query([("PatientID", "Q*"), ("limit", "260"), ("offset", "3")], Level.STUDY)
    assert [value(each, "0020000D") async for each in query.find(SYSTEM, limited)] == found[3:263]
    assert await query.count(SYSTEM, question) == len(numbers)


async def test_who_may_not_see_may_not_ask(query: Query) -> None:
    nobody = person(1, "nobody", frozenset())
    with pytest.raises(Forbidden):
        await query.page(nobody, Question(level=Level.STUDY))
    with pytest.raises(Forbidden):
        await query.count(nobody, Question(level=Level.STUDY))
