"""A page of studies is the same whichever way it was found: looked up, among the newest, by a walk, or sorted."""

from dataclasses import replace

import pytest
from tests.fixtures.indexed import index_some
from tests.integration.query.test_query_answers import image

from filmroom.archive.query import Query
from filmroom.db.pool import Database
from filmroom.dicom.matching import question_from_query
from filmroom.dicom.question import Level, Question
from filmroom.index import query as compiler
from filmroom.index import query_narrow
from filmroom.security.principals import SYSTEM

pytestmark = pytest.mark.capability("1.2.1", "1.2.8")

STUDIES = 40
QUESTIONS: dict[str, dict[str, str]] = {
    "a pattern of accession numbers": {"AccessionNumber": "A1*"},
    "a modality": {"ModalitiesInStudy": "CT"},
    "a modality and a pattern": {"ModalitiesInStudy": "CT", "AccessionNumber": "A*"},
    "text inside": {"StudyDescription": "*kopf*"},
    "a station": {"StationName": "ROOM1"},
    "a body part and a modality": {"BodyPartExamined": "HEAD", "ModalitiesInStudy": "CT"},
    "a referrer": {"ReferringPhysicianName": "ARZT^*"},
    "a modality and a birth date": {"ModalitiesInStudy": "SR", "PatientBirthDate": "19600101"},
}
WAYS = {
    "looked up": (4000, 3000, 20),
    "newest": (0, 3000, 20),
    "walked": (0, 3, 1000),
    "sorted": (0, 3, 0),
    "counted to one": (1, 1, 1),
}


@pytest.fixture
async def query(database: Database) -> Query:
    await index_some(database, [
        image(
            f"1.2.{number}", 1, 1, patient=f"P{number % 7}", modality="SR" if number % 5 == 4 else "CT",
            **{
                "00080020": {"vr": "DA", "Value": [f"2024010{1 + number % 9}"]},
                "00080050": {"vr": "SH", "Value": [f"A{number}"]},
                "00080090": {"vr": "PN", "Value": [{"Alphabetic": f"ARZT^{number % 3}"}]},
                "00081010": {"vr": "SH", "Value": [f"ROOM{number % 4}"]},
                "00081030": {"vr": "LO", "Value": ["Kopf CT" if number % 3 else "Hand"]},
                "00100030": {"vr": "DA", "Value": ["19600101"]},
                "00180015": {"vr": "CS", "Value": ["HEAD" if number % 2 else "HAND"]},
            },
        )
        for number in range(STUDIES)
    ])  # fmt: skip
    return Query(database, retrieve_ae_title="FILMROOM")


async def pages(query: Query, question: Question, limit: int) -> list[list[str]]:
    found: list[list[str]] = []
    after: compiler.Cursor | None = None
    while not found or after is not None:
        answers, after = await query.page(SYSTEM, replace(question, limit=limit, after=after))
        found.append([each["0020000D"]["Value"][0] for each in answers])
    return found


@pytest.mark.parametrize("keys", QUESTIONS.values(), ids=QUESTIONS.keys())
async def test_every_way_finds_the_same_pages(
    query: Query, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    question = question_from_query(list(keys.items()), Level.STUDY)
    expected = await pages(query, question, 100)
    assert sum(map(len, expected)) > 0
    for few, near, walks in WAYS.values():
        monkeypatch.setattr(query_narrow, "FEW", few)
        monkeypatch.setattr(query_narrow, "WALKS", walks)
        monkeypatch.setattr(compiler, "NEAR", near)
        for limit in (4, 100):
            assert [uid for page in await pages(query, question, limit) for uid in page] == expected[0]


async def test_an_offset_counts_in_every_way(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    for few, near, walks in WAYS.values():
        monkeypatch.setattr(query_narrow, "FEW", few)
        monkeypatch.setattr(query_narrow, "WALKS", walks)
        monkeypatch.setattr(compiler, "NEAR", near)
        keys = {"ModalitiesInStudy": "CT", "limit": "5", "offset": "3"}
        answers, _ = await query.page(SYSTEM, question_from_query(list(keys.items()), Level.STUDY))
        whole, _ = await query.page(SYSTEM, question_from_query([("ModalitiesInStudy", "CT")], Level.STUDY))
        assert answers == whole[3:8]
